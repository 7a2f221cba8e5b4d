# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node of the suite, the work that is disturbed, and the two runs that must mend it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from fleet import JOURNAL, Fleet, Run, Running
from lab import GIB, MIB, Lab, LabError, Node, payload
from lab.oci import LayerSpec
from lab.payload import PushedImage
from lab.pod import Pod
from lab.processes import Process, of_namespace, wait_for
from lab.registry import NAMESPACE
from sampling import Sampler

from . import invariants
from .fault import Fault, anything
from .proxy import Proxy

# The disks of the node, in bytes.
STORE_SIZE, VAR_TMP_SIZE = 2 * GIB, 256 * MIB
# Two sets that share half of their images: whichever a node has, the other one is the next work.
_COUNT = 9
_NONE = "none"
_SETS = {"old": slice(0, 6), "new": slice(3, 9), _NONE: slice(0, 0)}
# The image, of both sets, that a pod runs from all the time.
_RUNNING = 4
_BITS_PER_SECOND = 20_000_000
# A run takes about so long when nothing disturbs it, in seconds.
_LONGEST = 8
# A run that is disturbed must end in minutes, not hours; in seconds.
_PATIENCE = 600
# Folders of the store grow with what was once in them; the smallest image takes three times as much.
_ROOM_SLACK = MIB


