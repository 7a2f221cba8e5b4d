# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a node and which files it has open, as ``/proc`` says it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .answer import UnreadableAnswer

# proc(5): the name is in parentheses and may hold any character, parentheses too. After it comes
# the third field; the 22nd is when the process started, in clock ticks after the boot.
_STAT_PATTERN = re.compile(r"\d+ \((.*)\) (.*)", re.DOTALL)
_STARTED = 22 - 3
_POSITION_PATTERN = re.compile(r"^pos:\s*(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class RunningProcess:
    """A process; ``started`` is in seconds since the epoch, on the clock as it goes now."""

    pid: int
    name: str
    started: float


@dataclass(frozen=True)
class OpenFile:
    """A file that a process has open; ``position`` is up to where it has read or written it."""

    path: str
    pid: int
    descriptor: int
    position: int


def parse_process(pid: int, text: str, booted: float, ticks: int) -> RunningProcess:
    """Parse ``/proc/<pid>/stat``.

    :param booted: when the machine booted, in seconds since the epoch.
    :param ticks: clock ticks in a second.
    :raises UnreadableAnswer: when it is something else.
    """
    match = _STAT_PATTERN.match(text)
    try:
        if match:
            started = int(match.group(2).split()[_STARTED])
            return RunningProcess(pid, match.group(1), booted + started / ticks)
    except (IndexError, ValueError):
        pass
    raise UnreadableAnswer(f"reading /proc/{pid}/stat", f"{text[:200]!r} is not of its form")


def parse_position(fdinfo: str) -> int:
    """Return ``pos`` of ``/proc/<pid>/fdinfo/<descriptor>``; 0 when it is gone."""
    match = _POSITION_PATTERN.search(fdinfo)
    return int(match.group(1)) if match else 0
