# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node loses CRI-O, crictl, its power or its memory in the middle of pulls, or has a wrong clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import parse_drop_in
from fleet import DROP_IN, Run, Running, has_file
from lab.processes import wait_for

from .deaths import INTERPRETER, Death, halting, is_halted
from .fault import Fault, anything
from .proxy import Mood
from .site import Site, any_time

_MEMORY = Path("/sys/fs/cgroup/memory")
_MEMORY_LIMIT = 512 * 1024
# Our Python, with a clock of its own. Not by libfaketime: 0.9.10 breaks all waits of Python 3.11, which
# name moments of the monotonic clock.
_CLOCKED = "/usr/local/libexec/clocked-python"
_CLOCKED_TEXT = """#!/bin/sh
export PYTHONPATH=/usr/local/lib/clocked
exec /usr/bin/python3 "$@"
"""
_CLOCK = "/usr/local/lib/clocked/sitecustomize.py"
_CLOCK_TEXT = """import time
_right = time.time
time.time = lambda: _right() + {}
"""
_DAY = 86400
_RANDOM_TIMES = 4


def kill_crio(site: Site, running: Running) -> None:
    """End CRI-O; systemd starts it again after a while."""
    site.wait_for_pull()
    site.sleep(0, 2, running)
    _kill_crio_now(site, running)


def kill_crictl(site: Site, running: Running) -> None:
    """End the clients of the pulls that are in flight."""
    site.wait_for_pull()
    site.sleep(0, 1, running)
    for process in site.wait_for_pull():
        process.kill()


def cut_power(site: Site, running: Running) -> None:
    """Cut the power, and turn it on again."""
    site.wait_for_pull()
    site.sleep(0, 2, running)
    _cut_power_now(site, running)


def _kill_crio_now(site: Site, _running: Running) -> None:
    for process in site.processes("/usr/bin/crio "):
        process.kill()


def _cut_power_now(site: Site, _running: Running) -> None:
    site.node.power_cut()
    site.node.start()


def _cut_after(
    name: str, turn: int, nth: int, is_there: Callable[[Site], bool], *, unpins: bool = False
) -> Fault:
    """Cut the power once the drop-in is as it shall be, before anything else of ours is on a disk."""
    # The journal's line after it, the n-th that is written; it halts before it waits for the disk.
    halt = Death("crio_pinned_file", turn, "write", nth, "STOP")

    def amid(site: Site, running: Running) -> None:
        wait_for(lambda: is_halted(site.node), "our Python to halt", seconds=60)
        _cut_power_now(site, running)

    def after(site: Site, _run: Run) -> None:
        assert is_there(site)

    return Fault(
        f"power-cut-after-{name}",
        amid=amid,
        around=lambda site: halting(site, halt),
        after=after,
        takes=anything,
        tears=not unpins,
        whole=False,
        unpins=unpins,
        variables={"ansible_python_interpreter": INTERPRETER},
    )


def _pins(site: Site) -> frozenset[str]:
    """What the drop-in lists."""
    return frozenset(parse_drop_in(site.node.read(DROP_IN)) or ())


@contextmanager
def without_pods(site: Site) -> Iterator[None]:
    """Have no pod, as after a kubelet's graceful shutdown; ours would not end by itself."""
    site.remove_pods()
    yield


def reboot(site: Site, running: Running) -> None:
    """Reboot, as systemctl does it."""
    site.wait_for_pull()
    site.sleep(0, 2, running)
    site.node.reboot()


def run_out_of_memory(site: Site, running: Running) -> None:
    """Leave our Python, and what it starts from now on, no memory: the kernel kills one of them."""
    site.wait_for_pull()
    ours = site.processes("/usr/bin/python3 ")
    group = _memory_group(ours[0].pid)
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(_MEMORY_LIMIT))
    for process in ours:
        (group / "cgroup.procs").write_text(str(process.pid))
    wait_for(
        lambda: "oom_kill 0" not in (group / "memory.oom_control").read_text(), "OOM", seconds=60
    )
    running.process.wait()
    wait_for(lambda: not (group / "cgroup.procs").read_text(), "its processes to end", seconds=60)
    group.rmdir()


def _memory_group(pid: int) -> Path:
    """Return a cgroup below that of a process."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers == "memory":
            return _MEMORY / path.lstrip("/") / "no-memory"
    raise AssertionError("this kernel has no memory controller of version 1")


def clock(offset: int) -> Callable[[Site], AbstractContextManager[None]]:
    """Let our Python on the node have a clock that is off by so many seconds."""

    @contextmanager
    def around(site: Site) -> Iterator[None]:
        site.node.write(_CLOCKED, _CLOCKED_TEXT, 0o755)
        site.node.write(_CLOCK, _CLOCK_TEXT.format(offset))
        said = site.node.exec([_CLOCKED, "-c", "import time; print(time.time())"]).stdout
        assert abs(float(said) - time.time()) > _DAY / 2
        yield

    return around


def _clock(name: str, offset: int) -> Fault:
    return Fault(
        name,
        around=clock(offset),
        whole=True,
        variables={"ansible_python_interpreter": _CLOCKED},
    )


def kill_stalled_python(site: Site, _running: Running) -> None:
    """Kill our Python once the registry stalls; its pulls are still there."""
    wait_for(lambda: site.proxy.has_stalled, "the registry to stall", seconds=60)
    site.wait_for_pull()
    for process in site.processes("/usr/bin/python3"):
        process.kill()


def _stalled_and_killed(name: str, *, lifts: bool) -> Fault:
    """What has stalled goes on after the run, or never does; what is asked for then is answered."""
    mood = Mood(name=name, where="/blobs/", stall_after=100_000, lifts=lifts)
    return Fault(
        name,
        amid=kill_stalled_python,
        around=lambda site: site.proxy.mood(mood),
        whole=False,
        # A restart would end the pulls that nobody waits for.
        next_run_first=True,
    )


FAULTS = [
    Fault("kill-crio", amid=kill_crio, takes=anything, slow=True, short=True),
    Fault("kill-crictl", amid=kill_crictl, slow=True),
    Fault(
        "power-cut", amid=cut_power, takes=anything, tears=True, whole=False, slow=True, short=True
    ),
    _cut_after("staging", 1, 4, lambda site: _pins(site) == anything(site)),
    _cut_after("committing", 2, 4, lambda site: _pins(site) == site.references(site.goal)),
    _cut_after("unpinning", 1, 2, lambda site: not has_file(site.node, DROP_IN), unpins=True),
    Fault("reboot", amid=reboot, around=without_pods, whole=False, slow=True),
    Fault("out-of-memory", amid=run_out_of_memory, whole=False, slow=True),
    _stalled_and_killed("stall-lifted-kill-python", lifts=True),
    _stalled_and_killed("stall-kill-python", lifts=False),
    *(
        Fault(
            f"{name}-at-random-{number}",
            amid=any_time(act),
            takes=anything,
            tears=act is _cut_power_now,
            kind=f"{name} any time",
        )
        for name, act in (("kill-crio", _kill_crio_now), ("power-cut", _cut_power_now))
        for number in range(1, _RANDOM_TIMES + 1)
    ),
    _clock("clock-a-day-ahead", _DAY),
    _clock("clock-a-day-behind", -_DAY),
]


def test_node(site: Site, fault: Fault) -> None:
    """Nothing is lost but what the fault took, and the next run finishes the work."""
    site.survive(fault)
