# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does what is missing fit on the node, with what must stay free kept free?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

from ..documents.locked_images import LockedImages
from ..observed.filesystem import Filesystem
from ..observed.kubelet import KubeletLimits

# A layer's unpacked size is not in a manifest. Distribution layers unpack to 2.2 to 2.9 times
# their gzip size; OpenShift's own check takes 2.
UNPACKED_FACTOR = 3
# One file in 4 KiB of compressed layer: denser than package managers' trees, our worst case.
BYTES_PER_INODE = 4096

IMAGES = "images"
TEMPORARY = "temporary"


@dataclass(frozen=True)
class Reserve:
    """What must stay free on a filesystem, and who says so."""

    bytes: int
    inodes: int
    source: str


@dataclass(frozen=True)
class Room:
    """One filesystem's part of the answer; ``uses`` are :data:`IMAGES`, :data:`TEMPORARY`."""

    filesystem: Filesystem
    uses: tuple[str, ...]
    need_bytes: int
    need_inodes: int
    reserve: Reserve

    @property
    def missing_bytes(self) -> int:
        """How many bytes are lacking; 0 when it fits."""
        wanted = self.need_bytes + self.reserve.bytes
        return max(0, wanted - self.filesystem.available_bytes) if self.need_bytes else 0

    @property
    def missing_inodes(self) -> int:
        """How many inodes are lacking; 0 when it fits or the filesystem does not count them."""
        if not self.filesystem.inodes_total or not self.need_inodes:
            return 0
        return max(0, self.need_inodes + self.reserve.inodes - self.filesystem.inodes_free)


@dataclass(frozen=True)
class StorageBudget:
    """The whole answer: what is to be fetched, and each filesystem that takes part of it.

    ``downloads`` has the bytes that each image adds, a shared layer with the first that needs it.
    """

    missing_layers: int
    downloads: tuple[tuple[str, int], ...]
    rooms: tuple[Room, ...]

    @property
    def download_bytes(self) -> int:
        """The bytes of all missing layers, each once, compressed."""
        return sum(size for _reference, size in self.downloads)

    @property
    def fits(self) -> bool:
        """Whether every filesystem has room."""
        return not any(room.missing_bytes or room.missing_inodes for room in self.rooms)


def plan_storage(
    locked: LockedImages,
    present: frozenset[str],
    image_room: Filesystem,
    temporary_room: Filesystem,
    max_parallel: int,
    reserves: Sequence[tuple[int, Reserve]],
) -> StorageBudget:
    """Plan what pulling ``locked`` needs on the node.

    :param present: compressed digests of the layers that are there already.
    :param max_parallel: how many images are in flight at once, their blobs staged compressed.
    :param reserves: what must stay free, each with the device it is about.
    """
    missing = {digest: one.size for digest, one in locked.missing_layers(present).items()}
    download = sum(missing.values())
    staged = sorted((_missing_bytes(one, missing) for one in locked.images.values()), reverse=True)
    in_flight = min(sum(staged[:max_parallel]), download)
    needs = [
        (
            image_room,
            IMAGES,
            download * UNPACKED_FACTOR,
            download // BYTES_PER_INODE + len(missing),
        ),
        (temporary_room, TEMPORARY, in_flight, len(missing)),
    ]
    rooms = []
    for device in sorted({room.device for room, _use, _bytes, _inodes in needs}):
        here = [need for need in needs if need[0].device == device]
        rooms.append(
            Room(
                filesystem=here[0][0],
                uses=tuple(use for _room, use, _bytes, _inodes in here),
                need_bytes=sum(need_bytes for _room, _use, need_bytes, _inodes in here),
                need_inodes=sum(inodes for _room, _use, _bytes, inodes in here),
                reserve=_strictest(one for about, one in reserves if about == device),
            )
        )
    return StorageBudget(len(missing), _downloads(locked, missing), tuple(rooms))


def reserves_on(
    image_room: Filesystem,
    node_room: Filesystem,
    limits: KubeletLimits | None,
    min_free_bytes: int,
) -> list[tuple[int, Reserve]]:
    """Return everything that must stay free, each with the device it is about.

    :param node_room: the filesystem of the kubelet's own folder, its ``nodefs``.
    :param limits: None on a node without kubelet.
    """
    reserves = [(image_room.device, Reserve(min_free_bytes, 0, "min_free_bytes"))]
    if limits is None:
        return reserves
    gc_bytes = -(-image_room.total_bytes * (100 - limits.gc_high_percent) // 100)
    reserves.append(
        (
            image_room.device,
            Reserve(gc_bytes, 0, f"imageGCHighThresholdPercent in {limits.path}"),
        )
    )
    for name, room in (("imagefs", image_room), ("nodefs", node_room)):
        available = limits.reserved(f"{name}.available", room.total_bytes)
        inodes = limits.reserved(f"{name}.inodesFree", room.inodes_total)
        source = f"{name} eviction threshold in {limits.path}"
        reserves.append((room.device, Reserve(available, inodes, source)))
    return reserves


def _missing_bytes(layers: Iterable[str], missing: Mapping[str, int]) -> int:
    return sum(missing.get(digest, 0) for digest in set(layers))


def _downloads(locked: LockedImages, missing: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    left = dict(missing)
    return tuple(
        (reference, sum(left.pop(digest, 0) for digest in layers))
        for reference, layers in locked.images.items()
    )


def _strictest(reserves: Iterable[Reserve]) -> Reserve:
    """Return the largest number of bytes, with its source, and the largest number of inodes."""
    listed = list(reserves) or [Reserve(0, 0, "nothing")]
    largest = max(listed, key=lambda one: one.bytes)
    return Reserve(largest.bytes, max(one.inodes for one in listed), largest.source)


def describe_shortage(room: Room) -> str:
    """Say in words what a filesystem lacks; empty when it lacks nothing."""
    filesystem, reserve = room.filesystem, room.reserve
    parts = []
    if room.missing_bytes:
        parts.append(
            f"have {filesystem.available_bytes} bytes, need {room.need_bytes} and must keep"
            f" {reserve.bytes} free ({reserve.source}), missing {room.missing_bytes}"
        )
    if room.missing_inodes:
        parts.append(
            f"have {filesystem.inodes_free} inodes, need {room.need_inodes} and must keep"
            f" {reserve.inodes} free, missing {room.missing_inodes}"
        )
    where = f"on the filesystem of {filesystem.path} ({', '.join(room.uses)}) "
    return where + " and ".join(parts) if parts else ""
