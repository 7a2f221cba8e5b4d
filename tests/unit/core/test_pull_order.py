# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of pulls: on small cases by hand, and on a model of the link."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.pull_order import (
    NOTHING_LOCKED,
    PullOrder,
    Start,
    awaited_images,
    plan_pull,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedImages,
    LockedLayer,
)
from hypothesis import given
from hypothesis import strategies as st
from link_model import BlindOrder, Link, OurOrder, Run, SketchOrder, simulate

MIB = 1 << 20
SHA = "sha256:" + "a" * 64
MBIT_25, MBIT_100 = 25e6 / 8, 100e6 / 8


def locked(sizes: dict[str, int], **images: Iterable[str]) -> LockedImages:
    """Return images of layers of these sizes."""
    return LockedImages(
        {name: tuple(layers) for name, layers in images.items()},
        {digest: LockedLayer(size) for digest, size in sizes.items()},
    )


def order_of(images: LockedImages, max_parallel: int = 9, present: str = "") -> PullOrder:
    """Return the order at its start."""
    return PullOrder(list(images.images), images, frozenset(present), max_parallel)


def started(order: PullOrder) -> str:
    """Start all that may start; return their names."""
    names = []
    while start := order.choose():
        order.begin(start)
        names.append(start.reference)
    return " ".join(names)


def plan(images: LockedImages, present: str = "") -> list[tuple[str, int]]:
    """Return the plan as a person sees it."""
    return [
        (one.reference, one.bytes)
        for one in plan_pull(list(images.images), images, frozenset(present), 1)
    ]


def distinct_bytes(images: LockedImages, present: Iterable[str] = ()) -> int:
    """Return the bytes of all layers that an image needs and that are not there."""
    wanted = {digest for layers in images.images.values() for digest in layers}
    return sum(images.layers[digest].size for digest in wanted - set(present))


class TestPlan:
    """plan_pull."""

    def test_bytes_count_once(self) -> None:
        """With the first that fetches them; what is there counts nowhere."""
        images = locked({"s": 10, "a": 3, "b": 5, "t": 100}, one="tsa", two="sb", three="t")
        assert plan(images, present="t") == [("two", 15), ("one", 3), ("three", 0)]
        starts = plan_pull(["one"], images, frozenset("ts"), 1)
        assert starts == (Start("one", {"a": LockedLayer(3)}),)

    def test_what_many_wait_for_comes_first(self) -> None:
        """Small but shared by many, before larger of two, before largest that nobody shares."""
        sizes = {"s": 9, "p": 12, "x": 99, **dict.fromkeys("abcd", 1)}
        images = locked(sizes, x="x", p1="p", p2="p", a="sa", b="sb", c="sc", d="sd")
        assert [name for name, _bytes in plan(images)][:3] == ["a", "p1", "x"]

    def test_places_for_large_and_small_ones(self) -> None:
        """As many as may be in flight: the largest in half of their places, then the smallest."""
        images = locked({name: ord(name) for name in "abcdef"}, **{name: name for name in "abcdef"})
        starts = plan_pull(list("abcdef"), images, frozenset(), 4)
        assert "".join(one.reference for one in starts) == "feabdc"

    def test_what_somebody_waits_for_comes_before(self) -> None:
        """Also before what many others need; among them the order is as ever."""
        images = locked({"s": 9, "x": 5, "y": 6}, a="s", b="s", x="x", y="y")
        starts = plan_pull("abxy", images, frozenset(), 1, frozenset("xy"))
        assert [one.reference for one in starts] == ["y", "x", "a", "b"]

    def test_nothing_is_known_without_a_lock(self) -> None:
        """The order given."""
        assert plan_pull("cab", NOTHING_LOCKED, frozenset(), 1) == (
            Start("c", {}), Start("a", {}), Start("b", {}),
        )  # fmt: skip

    def test_unknown_ones_among_known_ones(self) -> None:
        """After those that others wait for, and as if larger than all others."""
        images = locked({"s": 1, "x": 5000}, x="x", one="s", two="s")
        starts = plan_pull(["unknown", *images.images], images, frozenset(), 1)
        assert [one.reference for one in starts] == ["one", "unknown", "x", "two"]

    def test_a_layer_twice_in_an_image(self) -> None:
        """It is fetched once."""
        assert plan(locked({"e": 7}, one="eee")) == [("one", 7)]

    def test_nothing_missing(self) -> None:
        """An empty plan is a plan."""
        assert plan_pull([], NOTHING_LOCKED, frozenset(), 1) == ()


