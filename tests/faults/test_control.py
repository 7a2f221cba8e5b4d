# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control side is killed, interrupted or doubled while nodes pull."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from fleet import Run, Running

from .fault import Fault
from .site import Site, any_time

_RANDOM_TIMES = 4
_HOLDER = "pull images, since 2026-01-01T00:00:00Z, process 1 of somebody"
# How a run names the one that it waited for in vain, or that had the last word on the pins.
_TIME = r"\d{4}-\d\d-\d\dT[\d:]+Z"
_HELD = re.compile(
    rf"another run holds this node \([\w -]+, since {_TIME}, process \d+ of "
    rf"|as a run left it at {_TIME}"
)
# Holds our turn on a node as another run would; the process that is killed at its end is its own.
_HOLD = """
import fcntl, os, sys, time
turn = os.open("/var/lib/edgefleet-crio/turn", os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(turn, fcntl.LOCK_EX)
os.ftruncate(turn, 0)
os.pwrite(turn, sys.argv[1].encode(), 0)
if os.fork():
    sys.exit()
os.closerange(0, 3)
time.sleep(600)
"""


def kill_ansible(site: Site, running: Running) -> None:
    """End ansible-playbook; its workers and what they began on the nodes go on for a while."""
    site.wait_for_pull()
    site.sleep(0, 2, running)
    _kill_ansible_now(site, running)


def _kill_ansible_now(_site: Site, running: Running) -> None:
    running.process.kill()


def interrupt(site: Site, running: Running) -> None:
    """Press Ctrl-C."""
    site.wait_for_pull()
    site.sleep(0, 2, running)
    os.killpg(running.process.pid, signal.SIGINT)


def kill_ssh(site: Site, running: Running) -> None:
    """End every ssh client of the run, those that hold its connections too."""
    site.wait_for_pull()
    site.sleep(0, 2, running)
    clients = site.ssh_clients()
    assert clients
    for client in clients:
        client.kill()


def second_run(site: Site, running: Running) -> None:
    """Start the same run a second time; it waits for the first one's steps."""
    site.wait_for_pull()
    site.sleep(0, 2, running)
    second = site.start(site.goal).wait()
    print(second.output)
    assert second.rc == 0


def opposite_run(site: Site, running: Running) -> None:
    """Start a run for what the nodes had; either may win, and neither unpins what both want.

    Each takes turns with the other one, or says who holds the node, or who had it last.
    """
    site.wait_for_pull()
    site.sleep(0, 2, running)
    second = site.start(site.came_from).wait()
    print(second.output)
    waited_or_said(site, second)


def waited_or_said(_site: Site, run: Run) -> None:
    """See that one of two runs is whole, or said who holds the node, or had it last, and when."""
    assert run.rc == 0 or _HELD.search(run.output), "neither whole nor told who had the node"


@contextmanager
def held(site: Site) -> Iterator[None]:
    """Let another run hold the node for longer than anybody waits."""
    site.node.exec(["python3", "-c", _HOLD, _HOLDER])
    try:
        yield
    finally:
        (holder,) = site.processes("/var/lib/edgefleet-crio/turn", _HOLDER)
        holder.kill()


FAULTS = [
    Fault("kill-ansible", amid=kill_ansible, whole=False, slow=True, short=True),
    *(
        Fault(
            f"kill-ansible-at-random-{number}",
            amid=any_time(_kill_ansible_now),
            kind="kill-ansible any time",
        )
        for number in range(1, _RANDOM_TIMES + 1)
    ),
    Fault("interrupt", amid=interrupt, whole=False, slow=True),
    Fault("kill-ssh", amid=kill_ssh, slow=True),
    Fault("two-with-one-lock", amid=second_run, whole=True, slow=True),
    Fault("two-with-two-locks", amid=opposite_run, after=waited_or_said, slow=True),
    Fault("held-by-another", around=held, whole=False, said=_HOLDER),
]


def test_control_side(site: Site, fault: Fault) -> None:
    """Nothing is lost, and the next run finishes the work."""
    site.survive(fault)
