# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does what is missing fit on the node, with what must stay free kept free?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from heapq import nlargest
from typing import Iterable, Mapping, Sequence

from ..documents.locked_images import LockedImages, LockedLayer
from ..documents.readable import readable_bytes
from ..observed.filesystem import Filesystem
from ..observed.kubelet import GC_HIGH, KubeletLimits
from ..observed.store import StoreContents, StoredLayer, digests_of
from .footprint import (
    Footprint,
    blocks_of,
    image_footprint,
    layer_footprint,
    record_footprint,
    staged_footprint,
)
from .stacks import unpacked_layers

# What is measured was at most so far off on real pulls (tests/integration/test_storage.py).
MARGIN_PERCENT = 2
# What a node writes between two looks of the kubelet at its disks (10 s), in logs above all; so
# much more than an eviction threshold stays free.
EVICTION_MARGIN_BYTES = 64 * 2**20
EVICTION_MARGIN_INODES = 1000

IMAGES = "images"
# The records of layers' tars lie in the graph root, also where images have a store of their own.
RECORDS = "records"
TEMPORARY = "temporary"


@dataclass(frozen=True)
class Reserve:
    """What must stay free on a filesystem, and who says so, the file included."""

    bytes: int
    inodes: int
    source: str


@dataclass(frozen=True)
class Place:
    """Where something is written to.

    ``use`` is one of :data:`IMAGES`, :data:`RECORDS` (whose part goes to the images where they have
    no place of their own) and :data:`TEMPORARY`. ``filesystems`` are that of the path itself and
    that of its mount point, which differ in size where the path has a project quota: both must
    have room.
    """

    use: str
    filesystems: tuple[Filesystem, ...]

    @property
    def kind(self) -> str:
        """The filesystem's type."""
        return self.filesystems[0].kind


