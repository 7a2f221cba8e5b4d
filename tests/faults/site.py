# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node of the suite, the work that is disturbed, and the two runs that must mend it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from fleet import Fleet, Run, Running
from lab import MIB, Lab, Node, payload
from lab.oci import LayerSpec
from lab.payload import PushedImage
from lab.processes import Process, of_namespace, wait_for
from lab.registry import NAMESPACE

from . import invariants
from .proxy import Proxy
from .sampling import Sampler

# Two sets that share half of their images: whichever a node has, the other one is the next work.
_COUNT = 9
_NONE = "none"
_SETS = {"old": slice(0, 6), "new": slice(3, 9), _NONE: slice(0, 0)}
_BITS_PER_SECOND = 20_000_000


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a case.

    `around` is in force while the disturbed run runs, and what lasts is lifted at its end; `amid` acts
    once the run has begun. `whole` is whether that run must succeed, must fail, or may do either;
    `cause` is the class that it must name for the images that it failed to pull, `said` what its output
    must say. With `loses` the fault itself may take images away, with `slow` pulls take seconds, with
    `unpins` the work is to unpin all.
    """

    name: str
    amid: Callable[[Site, Running], None] = lambda _site, _running: None
    around: Callable[[Site], AbstractContextManager[None]] = lambda _site: nullcontext()
    whole: bool | None = None
    cause: str = ""
    said: str = ""
    loses: bool = False
    slow: bool = False
    unpins: bool = False
    variables: Mapping[str, object] = field(default_factory=dict)
    short: bool = False

    def __str__(self) -> str:
        """Its name, as the id of a case."""
        return self.name


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
        self.came_from = self.goal = ""

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

    def start(self, name: str, **variables: object) -> Running:
        """Start a run for a set."""
        if name == _NONE:
            return self.fleet.start("unpin_images", **variables)
        return self.fleet.start("pin-images", pin_images_lock=str(self.locks[name]), **variables)

    def pin(self, name: str) -> Run:
        """Run for a set, to its end."""
        run = self.start(name).wait()
        print(run.output)
        assert "Traceback" not in run.output
        return run

    def survive(self, fault: Fault) -> None:
        """Do work, disturb it, check what must hold, mend it, and see that it stays."""
        self.random.seed(f"{self.seed} {fault}")
        self._settle(fault)
        kept = self.references(self.came_from) & self.references(self.goal)
        print(f"{fault} (seed {self.seed}): from {self.came_from} to {self.goal}", flush=True)
        journal = invariants.journal_lines(self.node)
        with Sampler(self.node, kept) as sampler:
            run = self._disturbed(fault)
            invariants.check_files(self, self.node)
            pulled = invariants.pulled(self.node, journal) & self.references(self.goal)
            has_images = not fault.loses or run.rc == 0
            invariants.check_images(self.node, kept, pulled, has_images=has_images)
            _check_run(run, fault, self.node.name)
            self._mend()
        sampler.check(lost=fault.loses)
        self._has = self.goal

    def _settle(self, fault: Fault) -> None:
        """Know what the node has, by whatever it takes, with no other image there."""
        if self._has is None:
            self.fleet.reset()
            assert self.pin("old").rc == 0
            self._has = "old"
        kept = self.references(self._has)
        others = [one["id"] for one in self.node.images() if _is_other(one, kept)]
        if others:
            self.node.exec(["crictl", "rmi", *others])
        self.came_from = self._has
        self.goal = _NONE if fault.unpins else "new" if self._has == "old" else "old"
        self._has = None

    def _disturbed(self, fault: Fault) -> Run:
        with fault.around(self), self._link(fault):
            running = self.start(self.goal, **fault.variables)
            try:
                fault.amid(self, running)
            finally:
                run = running.wait()
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
        yield
        if fault.slow:
            self.lab.network.unlimit(NAMESPACE)

    def _mend(self) -> None:
        """Run again without any flag, and once more: whole, nothing complete fetched, then still."""
        complete = self._complete_blobs()
        mark = self.proxy.mark()
        again = self.pin(self.goal)
        assert again.rc == 0, "the next run did not mend it"
        assert self.references(self.goal) <= self.node.pinned()
        refetched = self.proxy.blobs_served(mark) & complete
        assert not refetched, f"fetched although complete: {refetched}"
        mark = self.proxy.mark()
        third = self.pin(self.goal)
        assert third.rc == 0
        assert set(third.changed().values()) == {0}, "the third run changed something"
        assert not self.proxy.paths(mark), "the third run asked the registry"

    def _complete_blobs(self) -> set[str]:
        """The digests of the layers of all images that the node has whole."""
        names = {name for image in self.node.images() for name in image["repoDigests"]}
        whole = [image for image in self.images if image.reference in names]
        return {layer.digest for image in whole for layer in image.platform().layers}

    def _lock(self, name: str) -> Path:
        path = self.fleet.work / f"{name}.lock.json"
        sets = [str(self.fleet.set_file(name, self.of_set(name)))]
        assert self.fleet.lock(sets, path).rc == 0
        return path


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


def _is_other(image: Mapping[str, object], kept: frozenset[str]) -> bool:
    names = image["repoDigests"]
    assert isinstance(names, list)
    return not image["repoTags"] and not kept & set(names)


def _command(process: Process) -> str:
    try:
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return words.replace(b"\0", b" ").decode(errors="replace") + " "
