# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stores of a node: their images and layers."""

from __future__ import annotations

from typing import Iterable

from ..observed.crio import RunningConfig
from ..observed.store import (
    StoreContents,
    StoredLayer,
    digests_of,
    parse_layers,
    parse_store_contents,
)
from .images import IMAGES_JSON
from .reading_host import ReadingHost

_LAYERS = "overlay-layers/layers.json"


def read_layers(host: ReadingHost, config: RunningConfig) -> frozenset[str]:
    """Return the compressed digests of the layers that need not be fetched again."""
    return digests_of(read_stored_layers(host, config.store_roots()))


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
    texts = [host.read(f"{root}/{path}") for path in (IMAGES_JSON, _LAYERS)]
    return parse_store_contents(*(text or "" for text in texts))