@dataclass(frozen=True)
class Room:
    """One filesystem's part of the answer, for some of the uses that :class:`Place` has.

    ``store`` is what the images will take of it, ``staged`` what their compressed blobs take at
    most while they are in flight.
    """

    filesystem: Filesystem
    uses: tuple[str, ...]
    store: Footprint
    staged: Footprint
    reserves: tuple[Reserve, ...]

    @property
    def margin_bytes(self) -> int:
        """What is added to the measured part; what is guessed has its own in the factor."""
        return -(-(self.store.bytes - self.store.guessed_bytes) * MARGIN_PERCENT // 100)

    @property
    def need_bytes(self) -> int:
        """The bytes that must be there beside the reserve."""
        return self.store.bytes + self.margin_bytes + self.staged.bytes

    @property
    def need_inodes(self) -> int:
        """The inodes that must be there beside the reserve."""
        return (
            self.store.inodes + -(-self.store.inodes * MARGIN_PERCENT // 100) + self.staged.inodes
        )

    @property
    def keep_bytes(self) -> Reserve:
        """The reserve that asks for most bytes."""
        return max(self.reserves, key=lambda one: one.bytes, default=_NO_RESERVE)

    @property
    def keep_inodes(self) -> Reserve:
        """The reserve that asks for most inodes."""
        return max(self.reserves, key=lambda one: one.inodes, default=_NO_RESERVE)

    @property
    def missing_bytes(self) -> int:
        """How many bytes are lacking; 0 when it fits."""
        wanted = self.need_bytes + self.keep_bytes.bytes
        return max(0, wanted - self.filesystem.available_bytes) if self.need_bytes else 0

    @property
    def missing_inodes(self) -> int:
        """How many inodes are lacking; 0 when it fits or the filesystem does not count them."""
        if not self.filesystem.inodes_total or not self.need_inodes:
            return 0
        wanted = self.need_inodes + self.keep_inodes.inodes
        return max(0, wanted - self.filesystem.inodes_free)


_NO_RESERVE = Reserve(0, 0, "nothing")


@dataclass(frozen=True)
class PinnedShare:
    """What pinned images alone will take of the image store's filesystem, in bytes.

    ``threshold_bytes`` is where the kubelet starts to collect images, 0 where it never does; it
    cannot collect pinned ones, and evicts pods instead.
    """

    path: str
    present_bytes: int
    missing_bytes: int
    total_bytes: int
    threshold_bytes: int
    source: str

    @property
    def bytes(self) -> int:
        """What they take once all are there."""
        return self.present_bytes + self.missing_bytes

    @property
    def is_above_threshold(self) -> bool:
        """Whether no collection of other images could bring the disk below the threshold."""
        return bool(self.threshold_bytes) and self.bytes > self.threshold_bytes


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
        reserves.append((image_room, Reserve(gc_bytes, 0, _gc_source(limits))))
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


def pinned_share(
    locked: LockedImages,
    wanted: Iterable[str],
    contents: StoreContents,
    missing_bytes: int,
    images: Place,
    limits: KubeletLimits | None,
) -> PinnedShare:
    """Return what the wanted images take of their filesystem, once ``locked`` is there too.

    A present layer counts with the bytes of its tar, unless ``locked`` has its measure.

    :param wanted: the exact names of all images that will be pinned.
    :param contents: of the store that pulls go to.
    :param missing_bytes: what ``locked`` will take there beside them.
    """
    room = images.filesystems[-1]
    names = frozenset(wanted).union(locked.images)
    pinned = [one for one, image in contents.images.items() if image.names & names]
    present = 0
    for identifier in contents.layers_of(pinned):
        layer = contents.layers[identifier]
        known = locked.layers.get(layer.digest)
        measured = known is not None and known.measure is not None
        present += layer_footprint(known, images.kind).bytes if known and measured else layer.bytes
    reserve = limits.gc_reserve(room.total_bytes) if limits else 0
    return PinnedShare(
        path=room.path,
        present_bytes=present,
        missing_bytes=missing_bytes,
        total_bytes=room.total_bytes,
        threshold_bytes=room.total_bytes - reserve if reserve else 0,
        source=_gc_source(limits) if limits else "",
    )


def _gc_source(limits: KubeletLimits) -> str:
    return f"{GC_HIGH} {limits.gc_high_percent} in {limits.source_of(GC_HIGH)}"


def describe_shortage(room: Room) -> str:
    """Say in words what a filesystem lacks; empty when it lacks nothing."""
    filesystem = room.filesystem
    parts = []
    if room.missing_bytes:
        size = partial(readable_bytes, beside=room.missing_bytes)
        guess = room.store.guessed_bytes
        guessed = f", {size(guess)} of it guessed" if guess else ""
        parts.append(
            f"have {size(filesystem.available_bytes)}, need {size(room.need_bytes)}"
            f" ({size(room.store.bytes)} for images{guessed}, {size(room.margin_bytes)} of margin,"
            f" {size(room.staged.bytes)} for blobs in flight)"
            f" and must keep {size(room.keep_bytes.bytes)} free"
            f" ({room.keep_bytes.source}), missing {size(room.missing_bytes)}"
        )
    if room.missing_inodes:
        parts.append(
            f"have {filesystem.inodes_free} inodes, need {room.need_inodes} and must keep"
            f" {room.keep_inodes.inodes} free ({room.keep_inodes.source}),"
            f" missing {room.missing_inodes}"
        )
    return f"{_where(room)} {' and '.join(parts)}" if parts else ""


def describe_breach(room: Room) -> str:
    """Say in words what must stay free on a filesystem and is not; empty when all is."""
    parts = []
    free, keep = room.filesystem.available_bytes, room.keep_bytes
    if free < keep.bytes:
        missing = keep.bytes - free
        size = partial(readable_bytes, beside=missing)
        parts.append(
            f"have {size(free)} and must keep {size(keep.bytes)} free ({keep.source}),"
            f" missing {size(missing)}"
        )
    free, keep = room.filesystem.inodes_free, room.keep_inodes
    if room.filesystem.inodes_total and free < keep.inodes:
        parts.append(
            f"have {free} inodes and must keep {keep.inodes} free ({keep.source}),"
            f" missing {keep.inodes - free}"
        )
    return f"{_where(room)} {' and '.join(parts)}" if parts else ""


def _where(room: Room) -> str:
    kind = f"{room.filesystem.kind} filesystem" if room.filesystem.kind else "filesystem"
    return f"on the {kind} of {room.filesystem.path} ({', '.join(room.uses)})"


def describe_pins(share: PinnedShare) -> str:
    """Say in words why pins above the threshold harm."""
    size = partial(readable_bytes, beside=share.bytes - share.threshold_bytes)
    return (
        f"pinned images alone will take {size(share.bytes)} ({size(share.present_bytes)} present,"
        f" {size(share.missing_bytes)} to be pulled) of {size(share.total_bytes)} on the filesystem"
        f" of {share.path}, more than the {size(share.threshold_bytes)} at which the kubelet"
        f" collects images ({share.source}); as it may not collect pinned ones, it would evict pods"
    )
