# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A filesystem's room and kind, as statvfs and the kernel's table of mounts tell them."""

from __future__ import annotations

import re
from dataclasses import dataclass

# How the kernel writes blanks and backslashes in a path (fs/proc_namespace.c: mangle).
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Filesystem:
    """The filesystem that ``path`` lies on; sizes in bytes.

    ``available_bytes`` is what others than root may use, as the kubelet counts it. Below a folder
    with a project quota the sizes are those of the quota (ext4 and XFS report it so).
    ``inodes_total`` is 0 where the filesystem has no fixed number. ``kind`` is its type, such as
    ext4, and ``mount_point`` where it is mounted; both are empty where that is unknown.
    """

    path: str
    device: int
    total_bytes: int
    available_bytes: int
    inodes_total: int
    inodes_free: int
    kind: str = ""
    mount_point: str = ""

    @property
    def account(self) -> tuple[int, int]:
        """What paths that share their room have in common: the device, and a quota if any."""
        return self.device, self.total_bytes


@dataclass(frozen=True)
class Mount:
    """Where a filesystem is mounted, and its kind."""

    point: str
    kind: str


def parse_mount_of(mountinfo: str, path: str) -> Mount:
    """Return the mount that ``path``, free of links, lies on, from ``/proc/self/mountinfo``.

    The last of several at one point counts, as it hides the others; without any, both are empty.
    """
    found = Mount("", "")
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = _ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), fields[4])
        if len(point) >= len(found.point) and f"{path}/".startswith(point.rstrip("/") + "/"):
            found = Mount(point, kinds[0])
    return found
