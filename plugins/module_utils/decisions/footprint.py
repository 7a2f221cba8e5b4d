# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What layers and images take on a filesystem, in its blocks and inodes.

All constants were calibrated with real pulls, statvfs before and after (tests/integration).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from ..documents.locked_images import BLOCK, LayerMeasure, LockedLayer

# A layer's bytes on disk in percent of its compressed bytes, where it was not measured. Whole system
# images take 260 to 300, trees of Python files up to 380; OpenShift's own check takes 200. That is on
# the safe side for trees of real files (measured +46 %). No one factor is right for all: layers of
# nothing but tiny files can take more (measured -22 % on ext4, -30 % on XFS), large files that
# compress to a half take half of it (+93 %); only measuring tells.
GUESSED_PERCENT = 380
# Inodes of such a layer: one in 4 KiB compressed, as of Python's trees; system images have less
# than half of that.
GUESSED_BYTES_PER_INODE = 4096
# A layer in layers.json, twice as it is written anew beside the old one, and its four directory
# entries, whose names have 64 characters and more.
_LAYER_RECORD = 1536
# Of a layer in overlay/: its folder, merged and work, the files link and lower, and in overlay/l/
# a symbolic link. The folder diff is the layer's top.
_LAYER_DIRECTORIES, _LAYER_FILES, _LAYER_INODES = 3, 2, 6
# The record of a layer's tar (tar-split) where the layer was not measured, by its inodes: trees of
# real files take 57 to 73 bytes an entry.
_RECORD_BYTES_PER_INODE = 80
# An image's own folder, manifest, the same under its digest, the index, the configuration.
_IMAGE_INODES = 5
# A manifest: its head and each layer; a configuration likewise, with the history.
_MANIFEST_BYTES, _MANIFEST_BYTES_PER_LAYER = 600, 170
_CONFIG_BYTES, _CONFIG_BYTES_PER_LAYER = 1500, 250


@dataclass(frozen=True)
class Footprint:
    """What is taken of a filesystem; ``guessed_bytes`` of the ``bytes`` were not measured."""

    bytes: int = 0
    inodes: int = 0
    guessed_bytes: int = 0

    def plus(self, other: Footprint) -> Footprint:
        """Return both together."""
        return Footprint(
            self.bytes + other.bytes,
            self.inodes + other.inodes,
            self.guessed_bytes + other.guessed_bytes,
        )


@dataclass(frozen=True)
class _Constants:
    """A filesystem's own: ``inode_bytes`` is what an inode takes of the free blocks.

    ``directory_blocks`` is what a small directory takes, ``link_blocks`` a symbolic link of 72
    characters.
    """

    inode_bytes: int
    directory_blocks: int
    link_blocks: int


_CONSTANTS = {
    # mkfs has laid out the inodes; a link of 60 characters no longer fits into one.
    "ext4": _Constants(inode_bytes=0, directory_blocks=1, link_blocks=1),
    # Inodes of 512 bytes are made of free blocks, and hold small directories and links.
    "xfs": _Constants(inode_bytes=512, directory_blocks=0, link_blocks=0),
}
# Where the kind is another one: the more expensive of both in everything.
_UNKNOWN = _Constants(inode_bytes=512, directory_blocks=1, link_blocks=1)


def blocks_of(size: int) -> int:
    """Return the bytes of the blocks that a file of ``size`` bytes takes."""
    return -(-size // BLOCK) * BLOCK


def layer_footprint(layer: LockedLayer, kind: str) -> Footprint:
    """Return what a layer takes on a filesystem of that kind, with what the store adds to it.

    The record of its tar is not part of it: see :func:`record_footprint`.
    """
    constants = _CONSTANTS.get(kind, _UNKNOWN)
    overhead = _LAYER_RECORD + BLOCK * (
        _LAYER_FILES + constants.directory_blocks * _LAYER_DIRECTORIES + constants.link_blocks
    )
    if layer.measure is None:
        inodes = _LAYER_INODES + _guessed_inodes(layer)
        guessed = blocks_of(layer.size * GUESSED_PERCENT // 100)
        # What its own inodes take of the free blocks is within the guess.
        added = overhead + _LAYER_INODES * constants.inode_bytes
        return Footprint(guessed + added, inodes, guessed)
    inodes = _LAYER_INODES + layer.measure.inodes
    content = BLOCK * (layer.measure.blocks + _added_blocks(layer.measure, kind))
    return Footprint(content + overhead + inodes * constants.inode_bytes, inodes)


def record_footprint(layer: LockedLayer, kind: str) -> Footprint:
    """Return what the record of a layer's tar takes, which always lies in the graph root."""
    inode_bytes = _CONSTANTS.get(kind, _UNKNOWN).inode_bytes
    if layer.measure is None:
        guessed = blocks_of(_guessed_inodes(layer) * _RECORD_BYTES_PER_INODE)
        return Footprint(guessed + inode_bytes, 1, guessed)
    return Footprint(blocks_of(layer.measure.tar_split) + inode_bytes, 1)


def image_footprint(layers: int, kind: str) -> Footprint:
    """Return what an image of so many layers takes beside them."""
    constants = _CONSTANTS.get(kind, _UNKNOWN)
    files = (
        2 * blocks_of(_MANIFEST_BYTES + _MANIFEST_BYTES_PER_LAYER * layers)
        + blocks_of(_CONFIG_BYTES + _CONFIG_BYTES_PER_LAYER * layers)
        + BLOCK
    )
    # Its folder's names have 80 characters and more: too long to lie in an inode of XFS.
    return Footprint(BLOCK + files + _IMAGE_INODES * constants.inode_bytes, _IMAGE_INODES)


def staged_footprint(sizes: Iterable[int], images: int) -> Footprint:
    """Return what blobs of these sizes take while they are staged, a folder for each image."""
    taken = [blocks_of(size) for size in sizes]
    return Footprint(sum(taken) + images * BLOCK, len(taken) + images)


def _guessed_inodes(layer: LockedLayer) -> int:
    return layer.size // GUESSED_BYTES_PER_INODE + 1


def _added_blocks(measure: LayerMeasure, kind: str) -> int:
    """Return the blocks that the kind adds; those of the dearer where it is another."""
    added = {"ext4": measure.ext4_blocks, "xfs": measure.xfs_blocks}
    return added.get(kind, max(added.values()))
