# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does it fit: bytes, inodes, reserves, each layer once."""

from __future__ import annotations

import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.budget import (
    StorageBudget,
    plan_storage,
    staged_peak,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.footprint import (
    Footprint,
    image_footprint,
    layer_footprint,
    record_footprint,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.pinned_share import (
    pinned_share,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.room import (
    IMAGES,
    RECORDS,
    TEMPORARY,
    Place,
    Reserve,
    describe_shortage,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LayerMeasure,
    LockedImages,
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.filesystem import Filesystem
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.kubelet import (
    KubeletLimits,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.store import (
    StoreContents,
    StoredImage,
    StoredLayer,
)
from hypothesis import given
from hypothesis import strategies as st
from unit.disks import MIB, STORE, VAR_TMP, disk, places

BLOCK = 4096


def locked(sizes: dict[str, int], **images: tuple[str, ...]) -> LockedImages:
    """Return images of layers with these compressed sizes."""
    return LockedImages(images, {name: LockedLayer(size) for name, size in sizes.items()})


def lowest(present: Iterable[str]) -> dict[str, StoredLayer]:
    """Return a store in which these layers lie on no other."""
    return {name: StoredLayer(name, "", MIB) for name in present}


IMAGES_LOCKED = locked(
    {"base": 30 * MIB, "a1": 10 * MIB, "b1": 5 * MIB, "there": 70 * MIB},
    a=("base", "a1"), b=("base", "b1"), c=("there",),
)  # fmt: skip


def plan(
    images: LockedImages = IMAGES_LOCKED,
    where: tuple[Place, ...] = places(),
    max_parallel: int = 1,
    reserves: tuple[tuple[Filesystem, Reserve], ...] = (),
) -> StorageBudget:
    """Plan images, of whose layers one is there."""
    return plan_storage(images, lowest({"there"}), where, max_parallel, reserves)


def in_flight(images: LockedImages, max_parallel: int, *present: str) -> int:
    """Return the blocks of what is staged at most, without the images' folders."""
    peak = staged_peak(images, images.missing_layers(frozenset(present)), max_parallel)
    folders = min(max_parallel, len(images.images)) if peak.bytes else 0
    return peak.bytes // BLOCK - folders


def test_each_layer_once() -> None:
    """A shared layer counts with the first image, a present one not at all; each image has files."""
    budget = plan()
    assert (budget.missing_layers, budget.unmeasured_layers) == (3, 3)
    assert budget.download_bytes == 45 * MIB
    records = [record_footprint(LockedLayer(size * MIB), "ext4") for size in (30, 10, 5)]
    assert budget.guessed_bytes == 38 * 45 * MIB // 10 + sum(one.bytes for one in records)
    store, temporary = budget.rooms
    parts = [layer_footprint(LockedLayer(size * MIB), "ext4") for size in (30, 10, 5)] + records
    parts += [image_footprint(layers, "ext4") for layers in (2, 3, 1)]
    assert store.uses == ("images",)
    assert store.store.bytes == sum(one.bytes for one in parts)
    assert store.store.inodes == sum(one.inodes for one in parts)
    assert store.staged == Footprint()
    assert temporary.uses == ("temporary",)
    assert (temporary.store, temporary.staged) == (Footprint(), Footprint(40 * MIB + BLOCK, 4))


def test_a_measured_layer_is_not_guessed() -> None:
    """Measured and guessed layers side by side."""
    measure = LayerMeasure(10, 1, 11, 1, 0, 100)
    images = LockedImages({"a": ("m", "g")}, {"m": LockedLayer(7, measure), "g": LockedLayer(1000)})
    budget = plan(images)
    assert (budget.missing_layers, budget.unmeasured_layers) == (2, 1)
    assert budget.guessed_bytes == 2 * BLOCK


@pytest.mark.parametrize(("max_parallel", "expected"), [(1, 40), (2, 45), (5, 45)])
def test_what_is_in_flight(max_parallel: int, expected: int) -> None:
    """The largest that may come at once, never more than all there is."""
    assert in_flight(IMAGES_LOCKED, max_parallel, "there") == expected * MIB // BLOCK


def test_the_largest_are_in_flight() -> None:
    """In whatever order the images come, those with most to fetch count, without what is there."""
    sizes = {"s": 3 * BLOCK, "l": 10 * BLOCK, "there": 5 * BLOCK, "m": 4 * BLOCK - 1}
    images = locked(sizes, small=("s",), large=("l", "there"), middle=("m",))
    assert [in_flight(images, parallel, "there") for parallel in (1, 2, 3)] == [10, 14, 17]


def test_a_shared_layer_is_in_flight_once() -> None:
    """Many images over one base: one has the base, the others their own."""
    sizes = {"base": 100 * BLOCK, **{f"own{number}": BLOCK for number in range(9)}}
    images = locked(sizes, **{f"i{number}": ("base", f"own{number}") for number in range(9)})
    assert [in_flight(images, parallel) for parallel in (1, 5, 9)] == [101, 105, 109]


def test_nothing_is_in_flight() -> None:
    """An image of which only the name is missing stages nothing."""
    assert staged_peak(IMAGES_LOCKED, {}, 5) == Footprint()


def test_one_filesystem_for_both() -> None:
    """Images and what is in flight are summed where they meet; the limits count once."""
    temporary = replace(STORE, path="/tmp")
    reserves = ((STORE, Reserve(5, 0, "five")),)
    (room,) = plan(where=places(temporary=temporary), reserves=reserves).rooms
    apart = plan().rooms
    assert room.uses == ("images", "temporary")
    assert (room.store, room.staged) == (apart[0].store, apart[1].staged)
    assert room.filesystem.path == "/store"
    assert room.reserves == (Reserve(5, 0, "five"),)


def test_a_quota_and_its_filesystem_both_count() -> None:
    """The images need room within the quota and on the disk; the blobs beside it on the disk."""
    quota = replace(STORE, total_bytes=100 * MIB, available_bytes=1)
    whole = replace(STORE, path="/")
    where = (Place(IMAGES, (quota, whole)), Place(TEMPORARY, (replace(whole, path="/tmp"),)))
    reserves = ((quota, Reserve(1, 0, "quota")), (whole, Reserve(2, 0, "disk")))
    inner, outer = plan(where=where, reserves=reserves).rooms
    assert (inner.filesystem, inner.uses, inner.keep_bytes.bytes) == (quota, ("images",), 1)
    assert (outer.filesystem, outer.uses) == (whole, ("images", "temporary"))
    assert outer.keep_bytes.bytes == 2
    assert inner.store == outer.store
    assert inner.staged == Footprint()
    assert outer.staged.bytes
    assert inner.missing_bytes
    assert not outer.missing_bytes


def test_records_lie_in_the_graph_root() -> None:
    """An image store of its own takes everything but them; on one filesystem it is the same."""
    graph = disk("/graph", 3, 100 * MIB)
    images, temporary = places()
    together = plan().rooms[0].store
    store, _temporary, records = plan(where=(images, Place(RECORDS, (graph,)), temporary)).rooms
    taken = [record_footprint(LockedLayer(size * MIB), "ext4") for size in (30, 10, 5)]
    assert (records.filesystem, records.uses) == (graph, ("records",))
    assert records.store.bytes == sum(one.bytes for one in taken)
    assert records.store.inodes == 3
    assert store.store.plus(records.store) == together
    beside = Place(RECORDS, (replace(STORE, path="/graph"),))
    assert plan(where=(images, beside, temporary)).rooms[0].store == together


def test_two_quotas_of_the_same_size() -> None:
    """They look like one: what the tighter one has is what there is, for both together."""
    blobs = locked({"1": 200 * MIB}, a=("1",))
    wide, tight = disk("/store", 1, 900 * MIB), disk("/tmp", 1, 1 * MIB, inodes=7)
    for where in (places(wide, tight), places(tight, wide)):
        (room,) = plan_storage(blobs, {}, where, 1, ()).rooms
        assert (room.filesystem.available_bytes, room.filesystem.inodes_free) == (1 * MIB, 7)
        assert room.missing_bytes > 199 * MIB


def test_without_a_quota_a_filesystem_counts_once() -> None:
    """The path and its mount point tell the same."""
    where = (Place(IMAGES, (STORE, replace(STORE, path="/"))), places()[1])
    own = Reserve(1, 0, "min_free_bytes")
    reserves = tuple((filesystem, own) for filesystem in where[0].filesystems)
    assert plan(where=where, reserves=reserves) == plan(reserves=((STORE, own),))


def test_a_new_name_alone() -> None:
    """An image whose layers are there takes its manifest, and no disk is asked for more."""
    budget = plan(locked({"there": 70}, c=("there",)))
    store, temporary = budget.rooms
    assert store.store == image_footprint(1, "ext4")
    assert temporary.need_bytes == temporary.need_inodes == 0


def test_nothing_missing_always_fits() -> None:
    """A full disk is no reason to refuse what needs no room."""
    full = disk("/store", 1, 0, inodes=0)
    (room,) = plan(
        LockedImages({}, {}), places(full, full), reserves=((full, Reserve(9, 9, "x")),)
    ).rooms
    assert (room.missing_bytes, room.missing_inodes) == (0, 0)
    assert describe_shortage(room) == ""


def test_the_strictest_reserve_counts() -> None:
    """The largest number of bytes and of inodes, each with its source, per filesystem."""
    reserves = (
        (STORE, Reserve(10, 9, "ten")),
        (STORE, Reserve(20, 1, "twenty")),
        (VAR_TMP, Reserve(5, 5, "five")),
    )
    store, temporary = plan(reserves=reserves).rooms
    assert (store.keep_bytes.source, store.keep_inodes.source) == ("twenty", "ten")
    assert temporary.keep_bytes == temporary.keep_inodes == Reserve(5, 5, "five")
    assert plan().rooms[0].keep_bytes == Reserve(0, 0, "nothing")


def test_rooms_by_device() -> None:
    """The answer has an order of its own."""
    store, temporary = disk("/store", 8, 500 * MIB), disk("/tmp", 1, 100 * MIB)
    budget = plan(where=places(store, temporary))
    assert [room.filesystem.path for room in budget.rooms] == ["/tmp", "/store"]


def test_what_is_lacking_for_images() -> None:
    """Only of the filesystems that images go to."""
    short = places(disk("/store", 1, 0), disk("/tmp", 2, 0))
    budget = plan(where=short)
    assert budget.missing_bytes_at(IMAGES) == budget.rooms[0].missing_bytes > 0
    assert budget.missing_bytes_at(TEMPORARY) == budget.rooms[1].missing_bytes > 0
    assert budget.missing_bytes_at("nothing") == 0
    assert budget.missing_inodes_at("nothing") == budget.missing_inodes_at(IMAGES) == 0
    used_up = places(disk("/store", 1, 10**12, inodes=1), disk("/tmp", 2, 10**12))
    budget = plan(where=used_up)
    assert budget.missing_inodes_at(IMAGES) == budget.rooms[0].missing_inodes > 0
    assert budget.missing_inodes_at(TEMPORARY) == 0


LAYERS = st.lists(st.sampled_from("abcdefgh"), max_size=5)


@given(
    st.lists(LAYERS, max_size=6), LAYERS, st.sets(st.sampled_from("abcdefgh")), st.integers(1, 4)
)
def test_more_images_never_need_less(
    images: list[list[str]],
    another: list[str],
    present: set[str],
    max_parallel: int,
) -> None:
    """Every distinct missing layer counts once, whoever shares it."""
    few = {str(number): tuple(one) for number, one in enumerate(images)}
    fewer, larger = (
        plan_storage(
            locked({name: MIB for layers in each.values() for name in layers}, **each),
            lowest(present), places(), max_parallel, (),
        )
        for each in (few, {**few, "more": tuple(another)})
    )  # fmt: skip
    distinct = {digest for layers in images for digest in layers} - present
    assert fewer.download_bytes == len(distinct) * MIB
    for before, after in zip(fewer.rooms, larger.rooms, strict=True):
        assert before.need_bytes <= after.need_bytes
        assert before.need_inodes <= after.need_inodes


@given(st.lists(LAYERS, max_size=6), st.permutations(range(6)), st.integers(1, 4))
def test_no_order_stages_more(images: list[list[str]], order: list[int], max_parallel: int) -> None:
    """Whichever images are in flight together, with no layer twice, the peak covers them."""
    sizes = {name: (1 + number) * BLOCK for number, name in enumerate("abcdefgh")}
    named = {str(number): tuple(one) for number, one in enumerate(images)}
    used = {name: sizes[name] for layers in images for name in layers}
    together = [images[number] for number in order if number < len(images)][:max_parallel]
    staged = {name for layers in together for name in layers}
    assert in_flight(locked(used, **named), max_parallel) * BLOCK >= sum(
        sizes[one] for one in staged
    )


class Name(str):
    """Text whose comparisons are calls: a list that is searched then counts with each of its entries."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)


def planning(scale: int) -> Callable[[], None]:
    """Return what plans ``scale`` images of ten layers each, half of them shared."""
    measure = LayerMeasure(100, 10, 60, 11, 3, 5000)
    layers = {
        Name(f"sha256:{number:064}"): LockedLayer(10**6, measure) for number in range(10 * scale)
    }
    digests = list(layers)
    images = LockedImages(
        {
            Name(f"image{number}@d"): tuple(digests[number * 9 : number * 9 + 20])
            for number in range(scale)
        },
        layers,
    )
    stored = {
        str(number): StoredLayer(digest, str(number - 1) if number % 20 else "", 10**6)
        for number, digest in enumerate(digests)
    }
    contents = StoreContents(
        {
            str(one): StoredImage(frozenset({f"image{one}@d"}), str(one * 10 + 9))
            for one in range(scale)
        },
        stored,
    )

    def plan() -> None:
        plan_storage(images, stored, places(), 5, ())
        pinned_share(images, list(images.images), contents, 0, places()[0], KubeletLimits("/k"))

    return plan


def calls_of(work: Callable[[], None]) -> int:
    """Return how many functions, of Python and of C, are called."""
    events: Counter[str] = Counter()

    def count(_frame: object, event: str, _argument: object) -> None:
        events[event] += 1

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return events["call"] + events["c_call"]


def test_at_scale() -> None:
    """Ten times as many images and layers cost ten times as much, not a hundred times."""
    assert calls_of(planning(5000)) < 12 * calls_of(planning(500))


def test_memory_at_scale() -> None:
    """500 images x 5,000 layers stay far below 100 MB."""
    tracemalloc.start()
    try:
        planning(500)()
        assert tracemalloc.get_traced_memory()[1] < 25 * MIB
    finally:
        tracemalloc.stop()
