# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does what is missing fit on the node, with what must stay free kept free?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from heapq import nlargest
from typing import Iterable, Mapping, Sequence

from ..documents.locked_images import LockedImages, LockedLayer
from ..observed.filesystem import Filesystem
from ..observed.store import StoredLayer, digests_of
from .footprint import (
    Footprint,
    blocks_of,
    image_footprint,
    layer_footprint,
    record_footprint,
    staged_footprint,
)
from .room import IMAGES, RECORDS, TEMPORARY, Place, Reserve, Room
from .stacks import unpacked_layers


@dataclass(frozen=True)
class StorageBudget:
    """The whole answer: what is to be fetched, and each filesystem that takes part of it.

    ``download_bytes`` are those of the missing layers, each once, compressed.
    """

    missing_layers: int
    unmeasured_layers: int
    download_bytes: int
    rooms: tuple[Room, ...]

    @property
    def guessed_bytes(self) -> int:
        """How many of the bytes that the images take were not measured."""
        return max((room.store.guessed_bytes for room in self.rooms), default=0)

    def missing_bytes_at(self, use: str) -> int:
        """Return the bytes that the filesystem for that use lacks most."""
        return max((room.missing_bytes for room in self.rooms if use in room.uses), default=0)

    def missing_inodes_at(self, use: str) -> int:
        """Return the inodes that the filesystem for that use lacks most."""
        return max((room.missing_inodes for room in self.rooms if use in room.uses), default=0)

    def store_bytes_at(self, use: str) -> int:
        """Return the bytes that the images will take of the filesystem for that use."""
        return max((room.store.bytes for room in self.rooms if use in room.uses), default=0)


def plan_storage(
    locked: LockedImages,
    stored: Mapping[str, StoredLayer],
    places: Sequence[Place],
    max_parallel: int,
    reserves: Sequence[tuple[Filesystem, Reserve]],
) -> StorageBudget:
    """Plan what pulling ``locked`` needs on the node.

    :param stored: the layers that are there already, in all stores, by their identifiers.
    :param places: where images and staged blobs go, and records where not with the images.
    :param max_parallel: how many images are in flight at once, their blobs staged compressed.
        Images in flight share no missing layer.
    :param reserves: what must stay free, each with the filesystem it is about.
    """
    missing = locked.missing_layers(digests_of(stored))
    unpacked = _unpacked(locked, stored)
    records_at = RECORDS if any(place.use == RECORDS for place in places) else IMAGES
    rooms: dict[tuple[int, int], Room] = {}
    for place in places:
        store = staged = Footprint()
        if place.use == TEMPORARY:
            staged = staged_peak(locked, missing, max_parallel)
        if place.use == IMAGES:
            store = store_footprint(locked, unpacked, place.kind)
        if place.use == records_at:
            store = store.plus(records_footprint(unpacked, place.kind))
        for account, filesystem in {one.account: one for one in place.filesystems[::-1]}.items():
            room = rooms.get(account, Room(filesystem, (), Footprint(), Footprint(), ()))
            rooms[account] = Room(
                filesystem=_tighter(room.filesystem, filesystem),
                uses=(*room.uses, place.use),
                store=room.store.plus(store),
                staged=room.staged.plus(staged),
                reserves=tuple(
                    # A path and its mount point ask for the same.
                    dict.fromkeys(one for about, one in reserves if about.account == account)
                ),
            )
    return StorageBudget(
        missing_layers=len(missing),
        unmeasured_layers=sum(layer.measure is None for layer in missing.values()),
        download_bytes=sum(layer.size for layer in missing.values()),
        rooms=tuple(rooms[account] for account in sorted(rooms)),
    )


def _tighter(room: Filesystem, other: Filesystem) -> Filesystem:
    """Return one with what is free in both: two quotas of the same size look like one account."""
    return replace(
        room,
        available_bytes=min(room.available_bytes, other.available_bytes),
        inodes_free=min(room.inodes_free, other.inodes_free),
    )


def _unpacked(locked: LockedImages, stored: Mapping[str, StoredLayer]) -> list[LockedLayer]:
    return [locked.layers[one] for one in unpacked_layers(locked.images.values(), stored)]


def store_footprint(locked: LockedImages, unpacked: Iterable[LockedLayer], kind: str) -> Footprint:
    """Return what images and the layers to unpack take in the store, without the records."""
    parts = [layer_footprint(layer, kind) for layer in unpacked]
    return _sum([*parts, *(image_footprint(len(one), kind) for one in locked.images.values())])


def records_footprint(unpacked: Iterable[LockedLayer], kind: str) -> Footprint:
    """Return what the records of the tars of layers to unpack take."""
    return _sum([record_footprint(layer, kind) for layer in unpacked])


def _sum(parts: Sequence[Footprint]) -> Footprint:
    return Footprint(
        bytes=sum(one.bytes for one in parts),
        inodes=sum(one.inodes for one in parts),
        guessed_bytes=sum(one.guessed_bytes for one in parts),
    )


def staged_peak(
    locked: LockedImages, missing: Mapping[str, LockedLayer], max_parallel: int
) -> Footprint:
    """Return the most that is staged at once; an image's blobs stay until its last layer is there.

    No layer is staged twice, so it is no more than everything, than the images with most to fetch,
    and than all that is shared with those that have most of their own.
    """
    users = Counter(digest for layers in locked.images.values() for digest in set(layers))
    sizes = {digest: blocks_of(layer.size) for digest, layer in missing.items()}
    whole, own = [], []
    for layers in locked.images.values():
        staged = [digest for digest in set(layers) if digest in sizes]
        whole.append(sum(sizes[digest] for digest in staged))
        own.append(sum(sizes[digest] for digest in staged if users[digest] == 1))
    shared = sum(size for digest, size in sizes.items() if users[digest] > 1)
    most = min(
        sum(sizes.values()),
        sum(nlargest(max_parallel, whole)),
        shared + sum(nlargest(max_parallel, own)),
    )
    if not most:
        return Footprint()
    folders = min(max_parallel, len(whole))
    return Footprint(most, len(sizes)).plus(staged_footprint((), folders))
