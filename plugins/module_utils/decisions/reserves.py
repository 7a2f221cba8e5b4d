# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must stay free on a node, and who says so."""

from __future__ import annotations

from ..observed.filesystem import Filesystem
from ..observed.kubelet import GC_HIGH, KubeletLimits
from .room import Place, Reserve

# What a node writes between two looks of the kubelet at its disks (10 s), in logs above all; so
# much more than an eviction threshold stays free.
EVICTION_MARGIN_BYTES = 64 * 2**20
EVICTION_MARGIN_INODES = 1000


def reserves_on(
    images: Place,
    node_room: Filesystem,
    limits: KubeletLimits | None,
    min_free_bytes: int,
    keep_gc_threshold: bool,
) -> list[tuple[Filesystem, Reserve]]:
    """Return everything that must stay free, each with the filesystem it is about.

    :param node_room: the filesystem of the kubelet's own folder, its ``nodefs``.
    :param limits: None on a node without kubelet.
    :param keep_gc_threshold: whether the kubelet shall find no reason to collect images.
    """
    own = Reserve(min_free_bytes, 0, "min_free_bytes")
    reserves = [(filesystem, own) for filesystem in images.filesystems]
    if limits is None:
        return reserves
    # The kubelet looks at whole filesystems, not at quotas.
    image_room = images.filesystems[-1]
    if keep_gc_threshold:
        gc_bytes = limits.gc_reserve(image_room.total_bytes)
        reserves.append((image_room, Reserve(gc_bytes, 0, gc_source(limits))))
    for name, room in (("imagefs", image_room), ("nodefs", node_room)):
        available, said = limits.eviction_reserve(f"{name}.available", room.total_bytes)
        if said:
            where = limits.source_of(f"{name}.available")
            source = f"eviction at {name}.available {said} in {where}"
            reserves.append((room, Reserve(available + EVICTION_MARGIN_BYTES, 0, source)))
        inodes, said = limits.eviction_reserve(f"{name}.inodesFree", room.inodes_total)
        if said:
            where = limits.source_of(f"{name}.inodesFree")
            source = f"eviction at {name}.inodesFree {said} in {where}"
            reserves.append((room, Reserve(0, inodes + EVICTION_MARGIN_INODES, source)))
    return reserves


def gc_source(limits: KubeletLimits) -> str:
    """Return the kubelet's threshold for collecting images, and the file that it is from."""
    return f"{GC_HIGH} {limits.gc_high_percent} in {limits.source_of(GC_HIGH)}"
