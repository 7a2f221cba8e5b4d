# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a node's image stores: exact names and layers."""

from __future__ import annotations

from ..observed.crio import RunningConfig
from ..observed.store import (
    ImageStore,
    StoreContents,
    StoredLayer,
    StoredNames,
    parse_images_json,
    parse_layers,
    parse_layers_json,
    parse_store_contents,
)
from .crictl import Crictl
from .reading_host import ReadingHost

# The driver's name is part of the folders' names (containers/storage); CRI-O's pulls need overlay.
_IMAGES = "overlay-images/images.json"
_LAYERS = "overlay-layers/layers.json"


def read_image_store(host: ReadingHost, crictl: Crictl, config: RunningConfig) -> ImageStore:
    """Return what the daemon lists, with the exact names from the store's own file."""
    images = crictl.images()
    stored = StoredNames({})
    for root in _roots(config):
        text = host.read(f"{root}/{_IMAGES}")
        if text:
            stored = stored.merged_with(parse_images_json(text))
    return ImageStore(images, stored)


def read_layers(host: ReadingHost, config: RunningConfig) -> frozenset[str]:
    """Return the compressed digests of the layers that need not be fetched again."""
    return frozenset().union(*map(parse_layers_json, _layers_texts(host, config)))


def read_stored_layers(host: ReadingHost, config: RunningConfig) -> dict[str, StoredLayer]:
    """Return the layers of all stores by their identifiers, which are the same in each."""
    layers: dict[str, StoredLayer] = {}
    for text in _layers_texts(host, config):
        layers.update(parse_layers(text))
    return layers


def _layers_texts(host: ReadingHost, config: RunningConfig) -> list[str]:
    texts = [host.read(f"{root}/{_LAYERS}") for root in _roots(config)]
    return [text for text in texts if text]


def read_contents(host: ReadingHost, config: RunningConfig) -> StoreContents:
    """Return the images and layers of the store that pulls go to."""
    texts = [host.read(f"{config.image_root}/{path}") for path in (_IMAGES, _LAYERS)]
    return parse_store_contents(*(text or "" for text in texts))


def _roots(config: RunningConfig) -> list[str]:
    return sorted({config.graph_root, config.image_root, *config.additional_stores})
