# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a node has and uses, from crictl and the files of its stores."""

from __future__ import annotations

from ..observed.crio import RunningConfig
from ..observed.images import ImageStore, StoredNames, parse_container_images, parse_images_json
from .crictl import Crictl
from .reading_host import ReadingHost

#: The images of a store, below its root. The driver's name is part of the folder's name
#: (containers/storage); CRI-O's pulls need overlay.
IMAGES_JSON = "overlay-images/images.json"
# Those of podman, and those that do not outlive a boot, which CRI-O's are.
_CONTAINERS = ("overlay-containers/containers.json", "overlay-containers/volatile-containers.json")


def read_image_store(host: ReadingHost, crictl: Crictl, config: RunningConfig) -> ImageStore:
    """Return what the daemon lists, with the exact names from the store's own file."""
    images = crictl.images()
    stored = StoredNames({})
    for root in config.store_roots():
        text = host.read(f"{root}/{IMAGES_JSON}")
        if text:
            stored = stored.merged_with(parse_images_json(text))
    return ImageStore(images, stored)


def images_in_use(host: ReadingHost, crictl: Crictl, config: RunningConfig) -> frozenset[str]:
    """Return names and identifiers of the images that something is made of.

    That are CRI-O's containers, running or not, and all that the store keeps: the sandboxes of pods
    and podman's containers too, which ``crictl ps`` does not list.

    :raises EdgefleetError: when the daemon does not answer, or the store's list cannot be read.
    """
    texts = (host.read(f"{config.graph_root}/{path}") for path in _CONTAINERS)
    return crictl.images_in_use().union(*(parse_container_images(text) for text in texts if text))