class TestOrder:
    """PullOrder."""

    def test_a_layer_in_flight_is_waited_for(self) -> None:
        """Until the store lists it, not until its image is complete."""
        images = locked({"s": 10, "a": 1, "b": 2}, one="sa", two="sb")
        order = order_of(images)
        assert started(order) == "two"
        assert (order.is_blocked, order.waiting) == (True, 1)
        order.arrive(frozenset("xyz"))
        assert order.choose() is None
        order.arrive(frozenset("s"))
        assert order.in_flight == {"two": {"b": LockedLayer(2)}}
        assert order.choose() == Start("one", {"a": LockedLayer(1)})

    def test_a_complete_image_has_all_its_layers(self) -> None:
        """Nobody need look into the store."""
        images = locked({"s": 10, "a": 1, "b": 2}, one="sa", two="sb")
        order = order_of(images)
        started(order)
        order.complete("two")
        assert (order.in_flight, order.is_blocked) == ({}, False)
        assert order.choose() == Start("one", {"a": LockedLayer(1)})

    def test_no_more_than_allowed(self) -> None:
        """The next starts when one has ended."""
        order = order_of(locked({"a": 3, "b": 2, "c": 1}, a="a", b="b", c="c"), max_parallel=2)
        assert started(order) == "a c"
        assert not order.is_blocked
        order.complete("a")
        assert started(order) == "b"

    def test_large_and_small_side_by_side(self) -> None:
        """Half of the places take the largest, the others the smallest."""
        images = locked({name: int(name, 16) for name in "12345678"}, **{n: n for n in "12345678"})
        order = order_of(images, max_parallel=4)
        assert started(order) == "8 7 1 2"
        order.complete("7")
        assert started(order) == "6"
        order.complete("1")
        assert started(order) == "3"

    def test_a_failed_image_gives_its_layers_back(self) -> None:
        """To the next that needs them; it comes again behind the others, with what is then left."""
        images = locked({"s": 10, "a": 1, "b": 2, "c": 3}, one="sa", two="sb", three="c")
        order = order_of(images, max_parallel=2)
        assert started(order) == "two three"
        order.fail("two")
        assert started(order) == "one"
        assert order.in_flight["one"] == {"s": LockedLayer(10), "a": LockedLayer(1)}
        order.complete("three")
        order.wait_again("two")
        assert order.choose() is None
        order.complete("one")
        assert order.choose() == Start("two", {"b": LockedLayer(2)})

    def test_what_arrived_before_the_failure_is_kept(self) -> None:
        """It is not fetched again."""
        order = order_of(locked({"s": 10, "a": 1}, one="sa"))
        started(order)
        order.arrive(frozenset("s"))
        order.fail("one")
        order.wait_again("one")
        assert order.choose() == Start("one", {"a": LockedLayer(1)})

    def test_what_was_given_back_counts_again(self) -> None:
        """As bytes of the images that need it, and as what others wait for."""
        images = locked({"s": 10, "x": 7, "y": 9}, one="s", two="s", three="s", x="x", y="y")
        order = order_of(images, max_parallel=1)
        assert started(order) == "one"
        order.fail("one")
        for name in ("two", "y", "x", "three"):
            assert started(order) == name
            order.complete(name)

    def test_those_not_tried_come_first(self) -> None:
        """Whatever they carry."""
        order = order_of(locked({"big": 99, "a": 1, "b": 2}, one=["big"], a="a", b="b"), 1)
        assert started(order) == "one"
        order.fail("one")
        order.wait_again("one")
        for name in ("b", "a", "one"):
            assert started(order) == name
            order.complete(name)
        assert order.choose() is None
        assert order.waiting == 0

    def test_a_closed_registry(self) -> None:
        """Others are asked meanwhile."""
        images = locked({"a": 9, "b": 1}, **{"x.io/a": "a", "y.io/b": "b"})
        order = order_of(images)
        closed = frozenset({"x.io"})
        assert order.choose(closed) == Start("y.io/b", {"b": LockedLayer(1)})
        assert order.choose(closed | {"y.io"}) is None
        assert order.choose() == Start("x.io/a", {"a": LockedLayer(9)})

    @pytest.mark.parametrize("images", [500, 1000, 2000])
    def test_work_grows_with_the_layers_and_not_with_their_square(self, images: int) -> None:
        """How often an image is looked at, over a whole run, for each of its layers."""
        touched = 0

        class Counted(PullOrder):
            def _enqueue(self, image: str) -> None:
                nonlocal touched
                touched += 1
                super()._enqueue(image)

        payload = release(images, seed=1)
        order = Counted(list(payload.images), payload, frozenset(), 8)
        while started(order):
            for name in list(order.in_flight):
                order.complete(name)
        edges = sum(map(len, payload.images.values()))
        assert touched <= 2 * edges + images