class Site:
    """A node, a registry behind a proxy that can misbehave, and two locks to go between."""

    def __init__(self, lab: Lab, work: Path, seed: int) -> None:
        """Take the lab; the seed decides all that is left to chance."""
        self.lab = lab
        self.fleet = Fleet(lab, work)
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - the same faults for the same seed are wanted
        self.proxy = Proxy(lab)
        self.images = [_behind(self.proxy, image) for image in lab.push(_payload())]
        self.locks = {name: self._lock(name) for name in _SETS if name != _NONE}
        # What the node is known to have; None after a case that failed.
        self._has: str | None = None
        self._room = 0
        self.came_from = self.goal = ""
        self.pod: Pod | None = None
        # Of the case under way: what should have stayed, and what the fault took or CRI-O's repair.
        self.lost: set[str] = set()
        self.taken: set[str] = set()

    @property
    def node(self) -> Node:
        """The node."""
        return self.lab.nodes[0]

    def of_set(self, name: str) -> list[PushedImage]:
        """The images of a set."""
        return self.images[_SETS[name]]

    def references(self, name: str) -> frozenset[str]:
        """The references of a set."""
        return frozenset(image.reference for image in self.of_set(name))

    @property
    def kept(self) -> frozenset[str]:
        """What was pinned when the case began, and is wanted in it."""
        return self.references(self.came_from) & self.references(self.goal)

    @property
    def in_use(self) -> str:
        """The image that a pod runs from all the time."""
        return self.images[_RUNNING].reference

    def start(self, name: str, **variables: object) -> Running:
        """Start a run for a set."""
        if name == _NONE:
            return self.fleet.start("unpin_images", **variables)
        return self.fleet.start("pin-images", pin_images_lock=str(self.locks[name]), **variables)

    def pin(self, name: str) -> Run:
        """Run for a set, to its end."""
        run = _ended(self.start(name))
        print(run.output)
        assert "Traceback" not in run.output
        return run

    def survive(self, fault: Fault) -> None:
        """Do work, disturb it, check what must hold, mend it, and see that it stays."""
        self.random.seed(f"{self.seed} {fault}")
        self.lost, self.taken = set(), set()
        self._settle(fault)
        print(f"{fault} (seed {self.seed}): from {self.came_from} to {self.goal}", flush=True)
        journal = invariants.journal_lines(self.node)
        takes = fault.takes(self)
        with Sampler(self.node, self.kept) as sampler:
            run = self._disturbed(fault)
            self.node.wait_ready()
            invariants.check_files(self.node, self.kept, anything(self))
            pulled = invariants.pulled(self.node, journal) & self.references(self.goal)
            missed = takes if run.rc != 0 else frozenset()
            self._check_images(pulled, missed)
            _check_run(run, fault, self.node.name)
            fault.after(self, run)
            if self._is_next_run_first(fault):
                self._mend()
                self._restart()
                self._check_whole()
            else:
                self._restart()
                self._check_images(pulled, missed)
                self._mend()
        self._lose(sampler.unpinned(), "there and not pinned in between", fault.renames(self))
        self._lose(sampler.absent(), "gone in between", takes)
        sampler.check_rate()
        if fault.tears:
            self._check_content()
        self._check_room()
        self._has = self.goal

    def _is_next_run_first(self, fault: Fault) -> bool:
        """Choose whether the next run comes before a restart of CRI-O, each in half of the cases."""
        chance = random.Random(f"{self.seed} {fault} next run")  # noqa: S311 - the same for the same seed
        is_first = chance.random() < 0.5 if fault.next_run_first is None else fault.next_run_first
        print("the next run comes first" if is_first else "CRI-O is restarted first", flush=True)
        return is_first

    def _settle(self, fault: Fault) -> None:
        """Know what the node has, by whatever it takes, with no other image there."""
        has = self._has
        if has is None:
            self._revive()
            self.remove_pods()
            self.fleet.reset()
        if has not in ("old", "new"):
            assert self.pin("old").rc == 0
            has = "old"
        self._tidy(has)
        if not (self.pod and self.pod.running):
            self.remove_pods()
            self.pod = self.node.run_pod(self.in_use)
        self._room = self._room or invariants.room_used(self.node)
        self.came_from = has
        self.goal = _NONE if fault.unpins else "new" if has == "old" else "old"
        self._has = None

    def _revive(self) -> None:
        """Bring back a node that a case left without an answer."""
        try:
            self.node.wait_ready()
        except LabError:
            with suppress(LabError):
                self.node.power_cut()
            self.node.start()

    def remove_pods(self) -> None:
        """Stop and remove all pods."""
        self.node.exec(["crictl", "--timeout=60s", "rmp", "--force", "--all"])

    def _tidy(self, has: str) -> None:
        """Remove images of neither this set nor the pod."""
        kept = {*self.references(has), self.in_use}
        others = [one["id"] for one in self.node.images() if _is_other(one, kept)]
        if others:
            self.node.exec(["crictl", "--timeout=60s", "rmi", *others])

    def _disturbed(self, fault: Fault) -> Run:
        with fault.around(self), self._link(fault):
            running = self.start(self.goal, **fault.variables)
            try:
                fault.amid(self, running)
            finally:
                run = _ended(running)
                print(run.output)
        return run

    def processes(self, *words: str) -> list[Process]:
        """The processes of the node whose command line holds all of the words."""
        there = of_namespace(self.lab.network.namespace(self.node.name).stat().st_ino)
        return [one for one in there if all(word in _command(one) for word in words)]

    def sleep(self, least: float, most: float, running: Running) -> None:
        """Wait for so many seconds at random, and no longer than the run."""
        until = time.monotonic() + self.random.uniform(least, most)
        while time.monotonic() < until and running.process.poll() is None:
            time.sleep(0.02)

    def ssh_clients(self) -> list[Process]:
        """The ssh clients of this machine that lead to nodes, those that hold connections too."""
        ours = str(self.lab.state_dir / "ssh")
        here = of_namespace(Path("/proc/self/ns/net").stat().st_ino)
        commands = ((one, _command(one)) for one in here)
        return [one for one, words in commands if words.startswith("ssh") and ours in words]

    def wait_for_pull(self) -> list[Process]:
        """Wait until images are pulled; the crictl processes."""
        return wait_for(
            lambda: self.processes("crictl", " pull "), f"a pull on {self.node.name}", seconds=60
        )

    @contextmanager
    def _link(self, fault: Fault) -> Iterator[None]:
        if fault.slow:
            self.lab.network.limit(NAMESPACE, _BITS_PER_SECOND)
        try:
            yield
        finally:
            if fault.slow:
                self.lab.network.unlimit(NAMESPACE)

    def _restart(self) -> None:
        self.node.exec(["systemctl", "restart", "crio"])
        self.node.wait_ready()

    def _check_images(self, pulled: set[str], takes: frozenset[str]) -> None:
        """See what is kept present and pinned, and what was pulled present, less what was taken."""
        there, pinned = self.node.present_and_pinned()
        self._lose((self.kept & there) - pinned, "there and no longer pinned")
        self._lose(self.kept - there, "gone", takes)
        self._lose(pulled - there, "pulled and gone", takes)
        if self.pod and self.pod.running:
            self._lose({self.in_use} - there, "of a running pod and gone")

    def _check_whole(self) -> None:
        """See all that is wanted present and pinned."""
        self._lose(self.references(self.goal) - self.node.pinned(), "not pinned after a restart")
        self._check_images(set(), frozenset())

    def _check_content(self) -> None:
        """See every file of the wanted layers as long as it was unpacked."""
        lock = str(self.locks[self.goal])
        look = _ended(self.fleet.start("verify_images", pin_images_lock=lock, pin_images_deep=True))
        print(look.output)
        assert look.rc == 0, "layers lack what they had"

    def _lose(self, gone: Set[str], how: str, takes: frozenset[str] = frozenset()) -> None:
        """Count what is gone; it must not be, unless the fault takes it."""
        self.taken.update(f"{how}: {one}" for one in gone & takes)
        self.lost.update(f"{how}: {one}" for one in gone - takes)
        assert not self.lost, sorted(self.lost)

    def _mend(self) -> None:
        """Run again without any flag, and once more: whole, nothing complete fetched, then still."""
        self._wait_for_turn()
        complete = self._complete_blobs()
        mark = self.proxy.mark()
        again = self.pin(self.goal)
        assert again.rc == 0, "the next run did not mend it"
        assert self.references(self.goal) <= self.node.pinned()
        refetched = self.proxy.blobs_served(mark) & complete
        self._lose(refetched, "complete and fetched again")
        torn = invariants.torn(self.node)
        assert not torn, f"left behind: {torn}"
        mark = self.proxy.mark()
        third = self.pin(self.goal)
        assert third.rc == 0
        assert set(third.changed().values()) == {0}, "the third run changed something"
        assert not self.proxy.paths(mark), "the third run asked the registry"

    def _wait_for_turn(self) -> None:
        """Let a module whose controller is gone work to its end; a run that comes earlier is told so.

        A link that stood still makes that take as long as a stall may, and not for ever.
        """
        free = ["flock", "--nonblock", f"{os.path.dirname(JOURNAL)}/turn", "true"]
        wait_for(
            lambda: self.node.exec(free, check=False).returncode == 0,
            "the run that goes on to let go of the node",
            seconds=300,
        )

    def _check_room(self) -> None:
        """See that torn work takes no room: both sets take the same."""
        self._tidy(self.goal)
        if self.goal != _NONE:
            more = invariants.room_used(self.node) - self._room
            assert more < _ROOM_SLACK, f"{more} bytes are taken by nothing"

    def _complete_blobs(self) -> set[str]:
        """The digests of the layers of all images that the node has whole."""
        names = invariants.present(self.node)
        whole = [image for image in self.images if image.reference in names]
        return {layer.digest for image in whole for layer in image.platform().layers}

    def _lock(self, name: str) -> Path:
        path = self.fleet.work / f"{name}.lock.json"
        sets = [str(self.fleet.set_file(name, self.of_set(name)))]
        assert self.fleet.lock(sets, path).rc == 0
        return path


