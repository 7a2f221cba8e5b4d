# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A filesystem's room, as statvfs tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Filesystem:
    """The filesystem that ``path`` lies on; sizes in bytes.

    ``available_bytes`` is what others than root may use, as the kubelet counts it.
    ``inodes_total`` is 0 where the filesystem has no fixed number.
    """

    path: str
    device: int
    total_bytes: int
    available_bytes: int
    inodes_total: int
    inodes_free: int
