# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images and layers of a store, as its own files say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Mapping

from .answer import UnreadableAnswer, load_answer


@dataclass(frozen=True)
class StoredLayer:
    """A layer of a store; ``bytes`` are those of its tar, ``digest`` is of its compressed blob.

    ``parent`` is the identifier of the layer below, empty for the lowest.
    """

    digest: str
    parent: str
    bytes: int


@dataclass(frozen=True)
class StoredImage:
    """An image of a store; ``layer`` is the identifier of its uppermost layer, empty for none."""

    names: frozenset[str]
    layer: str


@dataclass(frozen=True)
class StoreContents:
    """The images and the layers of one store, by their identifiers."""

    images: Mapping[str, StoredImage]
    layers: Mapping[str, StoredLayer]

    def without(self, names: Iterable[str]) -> StoreContents:
        """Return what is left without the images of these names: a layer goes with its last image."""
        named = frozenset(names)
        going = {one for one, image in self.images.items() if image.names & named}
        if not going:
            return self
        images = {one: image for one, image in self.images.items() if one not in going}
        lost = self.layers_of(going) - self.layers_of(images)
        layers = {one: layer for one, layer in self.layers.items() if one not in lost}
        return StoreContents(images, layers)

    def layers_of(self, images: Iterable[str]) -> set[str]:
        """Return the identifiers of all layers of these images."""
        found: set[str] = set()
        for identifier in images:
            layer = self.images[identifier].layer
            while layer in self.layers and layer not in found:
                found.add(layer)
                layer = self.layers[layer].parent
        return found


def parse_store_contents(images_json: str, layers_json: str) -> StoreContents:
    """Parse a store's ``images.json`` and ``layers.json``; an empty text is that of an empty store.

    :raises UnreadableAnswer: when one is something else.
    """
    images = load_answer(images_json or "[]", "reading the store's images.json")
    try:
        stored = {
            str(one["id"]): StoredImage(
                frozenset(one.get("names") or []), str(one.get("layer") or "")
            )
            for one in images
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableAnswer("reading the store's images.json", f"it lacks {error}") from None
    return StoreContents(stored, parse_layers(layers_json or "[]"))


def parse_layers(text: str) -> dict[str, StoredLayer]:
    """Parse ``<graph root>/overlay-layers/layers.json`` of containers/storage.

    Layers that an interrupted pull left behind are marked ``incomplete`` there, and are none.

    :raises UnreadableAnswer: when it is something else.
    """
    document = load_answer(text, "reading the store's layers.json")
    try:
        return {
            str(layer["id"]): StoredLayer(
                digest=str(layer.get("compressed-diff-digest") or ""),
                parent=str(layer.get("parent") or ""),
                bytes=int(layer.get("diff-size") or 0),
            )
            for layer in document
            if not (layer.get("flags") or {}).get("incomplete")
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UnreadableAnswer("reading the store's layers.json", f"it lacks {error}") from None


def digests_of(stored: Mapping[str, StoredLayer]) -> frozenset[str]:
    """Return the compressed digests of layers: what has one is not fetched again."""
    return frozenset(layer.digest for layer in stored.values() if layer.digest)
