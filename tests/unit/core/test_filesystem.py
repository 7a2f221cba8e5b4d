# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mount a path lies on, and which paths share their room."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.filesystem import (
    Filesystem,
    Mount,
    parse_mount_of,
)
from hypothesis import given
from hypothesis import strategies as st

# Of a node: a bind mount of the overlay driver on its own folder, a blank, one mount over another.
MOUNTINFO = r"""203 86 7:1 / / rw,relatime shared:1 - ext4 /dev/loop1 rw
215 203 7:2 / /var/lib/containers rw,relatime shared:11 master:3 - ext4 /dev/loop2 rw
246 215 7:2 /storage/overlay /var/lib/containers/storage/overlay rw,relatime - ext4 /dev/loop2 rw
250 203 7:9 / /mnt/two\040words rw - btrfs /dev/loop9 rw
251 203 7:9 / /srv rw - ext4 /dev/loop9 rw
252 251 7:8 / /srv rw - xfs /dev/loop8 rw,prjquota
torn line
"""


@pytest.mark.parametrize(
    ("path", "point", "kind"),
    [
        ("/", "/", "ext4"),
        ("/var/tmp", "/", "ext4"),
        ("/var/lib/containers", "/var/lib/containers", "ext4"),
        ("/var/lib/containers/storage", "/var/lib/containers", "ext4"),
        ("/var/lib/containersx", "/", "ext4"),
        ("/mnt/two words/a", "/mnt/two words", "btrfs"),
        ("/srv/a", "/srv", "xfs"),
    ],
)
def test_mount_of(path: str, point: str, kind: str) -> None:
    """The nearest above; of two at one point the later, which hides the other."""
    assert parse_mount_of(MOUNTINFO, path) == Mount(point, kind)


def test_without_a_table() -> None:
    """What cannot be known is empty."""
    assert parse_mount_of("", "/var") == Mount("", "")


@given(st.text())
def test_whatever_the_kernel_says(text: str) -> None:
    """No line makes it fail."""
    assert "/var/tmp".startswith(parse_mount_of(text, "/var/tmp").point)


def test_account() -> None:
    """Same device and size: same room; a project quota shows as another size."""
    room = Filesystem("/a", 1, 1000, 10, 100, 5)
    assert room.account == replace(room, path="/b", available_bytes=9, inodes_free=4).account
    assert room.account != replace(room, total_bytes=500).account
    assert room.account != replace(room, device=2).account
