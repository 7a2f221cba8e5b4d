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
    EVICTION_MARGIN_BYTES,
    EVICTION_MARGIN_INODES,
    IMAGES,
    RECORDS,
    TEMPORARY,
    PinnedShare,
    Place,
    Reserve,
    Room,
    StorageBudget,
    describe_pins,
    describe_shortage,
    pinned_share,
    plan_storage,
    reserves_on,
    staged_peak,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.footprint import (
    Footprint,
    image_footprint,
    layer_footprint,
    record_footprint,
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

MIB = 2**20
BLOCK = 4096


def disk(path: str, device: int, available: int, inodes: int = 10**6) -> Filesystem:
    """Return an ext4 of 1000 MiB and as many inodes."""
    return Filesystem(path, device, 1000 * MIB, available, 10**6, inodes, "ext4")


STORE, VAR_TMP = disk("/store", 1, 500 * MIB), disk("/tmp", 2, 100 * MIB)


def places(store: Filesystem = STORE, temporary: Filesystem = VAR_TMP) -> tuple[Place, Place]:
    """Return where images and blobs go."""
    return Place(IMAGES, (store,)), Place(TEMPORARY, (temporary,))


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


def test_the_margin_is_on_what_is_measured() -> None:
    """Rounded up; a guess is on the safe side by itself, blobs have the size they have."""
    room = Room(STORE, ("images",), Footprint(1000, 101, 149), Footprint(50, 3), ())
    assert room.margin_bytes == 18
    assert room.need_bytes == 1000 + 18 + 50
    assert room.need_inodes == 101 + 3 + 3


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


def test_reserves_without_a_kubelet() -> None:
    """Only our own minimum, within a quota too."""
    own = Reserve(7, 0, "min_free_bytes")
    assert reserves_on(places()[0], VAR_TMP, None, 7, True) == [(STORE, own)]
    whole = replace(STORE, path="/")
    both = Place(IMAGES, (STORE, whole))
    assert reserves_on(both, VAR_TMP, None, 7, True) == [(STORE, own), (whole, own)]


LIMITS = KubeletLimits(
    "/k", 85, {"imagefs.available": ("10%",), "nodefs.available": ("1Mi",),
               "nodefs.inodesFree": ("5%",)},
)  # fmt: skip


@pytest.mark.parametrize("keep_gc_threshold", [True, False])
def test_reserves_of_a_kubelet(keep_gc_threshold: bool) -> None:
    """Garbage collection and evictions, each on its own filesystem, with the file it came from."""
    margin = EVICTION_MARGIN_BYTES
    expected = [
        (STORE, Reserve(7, 0, "min_free_bytes")),
        (STORE, Reserve(160 * MIB, 0, "imageGCHighThresholdPercent 85 in /k")),
        (STORE, Reserve(100 * MIB + margin, 0, "eviction at imagefs.available 10% in /k")),
        (VAR_TMP, Reserve(MIB + margin, 0, "eviction at nodefs.available 1Mi in /k")),
        (
            VAR_TMP,
            Reserve(0, 50_000 + EVICTION_MARGIN_INODES, "eviction at nodefs.inodesFree 5% in /k"),
        ),
    ]
    if not keep_gc_threshold:
        del expected[1]
    assert reserves_on(places()[0], VAR_TMP, LIMITS, 7, keep_gc_threshold) == expected


def test_reserves_of_a_kubelet_that_evicts_for_nothing() -> None:
    """Only its collection of images is left."""
    reserves = reserves_on(places()[0], VAR_TMP, KubeletLimits("/k"), 7, True)
    assert [one.source for _room, one in reserves] == [
        "min_free_bytes", "imageGCHighThresholdPercent 85 in /k",
    ]  # fmt: skip


def test_the_kubelet_looks_at_the_whole_disk() -> None:
    """Its percentages are not of a quota."""
    quota = replace(STORE, total_bytes=MIB)
    both = Place(IMAGES, (quota, STORE))
    about = [
        room for room, one in reserves_on(both, VAR_TMP, LIMITS, 7, True) if "/k" in one.source
    ]
    assert about == [STORE, STORE, VAR_TMP, VAR_TMP]


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


MEASURED = LockedLayer(9, LayerMeasure(10, 1, 11, 1, 0, 100))
CONTENTS = StoreContents(
    images={
        "1": StoredImage(frozenset({"old@d"}), "x"),
        "2": StoredImage(frozenset({"here@d", "here:1"}), "y"),
    },
    layers={
        "base": StoredLayer("sha256:b", "", 100 * MIB),
        "x": StoredLayer("sha256:x", "base", 10 * MIB),
        "y": StoredLayer("sha256:m", "base", 20 * MIB),
    },
)


def share_of(
    wanted: list[str], images: LockedImages, gc_high: int = 85, missing: int = 0
) -> PinnedShare:
    """Return the pinned share of the store."""
    limits = KubeletLimits("/k", gc_high)
    return pinned_share(images, wanted, CONTENTS, missing, places()[0], limits)


def test_what_pins_will_take() -> None:
    """What is there under wanted names, a shared layer once, and what is missing."""
    images = LockedImages({"new@d": ("sha256:b", "sha256:n")}, {"sha256:n": LockedLayer(MIB)})
    share = share_of(["here@d", "new@d", "lost@d"], images, missing=5 * MIB)
    assert share.present_bytes == 120 * MIB
    assert share.missing_bytes == 5 * MIB
    assert share.bytes == share.present_bytes + share.missing_bytes
    assert (share.total_bytes, share.threshold_bytes) == (1000 * MIB, 840 * MIB)
    assert share.source == "imageGCHighThresholdPercent 85 in /k"
    assert share_of(["old@d", "here@d"], images).present_bytes == 130 * MIB
    assert share_of([], LockedImages({"here:1": ()}, {})).present_bytes == 120 * MIB


def test_a_present_layer_counts_as_measured() -> None:
    """The lock knows better than the tar's size; without a measure it does not."""
    for layer, counted in ((MEASURED, layer_footprint(MEASURED, "ext4").bytes),
                           (LockedLayer(9), 20 * MIB)):  # fmt: skip
        images = LockedImages({"here@d": ("sha256:b", "sha256:m")}, {"sha256:m": layer})
        assert share_of([], images).present_bytes == 100 * MIB + counted


@pytest.mark.parametrize(
    ("gc_high", "above"), [(85, False), (14, False), (13, False), (12, True), (100, False)]
)
def test_above_the_threshold(gc_high: int, above: bool) -> None:
    """120 MiB of 1000 are pinned; the kubelet collects at so many percent."""
    share = share_of(["here@d"], LockedImages({}, {}), gc_high)
    assert share.is_above_threshold == above


def test_pins_without_a_kubelet() -> None:
    """Nobody collects, nobody evicts."""
    share = pinned_share(LockedImages({}, {}), ["here@d"], CONTENTS, 0, places()[0], None)
    assert (share.threshold_bytes, share.source, share.is_above_threshold) == (0, "", False)


def test_pins_in_words() -> None:
    """Every number, and what would happen."""
    numbers = (one * 10**6 for one in (700, 300, 1100, 990))
    share = PinnedShare("/store", *numbers, "imageGCHighThresholdPercent 91 in /k")
    assert describe_pins(share) == (
        "pinned images alone will take 1000.0 MB (700.0 MB present, 300.0 MB to be pulled) of 1100.0 MB"
        " on the filesystem of /store, more than the 990.0 MB at which the kubelet collects images"
        " (imageGCHighThresholdPercent 91 in /k); as it may not collect pinned ones, it would evict"
        " pods"
    )


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
        pinned_share(images, list(images.images), contents, 0, places()[0], LIMITS)

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
