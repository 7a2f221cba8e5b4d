# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of a node that pulls over a slow link, to try orders of pulls without one.

What it has of the real thing: the link is shared fairly among the layers in flight; a pull looks for
a layer in the store when that layer's turn comes, fetches at most six at a time, and unpacks them in
the manifest's order, each when it and all below it are there; a layer is seen from then on; every
pull has a cost of its own before its first byte; unpacking is bound by the cores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.pull_order import PullOrder
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedImages,
)

# containers/image, copy/copy.go: maxParallelDownloads.
_LAYERS_AT_ONCE = 6
# Bytes and seconds below this are rounding.
_NOTHING = 1e-9


class Order(Protocol):
    """Who says which image is pulled next."""

    def next(self) -> str | None:
        """Return an image to start now, or None."""

    def arrive(self, present: set[str]) -> None:
        """Learn what the store lists."""

    def end(self, reference: str, failed: bool) -> None:
        """Learn that a pull has ended."""


@dataclass(frozen=True)
class Link:
    """Rates in bytes per second, costs in seconds; ``unpack`` in seconds of a core per byte."""

    rate: float = 3.125e6
    fixed: float = 0.12
    unpack: float = 20e-9
    cores: int = 2


@dataclass
class Run:
    """What a simulated run did."""

    seconds: float = 0.0
    fetched: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    at_once: int = 0
    idle_while_waiting: float = 0.0


@dataclass
class _Pull:
    reference: str
    layers: tuple[str, ...]
    wait: float
    fails: bool
    turn: int = 0
    fetching: dict[str, float] = field(default_factory=dict)
    fetched: set[str] = field(default_factory=set)
    unpacked: int = 0
    unpacking: float | None = None


class OurOrder:
    """The order of the collection."""

    def __init__(
        self, images: LockedImages, max_parallel: int, present: frozenset[str] = frozenset()
    ) -> None:
        """Start with nothing in flight."""
        self.order = PullOrder(list(images.images), images, present, max_parallel)

    def next(self) -> str | None:
        """See Order."""
        start = self.order.choose()
        if start is None:
            return None
        self.order.begin(start)
        return start.reference

    def arrive(self, present: set[str]) -> None:
        """See Order."""
        self.order.arrive(present)

    def end(self, reference: str, failed: bool) -> None:
        """See Order."""
        if failed:
            self.order.fail(reference)
            self.order.wait_again(reference)
        else:
            self.order.complete(reference)


class BlindOrder:
    """What pulls in the order given, whatever is in flight, as OpenShift's daemon does."""

    def __init__(self, images: LockedImages) -> None:
        """Start with all of them."""
        self._left = list(reversed(images.images))

    def next(self) -> str | None:
        """See Order."""
        return self._left.pop() if self._left else None

    def arrive(self, present: set[str]) -> None:
        """See Order."""

    def end(self, reference: str, failed: bool) -> None:
        """See Order."""
        if failed:
            self._left.insert(0, reference)


class SketchOrder:
    """The sketch that the collection was to be better than.

    It takes an image whose missing layers are not in flight, the one with the most bytes that other
    images need too, then the largest; layers stay in flight until their image ends.
    """

    def __init__(self, images: LockedImages) -> None:
        """Start with nothing in flight."""
        self._images = images
        self._needed = Counter(one for some in images.images.values() for one in set(some))
        self._present: set[str] = set()
        self._in_flight: dict[str, set[str]] = {}
        self._left = list(images.images)

    def next(self) -> str | None:
        """See Order."""
        in_flight = set().union(*self._in_flight.values())
        free = [one for one in self._left if not self._missing(one) & in_flight]
        if not free:
            return None
        chosen = max(free, key=self._worth)
        self._left.remove(chosen)
        self._in_flight[chosen] = self._missing(chosen)
        return chosen

    def arrive(self, present: set[str]) -> None:
        """See Order; it does not look."""

    def end(self, reference: str, failed: bool) -> None:
        """See Order."""
        arrived = self._in_flight.pop(reference)
        if failed:
            self._left.append(reference)
        else:
            self._present |= arrived

    def _missing(self, reference: str) -> set[str]:
        return set(self._images.images[reference]) - self._present

    def _worth(self, reference: str) -> tuple[int, int]:
        sizes = {one: self._images.layers[one].size for one in self._missing(reference)}
        shared = sum(size for one, size in sizes.items() if self._needed[one] > 1)
        return shared, sum(sizes.values())


