# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pulls of one turn, several at a time; one failed image costs that image only."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import AbstractSet, Mapping, Protocol, Sequence

from ..decisions.pull_order import PullOrder, Start
from ..decisions.retry import Registries
from ..decisions.stall import Stillness
from ..documents.locked_images import LockedLayer
from ..errors import EdgefleetError
from ..node.host import Host
from ..node.image_service import PULLS, ImageService
from ..node.reading_host import Completed, HostError
from ..node.store import read_layers
from ..observed.crio import RunningConfig
from ..observed.failure import classify_failure
from ..observed.message import readable_message
from .image_outcome import FAILED, ImageOutcome
from .journal import Journal
from .stall import look_again

PULLED = "pulled"

# How soon a layer that others wait for is seen in the store, in seconds.
_LOOK_INTERVAL = 0.05
# Looking may take this part of the time; it grows with the store.
_LOOK_SHARE = 0.05
# How often the pulls are looked at for whether they move, in parts of what they may stand still.
_MOVE_SHARE = 0.1
# How often the disks are looked at while pulls run, in seconds: as often as the kubelet looks before
# it evicts (evictionMonitoringPeriod in pkg/kubelet/kubelet.go).
_ROOM_INTERVAL = 10.0


class DiskWatch(Protocol):
    """What is asked of the disks while images are pulled; it answers in words, '' when all is well."""

    def lacking_for(self, layers: Mapping[str, LockedLayer], settled: bool) -> str:
        """Say what is lacking for pulling these layers now.

        :param settled: with all that was written on disk, which takes time and frees room.
        """

    def breach(self) -> str:
        """Say what must stay free and is free no more, with all that was written on disk."""


@dataclass(frozen=True)
class PullPolicy:
    """How often, how soon and how many at once; ``retry_delay`` in seconds, doubling.

    When all pulls of the node stand still for ``stall_timeout`` seconds they are ended; 0 for never.
    """

    retries: int
    retry_delay: float
    max_parallel: int
    stall_timeout: float


@dataclass
class _Tried:
    """An image that was begun: when first, when last, how often, and how it failed last.

    ``stop`` ends the last try when it is set; ``stopped`` is then why, as a class of failure and in
    words.
    """

    reference: str
    first: float
    last: float
    attempts: int = 0
    cause: str = ""
    message: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    stopped: tuple[str, str] = ("", "")

    def end(self, cause: str, why: str) -> None:
        """End the last try."""
        self.stopped = (cause, why)
        self.stop.set()