def release(count: int, seed: int) -> LockedImages:
    """Return images as a release has them: a few shared bases, layers of their own of any size."""
    source = random.Random(seed)  # noqa: S311 - the same payload every time is wanted
    sizes: dict[str, int] = {"runtime": MIB}
    bases = []
    for number in range(5):
        base = [f"base-{number}-{part}" for part in range(source.randint(1, 3))]
        sizes.update((name, source.randint(1, 9) * MIB) for name in base)
        bases.append(base)
    images = {}
    for number in range(count):
        own = [f"own-{number}-{part}" for part in range(source.randint(1, 3))]
        sizes.update((name, int(source.lognormvariate(13, 1.3))) for name in own)
        base = source.choice(bases)
        images[f"example.com/{number}"] = ("runtime", *base[: source.randint(1, 3)], *own)
    return LockedImages(images, {digest: LockedLayer(size) for digest, size in sizes.items()})


def alike(count: int) -> LockedImages:
    """Return images of one size over three bases."""
    sizes = {"runtime": MIB, **{f"base-{number}": 4 * MIB for number in range(3)}}
    sizes.update((f"own-{number}", MIB * 4 // 5) for number in range(count))
    images = {str(one): ("runtime", f"base-{one % 3}", f"own-{one}") for one in range(count)}
    return LockedImages(images, {digest: LockedLayer(size) for digest, size in sizes.items()})


def over_one(count: int) -> LockedImages:
    """Return small images over one large layer."""
    sizes = {"base": 30 * MIB, **{f"own-{number}": MIB // 5 for number in range(count)}}
    images = {str(number): ("base", f"own-{number}") for number in range(count)}
    return LockedImages(images, {digest: LockedLayer(size) for digest, size in sizes.items()})


class TestOnTheLink:
    """Whole runs against the model."""

    @pytest.mark.parametrize(
        ("images", "rate", "factor"),
        [
            # Runs gave 1.00 to 1.03, and 1.02 to 1.06 on the fast link; images that are all alike
            # go in step there, and their costs before the first byte fall together.
            *[(release(120, seed), MBIT_25, 1.05) for seed in range(4)],
            *[(release(120, seed), MBIT_100, 1.10) for seed in range(4)],
            (alike(120), MBIT_25, 1.10),
            (alike(120), MBIT_100, 1.35),
        ],
    )
    def test_the_link_stays_full(self, images: LockedImages, rate: float, factor: float) -> None:
        """Time against the time that the bytes alone take, and against other orders.

        Blind pulls fetch more and take longer; the sketch fetches as much and is never faster.
        """
        run = simulate(images, OurOrder(images, 8), 8, Link(rate))
        blind = simulate(images, BlindOrder(images), 5, Link(rate))
        sketch = simulate(images, SketchOrder(images), 8, Link(rate))
        limit = distinct_bytes(images) / rate
        assert sorted(run.fetched) == sorted(images.layers)
        assert len(blind.fetched) > len(run.fetched)
        assert limit <= run.seconds <= factor * limit
        assert run.seconds < blind.seconds
        assert sorted(sketch.fetched) == sorted(images.layers)
        assert run.seconds <= sketch.seconds

    @pytest.mark.parametrize("count", [5, 20, 60])
    def test_over_one_large_layer(self, count: int) -> None:
        """It crosses the link once."""
        images = over_one(count)
        run = simulate(images, OurOrder(images, 8), 8)
        assert sorted(run.fetched) == sorted(images.layers)
        assert simulate(images, BlindOrder(images), 5).fetched.count("base") == 5

    def test_half_of_it_is_there(self) -> None:
        """Only the rest is fetched."""
        images = release(60, seed=7)
        there = frozenset(sorted(images.layers)[::2])
        run = simulate(images, OurOrder(images, 8, there), 8, present=there)
        assert sorted(run.fetched) == sorted(images.layers.keys() - there)

    def test_small_ones_are_not_left_for_the_end(self) -> None:
        """Their own costs fall where a large one fills the link."""
        sizes = {f"large-{number}": 4 * MIB for number in range(20)}
        sizes.update((f"small-{number}", 1000) for number in range(100))
        images = LockedImages(
            {name: (name,) for name in sizes}, {name: LockedLayer(n) for name, n in sizes.items()}
        )
        run = simulate(images, OurOrder(images, 8), 8, Link(MBIT_100))
        assert run.seconds <= 1.10 * distinct_bytes(images) / MBIT_100


LAYER = st.sampled_from("abcdefghij")


@given(
    images=st.lists(st.lists(LAYER, max_size=6), max_size=12),
    sizes=st.lists(st.integers(0, 50), min_size=10, max_size=10),
    present=st.sets(LAYER),
    max_parallel=st.integers(1, 5),
    failing=st.sets(st.tuples(st.integers(0, 11), st.integers(1, 3))),
)
def test_whatever_comes(
    images: list[list[str]],
    sizes: list[int],
    present: set[str],
    max_parallel: int,
    failing: set[tuple[int, int]],
) -> None:
    """Every image is pulled, no layer twice, and no place stays empty that could be used."""
    wanted = LockedImages(
        {str(number): tuple(layers) for number, layers in enumerate(images)},
        {digest: LockedLayer(size) for digest, size in zip("abcdefghij", sizes, strict=True)},
    )
    order = Checked(wanted, max_parallel, frozenset(present))
    run: Run = simulate(
        wanted, order, max_parallel, Link(10, 0.5, 0.02), frozenset(present),
        lambda reference, tries: (int(reference), tries) in failing,
    )  # fmt: skip
    assert sorted(run.completed) == sorted(wanted.images)
    assert run.at_once <= max_parallel
    # The last layer of a pull that fails is lost, and is fetched again: the only ones.
    lost = sum(run.started.count(one) for one in wanted.images) - len(wanted.images)
    distinct = {digest for layers in images for digest in layers} - present
    assert len(distinct) <= len(run.fetched) <= len(distinct) + lost
    if not failing:
        assert sorted(run.fetched) == sorted(distinct)
        planned = plan_pull(list(wanted.images), wanted, frozenset(present), 1)
        assert sorted(one.reference for one in planned) == sorted(wanted.images)
        assert sum(one.bytes for one in planned) == distinct_bytes(wanted, present)


class Checked(OurOrder):
    """Our order, held against its rules by looking at everything each time."""

    def __init__(self, images: LockedImages, max_parallel: int, present: frozenset[str]) -> None:
        """Start with nothing in flight."""
        super().__init__(images, max_parallel, present)
        self.images = images
        self.max_parallel = max_parallel
        self.present = set(present)
        self.left = set(images.images)

    def next(self) -> str | None:
        """See Order."""
        in_flight = {digest for one in self.order.in_flight.values() for digest in one}
        assert not in_flight & self.present
        may_start = {name for name in self.left if not in_flight & set(self.images.images[name])}
        chosen = super().next()
        if chosen is None:
            assert not may_start or len(self.order.in_flight) == self.max_parallel
        else:
            assert chosen in may_start
            self.left.remove(chosen)
        return chosen

    def arrive(self, present: set[str]) -> None:
        """See Order."""
        self.present = set(present)
        super().arrive(present)

    def end(self, reference: str, failed: bool) -> None:
        """See Order."""
        if failed:
            self.left.add(reference)
        else:
            self.present.update(self.images.images[reference])
        super().end(reference, failed)


class TestAwaited:
    """awaited_images."""

    def test_by_digest(self) -> None:
        """That image, whatever tag stands beside its digest, also where the name is a short one."""
        library = f"docker.io/library/a@{SHA}"
        asked = [f"a:v1@{SHA}", f"example.com/b@{SHA}"]
        assert awaited_images([library, f"example.com/c@{SHA}"], asked, []) == {library}

    def test_by_tag(self) -> None:
        """Every image of the repository."""
        both = {f"example.com/a@{SHA}", f"example.com/a@{SHA[:-1]}1"}
        assert awaited_images([*both, f"example.com/ab@{SHA}"], ["example.com/a:v1"], []) == both

    def test_what_is_no_reference(self) -> None:
        """It is nobody's."""
        assert awaited_images([f"example.com/a@{SHA}"], ["", "A B", "sha256:1"], []) == frozenset()

    def test_our_own(self) -> None:
        """What we asked for counts once somebody else asked for it too."""
        image = f"example.com/a@{SHA}"
        for others in (0, 1):
            asked = [image] * (2 + others)
            assert awaited_images([image], asked, [image] * 2) == {*[image][:others]}
