# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lock says of some images on one platform: the part of it that a node is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping

# What ext4 and XFS give a file at least, unless made otherwise; measures count in these.
BLOCK = 4096
_COUNTS = ("blocks", "directories", "inodes", "ext4_blocks", "xfs_blocks", "tar_split")
#: The options of a module that takes such a part.
OPTIONS: dict[str, Any] = {
    "images": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "reference": {"type": "str", "required": True},
            "layers": {"type": "list", "elements": "str", "required": True},
        },
    },
    "layers": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "digest": {"type": "str", "required": True},
            "size": {"type": "int", "required": True},
            **{count: {"type": "int"} for count in _COUNTS},
        },
    },
}


@dataclass(frozen=True)
class LayerMeasure:
    """What a layer takes in a node's store, counted once by reading the layer.

    ``blocks`` are 4 KiB blocks of file data, hard links once, holes as data. ``directories``, the
    layer's top included, are counted in ``inodes`` as well. ``ext4_blocks`` and ``xfs_blocks`` are
    the blocks that such a filesystem adds for directories, for the targets of long symbolic links
    and for extended attributes that do not fit into inodes. ``tar_split`` are the bytes of the one
    file that containers/storage keeps beside the content, the layer's tar headers.
    """

    blocks: int
    directories: int
    inodes: int
    ext4_blocks: int
    xfs_blocks: int
    tar_split: int


@dataclass(frozen=True)
class LockedLayer:
    """A layer's compressed size in bytes, and its measure where it was measured."""

    size: int
    measure: LayerMeasure | None = None


@dataclass(frozen=True)
class LockedImages:
    """Images with their layers' digests, in the manifest's order, and those layers."""

    images: Mapping[str, tuple[str, ...]]
    layers: Mapping[str, LockedLayer]

    def missing_layers(self, present: frozenset[str]) -> dict[str, LockedLayer]:
        """Return the layers whose digests are not in ``present``."""
        return {digest: one for digest, one in self.layers.items() if digest not in present}


def layer_document(layer: LockedLayer) -> dict[str, int]:
    """Return a layer as plain values; the counts of its measure are left out where it has none."""
    return {"size": layer.size, **(vars(layer.measure) if layer.measure else {})}


def layer_of(values: Mapping[str, Any]) -> LockedLayer:
    """Return the layer that :func:`layer_document` described; a count that is None is none."""
    return LockedLayer(int(values["size"]), measure_of(values))


def measure_of(values: Mapping[str, Any]) -> LayerMeasure | None:
    """Return the measure whose counts are among ``values``; None when one is missing or None."""
    counts = [values.get(count) for count in _COUNTS]
    measured = [int(count) for count in counts if count is not None]
    return LayerMeasure(*measured) if len(measured) == len(_COUNTS) else None


def parse_locked_images(values: Mapping[str, Iterable[Mapping[str, Any]]]) -> LockedImages:
    """Return what a module was given under :data:`OPTIONS`."""
    return LockedImages(
        images={str(one["reference"]): tuple(one["layers"]) for one in values["images"]},
        layers={str(one["digest"]): layer_of(one) for one in values["layers"]},
    )


def locked_images_document(locked: LockedImages) -> dict[str, list[dict[str, Any]]]:
    """Return the plain values that :func:`parse_locked_images` takes."""
    return {
        "images": [
            {"reference": reference, "layers": list(layers)}
            for reference, layers in locked.images.items()
        ],
        "layers": [
            {"digest": digest, **layer_document(layer)} for digest, layer in locked.layers.items()
        ],
    }
