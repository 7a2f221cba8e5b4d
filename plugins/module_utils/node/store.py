# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a node's image stores: exact names and layers."""

from __future__ import annotations

from typing import Iterable

from ..observed.crio import RunningConfig
from ..observed.store import (
    ImageStore,
    StoreContents,
    StoredLayer,
    StoredNames,
    digests_of,
    parse_container_images,
    parse_images_json,
    parse_layers,
    parse_store_contents,
)
from .crictl import Crictl
from .reading_host import ReadingHost

# The driver's name is part of the folders' names (containers/storage); CRI-O's pulls need overlay.
_IMAGES = "overlay-images/images.json"
_LAYERS = "overlay-layers/layers.json"
# Those of podman, and those that do not outlive a boot, which CRI-O's are.
_CONTAINERS = ("overlay-containers/containers.json", "overlay-containers/volatile-containers.json")


def read_image_store(host: ReadingHost, crictl: Crictl, config: RunningConfig) -> ImageStore:
    """Return what the daemon lists, with the exact names from the store's own file."""
    images = crictl.images()
    stored = StoredNames({})
    for root in store_roots(config):
        text = host.read(f"{root}/{_IMAGES}")
        if text:
            stored = stored.merged_with(parse_images_json(text))
    return ImageStore(images, stored)


def read_layers(host: ReadingHost, config: RunningConfig) -> frozenset[str]:
    """Return the compressed digests of the layers that need not be fetched again."""
    return digests_of(read_stored_layers(host, store_roots(config)))


def read_stored_layers(host: ReadingHost, roots: Iterable[str]) -> dict[str, StoredLayer]:
    """Return the layers of these stores by their identifiers, which are the same in each."""
    layers: dict[str, StoredLayer] = {}
    for root in roots:
        text = host.read(f"{root}/{_LAYERS}")
        if text:
            layers.update(parse_layers(text))
    return layers


def contents_of(host: ReadingHost, root: str) -> StoreContents:
    """Return the images and layers of one store; pulls go to that of the image root."""
    texts = [host.read(f"{root}/{path}") for path in (_IMAGES, _LAYERS)]
    return parse_store_contents(*(text or "" for text in texts))


def images_in_use(host: ReadingHost, crictl: Crictl, config: RunningConfig) -> frozenset[str]:
    """Return names and identifiers of the images that something is made of.

    That are CRI-O's containers, running or not, and all that the store keeps: the sandboxes of pods
    and podman's containers too, which ``crictl ps`` does not list.

    :raises EdgefleetError: when the daemon does not answer, or the store's list cannot be read.
    """
    texts = (host.read(f"{config.graph_root}/{path}") for path in _CONTAINERS)
    return crictl.images_in_use().union(*(parse_container_images(text) for text in texts if text))


def store_roots(config: RunningConfig) -> list[str]:
    """Return where the stores lie whose images a node has."""
    return sorted({config.graph_root, config.image_root, *config.additional_stores})
