# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two disks that pulls write to."""

from __future__ import annotations

from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.room import (
    IMAGES,
    TEMPORARY,
    Place,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.filesystem import Filesystem

MIB = 2**20


def disk(path: str, device: int, available: int, inodes: int = 10**6) -> Filesystem:
    """Return an ext4 of 1000 MiB and as many inodes."""
    return Filesystem(path, device, 1000 * MIB, available, 10**6, inodes, "ext4")


STORE, VAR_TMP = disk("/store", 1, 500 * MIB), disk("/tmp", 2, 100 * MIB)


def places(store: Filesystem = STORE, temporary: Filesystem = VAR_TMP) -> tuple[Place, Place]:
    """Return where images and blobs go."""
    return Place(IMAGES, (store,)), Place(TEMPORARY, (temporary,))
