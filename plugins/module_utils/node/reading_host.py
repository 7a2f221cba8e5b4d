# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a machine without changing it: the port, and the machine that this runs on.

Apart from ``host``, because a look at a node needs no more, and every run uploads it to every node.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
import subprocess  # nosec B404 # lists of arguments only, never a shell
import time
from dataclasses import dataclass
from typing import Any, Protocol, Sequence

from ..errors import EdgefleetError
from ..observed.found_file import DIRECTORY, FILE, LINK, OTHER, FoundFile

# Where our own files lie: the journal and what is being validated. Nothing else reads there.
STATE_DIRECTORY = "/var/lib/edgefleet-crio"
# Programs of the system lie there also where a login shell's PATH lacks them (sudo, cron).
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# For Go's runtime. crictl, crio and skopeo wait more than they work, and are started for each image or
# look: without threads for each core, and without collecting what its start has left, crictl takes
# 13 ms instead of 17, crio 29 instead of 40, and skopeo 17 instead of 22 for a manifest. crictl uses
# 4 MB of its heap; from ten times that on, it collects.
_GO = {"GOMAXPROCS": "1", "GOGC": "1000"}


class HostError(EdgefleetError):
    """A file that could not be read or written, or a program that is not there."""


class CommandFailed(EdgefleetError):
    """A program that ended with a failure."""

    def __init__(self, problem: str, cause: str, needed: str, completed: Completed) -> None:
        super().__init__(problem, cause, needed)
        self._completed = completed

    def details(self) -> dict[str, Any]:
        """Return the program's arguments, return code and output."""
        return {
            "cmd": list(self._completed.argv),
            "rc": self._completed.rc,
            "stdout": self._completed.stdout,
            "stderr": self._completed.stderr,
        }


@dataclass(frozen=True)
class Completed:
    """A program that has ended: its arguments, return code and output as text."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str


class ReadingHost(Protocol):
    """What a look asks of a node. Paths are absolute; errors are :class:`HostError`."""

    def find_program(self, name: str) -> str | None:
        """Return the path of a program, or None."""

    def run(self, argv: Sequence[str], timeout: float | None = None, stdin: str = "") -> Completed:
        """Run a program to its end; ``timeout`` in seconds, at which it is ended with rc 124."""

    def is_root(self) -> bool:
        """Say whether programs run as root."""

    def machine(self) -> str:
        """Return the machine as ``uname -m`` names it."""

    def exists(self, path: str) -> bool:
        """Say whether something is at ``path``; a dangling link counts as something."""

    def read(self, path: str) -> str | None:
        """Return a file's text (UTF-8, odd bytes as escapes), or None when there is none."""

    def found(self, path: str) -> FoundFile:
        """Return what lies at ``path`` itself: a link is not followed."""

    def files_below(self, directory: str) -> tuple[str, ...]:
        """Return every file below ``directory``, in lexical order of each level.

        A link counts as a file wherever it leads, as Go's filepath.Walk has it.
        """

    def now(self) -> float:
        """Return the seconds since the epoch."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


def require_root(host: ReadingHost, problem: str) -> None:
    """Refuse to go on as another user: CRI-O's socket, store and configuration are root's.

    :raises HostError: when programs do not run as root.
    """
    if not host.is_root():
        raise HostError(problem, "this needs root", "Set become: true.")


class LocalReader:
    """The machine that this process runs on, as a :class:`ReadingHost`."""

    def find_program(self, name: str) -> str | None:
        """See :meth:`ReadingHost.find_program`."""
        return shutil.which(name, path=os.environ.get("PATH", "") + ":" + _SYSTEM_PATH)

    def run(self, argv: Sequence[str], timeout: float | None = None, stdin: str = "") -> Completed:
        """See :meth:`ReadingHost.run`."""
        return run_program(argv, timeout, stdin)

    def is_root(self) -> bool:
        """See :meth:`ReadingHost.is_root`."""
        return os.geteuid() == 0

    def machine(self) -> str:
        """See :meth:`ReadingHost.machine`."""
        return platform.machine()

    def exists(self, path: str) -> bool:
        """See :meth:`ReadingHost.exists`."""
        return os.path.lexists(path)

    def read(self, path: str) -> str | None:
        """See :meth:`ReadingHost.read`."""
        try:
            # A pipe in the place of a file would block for ever: it reads as empty.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(descriptor, encoding="utf-8", errors="backslashreplace") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise HostError(f"reading {path}", str(error.strerror)) from None

    def found(self, path: str) -> FoundFile:
        """See :meth:`ReadingHost.found`."""
        try:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode):
                return FoundFile(kind_of(status.st_mode))
            # Between the two calls the file may have become a link, or a pipe that blocks.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with os.fdopen(os.open(path, flags), "rb") as stream:
                status = os.fstat(stream.fileno())
                text = text_of(stream.read())
        except (FileNotFoundError, NotADirectoryError):
            return FoundFile()
        except OSError as error:
            raise HostError(f"reading {path}", str(error.strerror)) from None
        return FoundFile(FILE, text, stat.S_IMODE(status.st_mode), status.st_uid)

    def files_below(self, directory: str) -> tuple[str, ...]:
        """See :meth:`ReadingHost.files_below`."""
        found = [
            os.path.join(folder, name)
            for folder, folders, names in os.walk(directory)
            for name in (*names, *(one for one in folders if _is_link(folder, one)))
        ]
        return tuple(sorted(found, key=lambda path: path.split("/")))

    def now(self) -> float:
        """See :meth:`ReadingHost.now`."""
        return time.time()

    def monotonic(self) -> float:
        """See :meth:`ReadingHost.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See :meth:`ReadingHost.sleep`."""
        time.sleep(seconds)


def _is_link(folder: str, name: str) -> bool:
    return os.path.islink(os.path.join(folder, name))


def kind_of(mode: int) -> str:
    """Return a file's kind, as found_file names it, from its mode."""
    if stat.S_ISREG(mode):
        return FILE
    if stat.S_ISLNK(mode):
        return LINK
    return DIRECTORY if stat.S_ISDIR(mode) else OTHER


def run_program(
    argv: Sequence[str], timeout: float | None = None, stdin: str = "", folder: str | None = None
) -> Completed:
    """Run a program of this machine; see :meth:`ReadingHost.run`."""
    try:
        ended = subprocess.run(  # nosec B603 # no shell
            list(argv),
            check=False,
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout,
            cwd=folder,
            env=program_environment(),
        )
    except subprocess.TimeoutExpired as expired:
        cause = f"it was ended after {timeout} seconds"
        return Completed(tuple(argv), 124, text_of(expired.stdout), cause)
    except OSError as error:
        raise HostError(f"running {argv[0]}", str(error)) from None
    return Completed(tuple(argv), ended.returncode, text_of(ended.stdout), text_of(ended.stderr))


def program_environment() -> dict[str, str]:
    """Return the environment of programs whose messages are read: in English, and quick to start."""
    return {**_GO, **os.environ, "LC_ALL": "C", "LANGUAGE": ""}


def text_of(output: bytes | None) -> str:
    """Return a program's output as text, odd bytes as escapes."""
    return (output or b"").decode("utf-8", errors="backslashreplace")