class PullRun:
    """One run of pulls. One thread decides; the others only wait for crictl."""

    def __init__(
        self,
        host: Host,
        crictl: ImageService,
        config: RunningConfig,
        policy: PullPolicy,
        order: PullOrder,
        disks: DiskWatch,
    ) -> None:
        self._host = host
        self._crictl = crictl
        self._config = config
        self._policy = policy
        self._order = order
        self._disks = disks
        self._journal = Journal(host)
        self._running: dict[Future[Completed], _Tried] = {}
        self._tried: dict[str, _Tried] = {}
        # When an image that failed may be tried again, as monotonic seconds.
        self._due: dict[str, float] = {}
        self._registries = Registries(policy.retries, policy.retry_delay)
        # Why nothing more is started, as a class of failure and in words; empty while all is well.
        self._cause, self._lacking = "no_space", ""
        self._look_interval = _LOOK_INTERVAL
        self._still = Stillness(frozenset(), host.monotonic())
        # When the pulls are looked at next for whether they move, as monotonic seconds.
        self._next_watch = 0.0
        # When the disks are looked at next, as monotonic seconds; each start looks as well.
        self._next_room = host.monotonic() + _ROOM_INTERVAL
        self._outcomes: list[ImageOutcome] = []

    def run(self, references: Sequence[str]) -> list[ImageOutcome]:
        """Pull all of them, in the order's order; return an outcome for each."""
        with ThreadPoolExecutor(max_workers=self._policy.max_parallel) as workers:
            self._start(workers)
            while self._running or (not self._lacking and (self._order.waiting or self._due)):
                self._wait()
                self._collect()
                self._end_stalled()
                self._end_for_room()
                self._start(workers)
                if self._order.is_blocked:
                    self._look()
                    self._start(workers)
        ended = {one.reference for one in self._outcomes}
        for reference in references:
            if reference not in ended:
                self._leave(reference, self._cause, self._lacking)
        # What was pulled is told, also where a full disk keeps the journal as long as it is.
        with contextlib.suppress(HostError):
            self._journal.shorten()
        return self._outcomes

    def _start(self, workers: ThreadPoolExecutor) -> None:
        """Start what may start now."""
        now = self._host.monotonic()
        for reference in [one for one, due in self._due.items() if due <= now]:
            del self._due[reference]
            self._order.wait_again(reference)
        closed = frozenset(self._registries.openings(now))
        start = None if self._lacking else self._choose(closed)
        while start and self._has_room(start):
            self._order.begin(start)
            tried = self._tried.setdefault(start.reference, _Tried(start.reference, now, now))
            tried.attempts, tried.last = tried.attempts + 1, now
            tried.stop = threading.Event()
            self._running[workers.submit(self._pull, tried)] = tried
            start = self._choose(closed)

    def _choose(self, closed: AbstractSet[str]) -> Start | None:
        """Return what may start next; what a registry has that was given up is not tried."""
        start = self._order.choose(closed)
        while start and (why := self._registries.given_up(_registry(start.reference))):
            self._order.begin(start)
            self._order.fail(start.reference)
            self._leave(start.reference, "timeout", why)
            start = self._order.choose(closed)
        return start

    def _has_room(self, start: Start) -> bool:
        """Ask for this one and what is in flight; what lacks room alone ends the starting.

        Space that is in flight may be asked for twice, which costs a wait and no image.
        """
        layers = dict(start.layers)
        for in_flight in self._order.in_flight.values():
            layers.update(in_flight)
        is_alone = not self._running
        try:
            lacking = self._disks.lacking_for(layers, settled=is_alone)
        except EdgefleetError as error:
            self._start_no_more(str(error))
            return False
        if lacking and is_alone:
            self._start_no_more(lacking, "no_space")
        return not lacking

    def _start_no_more(self, why: str, cause: str = "") -> None:
        """Start nothing more; the first reason counts."""
        if not self._lacking:
            self._cause, self._lacking = cause or classify_failure(why), why

    def _pull(self, tried: _Tried) -> Completed:
        self._journal.before("pull", reference=tried.reference)
        completed = self._crictl.pull(tried.reference, tried.stop)
        if completed.rc == 0:
            # Here, because it waits for the disk, and the next start must not.
            self._note(tried.reference, PULLED, "")
        return completed

    def _note(self, reference: str, outcome: str, cause: str) -> None:
        """Record how a pull ended; where that cannot be recorded, nothing more is begun."""
        try:
            self._journal.after("pull", reference=reference, outcome=outcome, cause=cause)
        except HostError as error:
            self._start_no_more(str(error))

    def _wait(self) -> None:
        """Wait until a pull ends, a layer may have arrived or something may be tried again."""
        now = self._host.monotonic()
        moments = [*self._due.values(), *self._registries.openings(now).values()]
        if not self._running:
            self._host.sleep(max(0.0, min(moments, default=now) - now))
            return
        moments.append(self._next_room)
        if self._order.is_blocked:
            moments.append(now + self._look_interval)
        if self._policy.stall_timeout:
            moments.append(self._next_watch)
        seconds = max(0.0, min(moments) - now)
        wait(self._running, seconds, FIRST_COMPLETED)

    def _look(self) -> None:
        """See which layers have arrived."""
        started = self._host.monotonic()
        try:
            self._order.arrive(read_layers(self._host, self._config))
        except EdgefleetError as error:
            self._start_no_more(str(error))
        took = self._host.monotonic() - started
        self._look_interval = max(_LOOK_INTERVAL, took / _LOOK_SHARE)

    def _end_stalled(self) -> None:
        """End the pulls when all of them have stood still for too long.

        What moves is seen of the node as a whole, so one that moves keeps all of them alive. Those
        that began meanwhile, and found the link as silent, have their time before them.
        """
        now, timeout = self._host.monotonic(), self._policy.stall_timeout
        if not self._running or not timeout or now < self._next_watch:
            return
        self._next_watch = now + timeout * _MOVE_SHARE
        self._still = look_again(self._host, self._config, self._still)
        now = self._host.monotonic()
        still = (
            f"timed out: nothing came for {timeout:g} s, for this image or any other of the node"
        )
        stalled = [
            one for one in self._running.values() if self._still.has_lasted(timeout, one.last, now)
        ]
        for tried in stalled:
            tried.end("timeout", still)
        if stalled:
            self._end_orphans()

    def _end_for_room(self) -> None:
        """End the pulls when what must stay free is free no more, whoever has taken it."""
        now = self._host.monotonic()
        if not self._running or now < self._next_room:
            return
        self._next_room = now + _ROOM_INTERVAL
        try:
            breach = self._disks.breach()
        except EdgefleetError:
            # Unknown is not full; whoever is started next asks again.
            return
        if breach:
            self._start_no_more(breach, "no_space")
            for tried in self._running.values():
                tried.end("no_space", f"ended: {breach}")
            self._end_orphans()

    def _end_orphans(self) -> None:
        """End pulls that a run of ours left going when it was killed.

        While they move nobody does: CRI-O gives whoever asks for the same image the pull of it that
        is under way. But so it does when that one stands still, again and again.
        """
        self._host.end_orphans(PULLS)

    def _collect(self) -> None:
        """Take note of the pulls that have ended."""
        for ended in [one for one in self._running if one.done()]:
            tried = self._running.pop(ended)
            try:
                completed = ended.result()
            except HostError as error:
                # The journal could not be written: what cannot be recorded is not begun.
                self._start_no_more(str(error))
                self._failed(tried, classify_failure(str(error)), str(error))
                continue
            if completed.rc == 0:
                self._succeeded(tried)
            elif tried.stop.is_set():
                self._failed(tried, *tried.stopped)
            else:
                message = readable_message(completed.stderr)
                self._failed(tried, classify_failure(message), message)

    def _succeeded(self, tried: _Tried) -> None:
        self._registries.answered(_registry(tried.reference), self._host.monotonic())
        self._order.complete(tried.reference)
        self._end(replace(tried, cause="", message=""), PULLED)

    def _failed(self, tried: _Tried, cause: str, message: str) -> None:
        if self._order.in_flight[tried.reference]:
            self._look()
        self._order.fail(tried.reference)
        tried.cause, tried.message = cause, message
        if cause == "no_space":
            self._start_no_more("the disk was full", "no_space")
        now, registry = self._host.monotonic(), _registry(tried.reference)
        self._registries.failed(registry, cause, message, tried.last, now)
        due = self._registries.next_try(registry, cause, tried.attempts, now)
        if due is None:
            self._give_up(tried)
        else:
            self._due[tried.reference] = due

    def _leave(self, reference: str, cause: str, why: str) -> None:
        """Give up on an image that is not started, or not again."""
        if reference in self._tried:
            self._give_up(self._tried[reference])
        else:
            self._outcomes.append(ImageOutcome(reference, FAILED, cause, f"not tried: {why}"))

    def _give_up(self, tried: _Tried) -> None:
        self._note(tried.reference, FAILED, tried.cause)
        self._end(tried, FAILED)

    def _end(self, tried: _Tried, outcome: str) -> None:
        seconds = round(self._host.monotonic() - tried.first, 3)
        self._outcomes.append(
            ImageOutcome(
                tried.reference, outcome, tried.cause, tried.message, tried.attempts, seconds
            )
        )


def _registry(reference: str) -> str:
    return reference.partition("/")[0]