def any_time(act: Callable[[Site, Running], None]) -> Callable[[Site, Running], None]:
    """Have it happen some time in the run, whatever that does then."""

    def amid(site: Site, running: Running) -> None:
        site.sleep(0, _LONGEST, running)
        act(site, running)

    return amid


def _ended(running: Running) -> Run:
    """Wait for the end of a run, and end it when that takes too long."""
    try:
        running.process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(running.process.pid, signal.SIGKILL)
        run = running.wait()
        print(run.output)
        raise AssertionError(f"the run did not end in {_PATIENCE} s") from None
    return running.wait()


def _check_run(run: Run, fault: Fault, node: str) -> None:
    assert fault.whole is None or fault.whole == (run.rc == 0)
    assert fault.said in run.output
    if fault.cause:
        causes = {one["cause"] for one in run.node(node)["images"] if one["outcome"] == "failed"}
        assert causes == {fault.cause}


def _payload() -> payload.Payload:
    base = LayerSpec("fault-base", files=20, size=2 * MIB)
    own = [LayerSpec(f"fault-{number}", files=10, size=3 * MIB) for number in range(_COUNT)]
    images = [
        payload.ImageSpec(f"faults/app-{number}", (base, layer)) for number, layer in enumerate(own)
    ]
    return payload.Payload("faults", tuple(images))


def _behind(proxy: Proxy, image: PushedImage) -> PushedImage:
    """The image under the proxy's name."""
    return replace(image, name=f"{proxy.address}/{image.repository}")


def _is_other(image: Mapping[str, object], kept: set[str]) -> bool:
    names = image["repoDigests"]
    assert isinstance(names, list)
    return not image["repoTags"] and not kept & set(names)


def _command(process: Process) -> str:
    try:
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return words.replace(b"\0", b" ").decode(errors="replace") + " "
