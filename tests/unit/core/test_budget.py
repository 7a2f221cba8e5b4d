# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does it fit: bytes, inodes, reserves, each layer once."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.budget import (
    Reserve,
    Room,
    StorageBudget,
    describe_shortage,
    plan_storage,
    reserves_on,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedImages,
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.filesystem import Filesystem
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.kubelet import (
    KubeletLimits,
)
from hypothesis import given
from hypothesis import strategies as st

MIB = 2**20


def disk(path: str, device: int, available: int, inodes: int = 1000) -> Filesystem:
    """Return a filesystem of 1000 MiB and as many inodes."""
    return Filesystem(path, device, 1000 * MIB, available, 1000, inodes)


STORE, TEMPORARY = disk("/store", 1, 500 * MIB), disk("/tmp", 2, 100 * MIB)


def locked(sizes: dict[str, int], **images: tuple[str, ...]) -> LockedImages:
    """Return images of layers with these compressed sizes."""
    return LockedImages(images, {name: LockedLayer(size) for name, size in sizes.items()})


IMAGES = locked(
    {"base": 30 * MIB, "a1": 10 * MIB, "b1": 5 * MIB, "there": 70 * MIB},
    a=("base", "a1"), b=("base", "b1", "b1"), c=("there",),
)  # fmt: skip


def plan(
    temporary: Filesystem = TEMPORARY, max_parallel: int = 1, reserves: tuple = ()
) -> StorageBudget:
    """Plan the three images, of which one is there."""
    present = frozenset({"there"})
    return plan_storage(IMAGES, present, STORE, temporary, max_parallel, reserves)


def test_each_layer_once() -> None:
    """A shared layer counts with the first image, a present one not at all."""
    budget = plan()
    assert budget.missing_layers == 3
    assert budget.downloads == (("a", 40 * MIB), ("b", 5 * MIB), ("c", 0))
    assert budget.download_bytes == 45 * MIB
    store, temporary = budget.rooms
    assert (store.uses, store.need_bytes) == (("images",), 3 * 45 * MIB)
    assert store.need_inodes == 45 * MIB // 4096 + 3
    assert (temporary.uses, temporary.need_bytes, temporary.need_inodes) == (
        ("temporary",), 40 * MIB, 3,
    )  # fmt: skip


@pytest.mark.parametrize(("max_parallel", "in_flight"), [(1, 40), (2, 45), (5, 45)])
def test_what_is_in_flight(max_parallel: int, in_flight: int) -> None:
    """The largest that may come at once, never more than all there is."""
    assert plan(max_parallel=max_parallel).rooms[1].need_bytes == in_flight * MIB


def test_one_filesystem_for_both() -> None:
    """Images and what is in flight are summed where they meet."""
    (room,) = plan(temporary=disk("/tmp", 1, 500 * MIB)).rooms
    assert room.uses == ("images", "temporary")
    assert room.need_bytes == (3 * 45 + 40) * MIB
    assert room.filesystem.path == "/store"


def test_nothing_missing_always_fits() -> None:
    """A full disk is no reason to refuse what needs no room."""
    full = disk("/store", 1, 0, inodes=0)
    budget = plan_storage(
        locked({"there": 70}, c=("there",)), frozenset({"there"}), full, full, 5,
        [(1, Reserve(9, 9, "x"))],
    )  # fmt: skip
    assert budget.fits
    assert describe_shortage(budget.rooms[0]) == ""


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
    filesystem = Filesystem("/store", 1, 1000, available, total_inodes, inodes)
    room = Room(filesystem, ("images",), 100, 20, Reserve(50, 10, "min_free_bytes"))
    assert (room.missing_bytes, room.missing_inodes) == (missing_bytes, missing_inodes)
    budget = StorageBudget(1, (), (room,))
    assert budget.fits == (missing_bytes == missing_inodes == 0)


def test_the_shortage_in_words() -> None:
    """Have, need, keep, missing, and where."""
    room = Room(
        Filesystem("/store", 1, 1000, 100, 1000, 5), ("images", "temporary"), 100, 20,
        Reserve(50, 10, "min_free_bytes"),
    )  # fmt: skip
    assert describe_shortage(room) == (
        "on the filesystem of /store (images, temporary) have 100 bytes, need 100 and must keep 50"
        " free (min_free_bytes), missing 50 and have 5 inodes, need 20 and must keep 10 free,"
        " missing 25"
    )


def test_reserves_without_a_kubelet() -> None:
    """Only our own minimum."""
    assert reserves_on(STORE, TEMPORARY, None, 7) == [(1, Reserve(7, 0, "min_free_bytes"))]


