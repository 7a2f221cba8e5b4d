# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A filesystem's room: to the byte, to the inode, and in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.footprint import (
    Footprint,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.room import (
    Reserve,
    Room,
    describe_shortage,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.filesystem import Filesystem
from unit.disks import STORE


def room_of(available: int, inodes: int, total_inodes: int = 1000) -> Room:
    """Return a room that needs 100 bytes and 20 inodes, and must keep 50 and 10."""
    filesystem = Filesystem("/store", 1, 1000, available, total_inodes, inodes, "ext4")
    reserves = (Reserve(50, 0, "min_free_bytes"), Reserve(40, 10, "eviction in /k"))
    return Room(
        filesystem, ("images", "temporary"), Footprint(70, 0, 20), Footprint(29, 20), reserves
    )


@pytest.mark.parametrize(
    ("available", "inodes", "total_inodes", "missing_bytes", "missing_inodes"),
    [
        (150, 30, 1000, 0, 0),
        (151, 31, 1000, 0, 0),
        (149, 30, 1000, 1, 0),
        (150, 29, 1000, 0, 1),
        (0, 0, 1000, 150, 30),
        # btrfs has no fixed number of inodes.
        (150, 0, 0, 0, 0),
    ],
)
def test_the_boundary(
    available: int, inodes: int, total_inodes: int, missing_bytes: int, missing_inodes: int
) -> None:
    """It fits to the byte, and to the inode."""
    room = room_of(available, inodes, total_inodes)
    assert (room.missing_bytes, room.missing_inodes) == (missing_bytes, missing_inodes)
    assert bool(describe_shortage(room)) == bool(missing_bytes or missing_inodes)


def test_the_shortage_in_words() -> None:
    """Have, need and of what, keep and who says so, missing, and where."""
    assert describe_shortage(room_of(100, 5)) == (
        "on the ext4 filesystem of /store (images, temporary) have 100 bytes, need 100 bytes (70"
        " bytes for images, 20 bytes of it guessed, 1 byte of margin, 29 bytes for blobs in flight)"
        " and must keep 50 bytes free (min_free_bytes), missing 50 bytes and have 5 inodes, need 20"
        " and must keep 10 free (eviction in /k), missing 25"
    )


@pytest.mark.parametrize(
    ("available", "inodes", "said", "unsaid"),
    [(149, 30, "missing 1 byte", "inodes"), (150, 29, "have 29 inodes", "bytes,")],
)
def test_only_what_is_short_is_said(available: int, inodes: int, said: str, unsaid: str) -> None:
    """Bytes without inodes, inodes without bytes; no guess where nothing was guessed."""
    room = replace(room_of(available, inodes), store=Footprint(70))
    room = replace(room, filesystem=replace(room.filesystem, kind=""))
    words = describe_shortage(replace(room, staged=Footprint(28, 20)))
    assert words.startswith("on the filesystem of /store")
    assert said in words
    assert unsaid not in words
    assert "guessed" not in words


def test_the_margin_is_on_what_is_measured() -> None:
    """Rounded up; a guess is on the safe side by itself, blobs have the size they have."""
    room = Room(STORE, ("images",), Footprint(1000, 101, 149), Footprint(50, 3), ())
    assert room.margin_bytes == 18
    assert room.need_bytes == 1000 + 18 + 50
    assert room.need_inodes == 101 + 3 + 3