def simulate(
    images: LockedImages,
    order: Order,
    max_parallel: int,
    link: Link = Link(),
    present: frozenset[str] = frozenset(),
    fails: Callable[[str, int], bool] = lambda _reference, _tries: False,
) -> Run:
    """Pull all images as ``order`` says.

    :param fails: whether the so-manieth pull of an image, from 1, fails when its last layer is
        about to be unpacked.
    """
    return _Simulation(images, order, max_parallel, link, set(present), fails).run()


class _Simulation:
    def __init__(
        self,
        images: LockedImages,
        order: Order,
        max_parallel: int,
        link: Link,
        present: set[str],
        fails: Callable[[str, int], bool],
    ) -> None:
        self.images = images
        self.order = order
        self.max_parallel = max_parallel
        self.link = link
        self.present = present
        self.fails = fails
        self.tries: dict[str, int] = {}
        self.pulls: list[_Pull] = []
        self.done = Run()

    def run(self) -> Run:
        self._start()
        while self.pulls:
            self._advance(self._until_next())
            self._settle()
            self._start()
        return self.done

    def _start(self) -> None:
        while len(self.pulls) < self.max_parallel:
            reference = self.order.next()
            if reference is None:
                return
            self.tries[reference] = self.tries.get(reference, 0) + 1
            self.done.started.append(reference)
            self.pulls.append(
                _Pull(
                    reference,
                    tuple(dict.fromkeys(self.images.images[reference])),
                    self.link.fixed,
                    self.fails(reference, self.tries[reference]),
                )
            )
            self.done.at_once = max(self.done.at_once, len(self.pulls))

    def _rates(self) -> tuple[float, float]:
        flows = sum(len(one.fetching) for one in self.pulls)
        jobs = sum(one.unpacking is not None for one in self.pulls)
        return self.link.rate / max(flows, 1), min(1.0, self.link.cores / max(jobs, 1))

    def _until_next(self) -> float:
        flow, core = self._rates()
        times = [one.wait for one in self.pulls if one.wait > 0]
        times += [left / flow for one in self.pulls for left in one.fetching.values()]
        times += [one.unpacking / core for one in self.pulls if one.unpacking is not None]
        return min(times, default=0.0)

    def _advance(self, seconds: float) -> None:
        flow, core = self._rates()
        self.done.seconds += seconds
        for one in self.pulls:
            one.wait -= seconds
            for digest in one.fetching:
                one.fetching[digest] -= seconds * flow
            if one.unpacking is not None:
                one.unpacking -= seconds * core

    def _settle(self) -> None:
        for one in list(self.pulls):
            if one.wait > _NOTHING:
                continue
            one.wait = 0.0
            for digest in [name for name, left in one.fetching.items() if left <= 1e-3]:
                del one.fetching[digest]
                one.fetched.add(digest)
            self._unpack(one)
        self.order.arrive(self.present)
        for one in list(self.pulls):
            if one.wait <= 0 and (one.unpacked == len(one.layers) or one.unpacked < 0):
                self.pulls.remove(one)
                if one.unpacked >= 0:
                    self.done.completed.append(one.reference)
                self.order.end(one.reference, one.unpacked < 0)

    def _unpack(self, one: _Pull) -> None:
        while True:
            self._fetch(one)
            if one.unpacking is not None:
                if one.unpacking > _NOTHING:
                    return
                one.unpacking = None
                self.present.add(one.layers[one.unpacked])
                one.unpacked += 1
            if one.unpacked == len(one.layers) or one.layers[one.unpacked] not in one.fetched:
                return
            digest = one.layers[one.unpacked]
            if one.fails and one.unpacked == len(one.layers) - 1:
                one.unpacked = -1
                return
            if digest in self.present:
                one.unpacked += 1
            else:
                one.unpacking = self.images.layers[digest].size * self.link.unpack

    def _fetch(self, one: _Pull) -> None:
        while len(one.fetching) < _LAYERS_AT_ONCE and one.turn < len(one.layers):
            digest = one.layers[one.turn]
            one.turn += 1
            if digest in self.present:
                one.fetched.add(digest)
            else:
                one.fetching[digest] = float(self.images.layers[digest].size)
                self.done.fetched.append(digest)
