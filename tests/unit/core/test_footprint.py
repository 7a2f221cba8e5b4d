# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What layers and images take, on which filesystem."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.footprint import (
    Footprint,
    blocks_of,
    image_footprint,
    layer_footprint,
    record_footprint,
    staged_footprint,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LayerMeasure,
    LockedLayer,
)
from hypothesis import given
from hypothesis import strategies as st

MEASURE = LayerMeasure(
    blocks=100, directories=10, inodes=60, ext4_blocks=11, xfs_blocks=3, tar_split=5000
)
MEASURED = LockedLayer(50_000, MEASURE)


@pytest.mark.parametrize(("size", "taken"), [(0, 0), (1, 4096), (4096, 4096), (4097, 8192)])
def test_blocks(size: int, taken: int) -> None:
    """Whole blocks."""
    assert blocks_of(size) == taken


@pytest.mark.parametrize(
    ("kind", "blocks", "inode_bytes"),
    [
        # Content, directories; then the store's folders, files and link of the layer.
        ("ext4", 100 + 11 + 3 + 2 + 1, 0),
        ("xfs", 100 + 3 + 2, 512),
        ("btrfs", 100 + 11 + 3 + 2 + 1, 512),
        ("", 100 + 11 + 3 + 2 + 1, 512),
    ],
)
def test_measured_layer(kind: str, blocks: int, inode_bytes: int) -> None:
    """By the filesystem's constants; another filesystem's by the more expensive ones."""
    taken = layer_footprint(MEASURED, kind)
    assert taken == Footprint(blocks * 4096 + 1536 + 66 * inode_bytes, 66, 0)
    assert record_footprint(MEASURED, kind) == Footprint(2 * 4096 + inode_bytes, 1, 0)


@pytest.mark.parametrize(("kind", "inode_bytes", "blocks"), [("ext4", 0, 6), ("xfs", 512, 2)])
def test_guessed_layer(kind: str, inode_bytes: int, blocks: int) -> None:
    """3.8 times its size, an inode in 4 KiB, and it says so."""
    taken = layer_footprint(LockedLayer(100_000), kind)
    guessed = 93 * 4096
    assert taken == Footprint(
        guessed + blocks * 4096 + 1536 + 6 * inode_bytes, 6 + 25, guessed_bytes=guessed
    )
    # 80 bytes for each of 52 inodes.
    record = record_footprint(LockedLayer(51 * 4096), kind)
    assert record == Footprint(8192 + inode_bytes, 1, guessed_bytes=8192)


def test_image() -> None:
    """A folder, the manifest twice, the index, the configuration; more with many layers."""
    assert image_footprint(1, "ext4") == Footprint(5 * 4096, 5)
    assert image_footprint(1, "xfs") == Footprint(5 * 4096 + 5 * 512, 5)
    assert image_footprint(30, "ext4") == Footprint((1 + 2 * 2 + 3 + 1) * 4096, 5)


def test_staged() -> None:
    """A file for each blob, a folder for each image."""
    assert staged_footprint([1, 4097], 2) == Footprint(3 * 4096 + 2 * 4096, 4)


@given(
    st.builds(
        LayerMeasure, *[st.integers(0, 10**6)] * 6
    ),
    st.integers(0, 10**9),
)  # fmt: skip
def test_an_unknown_filesystem_is_never_cheaper(measure: LayerMeasure, size: int) -> None:
    """Than either that is known, measured or not."""
    for layer in (LockedLayer(size), LockedLayer(size, measure)):
        unknown = layer_footprint(layer, "zfs")
        for kind in ("ext4", "xfs"):
            assert layer_footprint(layer, kind).bytes <= unknown.bytes
            assert layer_footprint(layer, kind).inodes <= unknown.inodes