def test_reserves_of_a_kubelet() -> None:
    """Garbage collection and evictions, each on its own filesystem, with the file it came from."""
    limits = KubeletLimits(
        "/k", 85, {"imagefs.available": ("10%",), "nodefs.available": ("1Mi",),
                   "nodefs.inodesFree": ("5%",)},
    )  # fmt: skip
    assert reserves_on(STORE, TEMPORARY, limits, 7) == [
        (1, Reserve(7, 0, "min_free_bytes")),
        (1, Reserve(150 * MIB, 0, "imageGCHighThresholdPercent in /k")),
        (1, Reserve(100 * MIB, 0, "imagefs eviction threshold in /k")),
        (2, Reserve(MIB, 50, "nodefs eviction threshold in /k")),
    ]


def test_the_strictest_reserve_counts() -> None:
    """The largest number of bytes with its source, the largest number of inodes, per filesystem."""
    reserves = (
        (1, Reserve(10, 9, "ten")),
        (1, Reserve(20, 1, "twenty")),
        (2, Reserve(5, 5, "five")),
    )
    store, temporary = plan(reserves=reserves).rooms
    assert store.reserve == Reserve(20, 9, "twenty")
    assert temporary.reserve == Reserve(5, 5, "five")
    assert plan().rooms[0].reserve == Reserve(0, 0, "nothing")


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
            frozenset(present), STORE, TEMPORARY, max_parallel, (),
        )
        for each in (few, {**few, "more": tuple(another)})
    )  # fmt: skip
    distinct = {digest for layers in images for digest in layers} - present
    assert fewer.download_bytes == len(distinct) * MIB
    for before, after in zip(fewer.rooms, larger.rooms, strict=True):
        assert before.need_bytes <= after.need_bytes
        assert before.need_inodes <= after.need_inodes


def test_the_largest_are_in_flight() -> None:
    """In whatever order the images come, those with most to fetch count, without what is there."""
    images = locked(
        {"s": 3, "l": 10, "there": 5, "m": 4}, small=("s",), large=("l", "there"), middle=("m",)
    )
    needs = [
        plan_storage(images, frozenset({"there"}), STORE, TEMPORARY, parallel, ())
        .rooms[1]
        .need_bytes
        for parallel in (1, 2, 3)
    ]
    assert needs == [10, 14, 17]


def test_rooms_by_device() -> None:
    """The answer has an order of its own."""
    store, temporary = disk("/store", 8, 500 * MIB), disk("/tmp", 1, 100 * MIB)
    budget = plan_storage(IMAGES, frozenset(), store, temporary, 1, ())
    assert [room.filesystem.path for room in budget.rooms] == ["/tmp", "/store"]


def test_one_short_room_is_enough_to_refuse() -> None:
    """Every filesystem must have room."""
    reserve = Reserve(0, 0, "nothing")
    good = Room(Filesystem("/store", 1, 1000, 1000, 1000, 1000), ("images",), 1, 1, reserve)
    short = Room(Filesystem("/tmp", 2, 1000, 0, 1000, 1000), ("temporary",), 1, 1, reserve)
    assert StorageBudget(1, (), (good,)).fits
    assert not StorageBudget(1, (), (good, short)).fits


@pytest.mark.parametrize(
    ("available", "inodes", "said"),
    [
        (
            149, 30,
            "have 149 bytes, need 100 and must keep 50 free (min_free_bytes), missing 1",
        ),
        (150, 29, "have 29 inodes, need 20 and must keep 10 free, missing 1"),
    ],
)  # fmt: skip
def test_only_what_is_short_is_said(available: int, inodes: int, said: str) -> None:
    """Bytes without inodes, inodes without bytes."""
    filesystem = Filesystem("/store", 1, 1000, available, 1000, inodes)
    room = Room(filesystem, ("images",), 100, 20, Reserve(50, 10, "min_free_bytes"))
    assert describe_shortage(room) == f"on the filesystem of /store (images) {said}"


@pytest.mark.parametrize(("total", "reserved"), [(1000, 150), (1001, 151), (0, 0)])
def test_the_collection_threshold_is_rounded_up(total: int, reserved: int) -> None:
    """Never less than the kubelet wants free."""
    store = Filesystem("/store", 1, total, 0, 0, 0)
    assert reserves_on(store, store, KubeletLimits("/k", 85, {}), 0)[1] == (
        1, Reserve(reserved, 0, "imageGCHighThresholdPercent in /k"),
    )  # fmt: skip
