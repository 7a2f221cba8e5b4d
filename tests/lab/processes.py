"""Processes that outlive the one that started them, known by pid and start time.

A pid alone may have been given to somebody else since; together with the start time, in clock
ticks since boot, it cannot.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .commands import LabError

Answer = TypeVar("Answer")

# Writes its own record and joins its cgroups before it becomes the program: there is no moment
# at which the program runs and nobody could find it.
_LAUNCHER = """
set -eu
cat "/proc/$$/stat" >"$1"
log=$2
errors=$3
shift 3
while [ "$1" != -- ]; do
    echo "$$" >"$1/cgroup.procs"
    shift
done
shift
exec "$@" >>"$log" 2>>"$errors"
"""


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for another one."""

    pid: int
    started: int

    @classmethod
    def recorded(cls, record: Path) -> Process | None:
        """The process that wrote this record; None when it did not get that far."""
        return _parse(record)

    @property
    def alive(self) -> bool:
        """Whether it still runs; one that waits to be reaped does not."""
        stat = Path(f"/proc/{self.pid}/stat")
        return _parse(stat) == self and _state(stat) != "Z"

    def kill(self) -> None:
        """End it at once."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Collect it when it was our child; otherwise that is somebody else's duty."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)


def launch(
    argv: Sequence[str | Path],
    *,
    record: Path,
    log: Path,
    errors: Path,
    cgroups: Iterable[Path] = (),
) -> Process:
    """Start a program that lives on after this process, in its own session."""
    words = [record, log, errors, *cgroups, "--", *argv]
    record.unlink(missing_ok=True)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", _LAUNCHER, "launch", *map(str, words)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(errors), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return wait_for(lambda: Process.recorded(record), f"{argv[0]} to start", seconds=10)


def of_namespace(inode: int) -> list[Process]:
    """Every process whose network namespace this is."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "ns/net").stat().st_ino == inode and (process := _parse(entry / "stat")):
                found.append(process)
    return found


def is_init(process: Process) -> bool:
    """Whether it is process 1 of a pid namespace right below ours: a pod's lie one further down."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return len(numbers) == 2 and numbers[-1] == "1"
    return False


def wait_for(probe: Callable[[], Answer | None], what: str, *, seconds: float) -> Answer:
    """Ask until the answer is true, and return it; LabError when the time is over."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.02)
    return answer


def _parse(stat: Path) -> Process | None:
    try:
        text = stat.read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    # Numbering as in proc(5): the state is field 3, the start time field 22.
    if len(fields) < 20:
        return None
    return Process(int(text.split(maxsplit=1)[0]), int(fields[19]))


def _state(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
