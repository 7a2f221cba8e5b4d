# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The port through which every effect on a node passes: programs, files, filesystems, time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass
from typing import Any, ContextManager, Iterator, Protocol, Sequence

from ..errors import EdgefleetError
from ..observed.filesystem import Filesystem, parse_mount_of
from ..observed.found_file import DIRECTORY, FILE, LINK, OTHER, FoundFile

# Where our own files lie: the journal and what is being validated. Nothing else reads there.
STATE_DIRECTORY = "/var/lib/edgefleet-crio"
_LOCK_INTERVAL = 0.2
# How much of a holder's note is read, in bytes.
_NOTE_MAX = 1000
# Programs of the system lie there also where a login shell's PATH lacks them (sudo, cron).
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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


class Host(Protocol):
    """What the core asks of a node. Paths are absolute; errors are :class:`HostError`."""

    def find_program(self, name: str) -> str | None:
        """Return the path of a program, or None."""

    def run(self, argv: Sequence[str], timeout: float | None = None, stdin: str = "") -> Completed:
        """Run a program to its end; ``timeout`` in seconds, at which it is ended with rc 124."""

    def is_root(self) -> bool:
        """Say whether programs run as root."""

    def who(self) -> str:
        """Return in words which process this is, of whom and from where."""

    def exclusive(
        self, path: str, note: str, patience: float, problem: str
    ) -> ContextManager[None]:
        """Hold the lock of ``path`` in a ``with``; ``note`` tells those who want it who has it.

        It goes with the process, however that ends. After ``patience`` seconds without it the
        error is that of ``problem``, with the holder's note.
        """

    def machine(self) -> str:
        """Return the machine as ``uname -m`` names it."""

    def exists(self, path: str) -> bool:
        """Say whether something is at ``path``; a dangling link counts as something."""

    def read(self, path: str) -> str | None:
        """Return a file's text (UTF-8, odd bytes as escapes), or None when there is none."""

    def found(self, path: str) -> FoundFile:
        """Return what lies at ``path`` itself: a link is not followed."""

    def files_below(self, directory: str) -> tuple[str, ...]:
        """Return every file below ``directory``, in lexical order of each level."""

    def write_atomic(self, path: str, text: str, mode: int, scratch: str) -> None:
        """Put ``text`` at ``path`` in one step, by way of the file ``scratch``; make its folder.

        Both lie on one filesystem, and no daemon reads where ``scratch`` lies. Owner and group
        become those of the process.
        """

    def append(self, path: str, text: str) -> None:
        """Append ``text`` in one write and wait until it is on disk; makes missing folders."""

    def copy_tree(self, source: str, target: str) -> None:
        """Copy a folder to ``target``, which is replaced; none at ``source`` is copied as empty."""

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all below it; nothing there is fine."""

    def filesystem(self, path: str) -> Filesystem:
        """Return the filesystem on which ``path``, or its nearest existing parent, lies."""

    def sync(self) -> None:
        """Wait until all that was written is on its disk."""

    def now(self) -> float:
        """Return the seconds since the epoch."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


def require_root(host: Host, problem: str) -> None:
    """Refuse to go on as another user: CRI-O's socket, store and configuration are root's.

    :raises HostError: when programs do not run as root.
    """
    if not host.is_root():
        raise HostError(problem, "this needs root", "Set become: true.")


class LocalHost:
    """The machine that this process runs on."""

    def find_program(self, name: str) -> str | None:
        """See :meth:`Host.find_program`."""
        return shutil.which(name, path=os.environ.get("PATH", "") + ":" + _SYSTEM_PATH)

    def run(self, argv: Sequence[str], timeout: float | None = None, stdin: str = "") -> Completed:
        """See :meth:`Host.run`."""
        return run_program(argv, timeout, stdin)

    def is_root(self) -> bool:
        """See :meth:`Host.is_root`."""
        return os.geteuid() == 0

    def who(self) -> str:
        """See :meth:`Host.who`."""
        environment = os.environ
        user = environment.get("SUDO_USER") or environment.get("USER") or f"uid {os.getuid()}"
        client = environment.get("SSH_CONNECTION", "").partition(" ")[0]
        return f"process {os.getpid()} of {user}" + (f" from {client}" if client else "")

    @contextlib.contextmanager
    def exclusive(self, path: str, note: str, patience: float, problem: str) -> Iterator[None]:
        """See :meth:`Host.exclusive`."""
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise HostError(problem, str(error.strerror)) from None
        try:
            self._lock(descriptor, patience, problem)
            # The note is for people; on a full disk the lock holds without it.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, note.encode("utf-8"), 0)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, patience: float, problem: str) -> None:
        deadline = self.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.monotonic() < deadline:
                    self.sleep(_LOCK_INTERVAL)
                    continue
                holder = text_of(os.pread(descriptor, _NOTE_MAX, 0))
                raise HostError(
                    problem, f"another run holds this node ({holder})", "Wait for it, or end it."
                ) from None
            return

    def machine(self) -> str:
        """See :meth:`Host.machine`."""
        return platform.machine()

    def exists(self, path: str) -> bool:
        """See :meth:`Host.exists`."""
        return os.path.lexists(path)

    def read(self, path: str) -> str | None:
        """See :meth:`Host.read`."""
        try:
            with open(path, encoding="utf-8", errors="backslashreplace") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise HostError(f"reading {path}", str(error.strerror)) from None

    def found(self, path: str) -> FoundFile:
        """See :meth:`Host.found`."""
        try:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode):
                return FoundFile(_kind(status.st_mode))
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
        """See :meth:`Host.files_below`."""
        found = [
            os.path.join(folder, name)
            for folder, _folders, names in os.walk(directory)
            for name in names
        ]
        return tuple(sorted(found, key=lambda path: path.split("/")))

    def write_atomic(self, path: str, text: str, mode: int, scratch: str) -> None:
        """See :meth:`Host.write_atomic`."""
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            descriptor = os.open(
                scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode
            )
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.replace(scratch, path)
            _sync_folder(os.path.dirname(path))
        except OSError as error:
            self.remove(scratch)
            raise HostError(f"writing {path}", str(error.strerror)) from None

    def append(self, path: str, text: str) -> None:
        """See :meth:`Host.append`."""
        try:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            created = not os.path.lexists(path)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            try:
                rest = text.encode("utf-8")
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if created:
                _sync_folder(os.path.dirname(path))
        except OSError as error:
            raise HostError(f"writing {path}", str(error.strerror)) from None

    def copy_tree(self, source: str, target: str) -> None:
        """See :meth:`Host.copy_tree`."""
        self.remove(target)
        try:
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            if os.path.isdir(source):
                shutil.copytree(source, target)
            else:
                os.mkdir(target, 0o700)
        except (OSError, shutil.Error) as error:
            raise HostError(f"copying {source}", str(error)) from None

    def remove(self, path: str) -> None:
        """See :meth:`Host.remove`."""
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise HostError(f"removing {path}", str(error.strerror)) from None

    def filesystem(self, path: str) -> Filesystem:
        """See :meth:`Host.filesystem`."""
        nearest = path
        while not os.path.exists(nearest) and nearest != "/":
            nearest = os.path.dirname(nearest)
        try:
            room, device = os.statvfs(nearest), os.stat(nearest).st_dev
        except OSError as error:
            raise HostError(f"measuring the filesystem of {path}", str(error.strerror)) from None
        mount = parse_mount_of(self.read("/proc/self/mountinfo") or "", os.path.realpath(nearest))
        return Filesystem(
            path=path,
            device=device,
            total_bytes=room.f_blocks * room.f_frsize,
            available_bytes=room.f_bavail * room.f_frsize,
            inodes_total=room.f_files,
            inodes_free=room.f_ffree,
            kind=mount.kind,
            mount_point=mount.point,
        )

    def sync(self) -> None:
        """See :meth:`Host.sync`."""
        os.sync()

    def now(self) -> float:
        """See :meth:`Host.now`."""
        return time.time()

    def monotonic(self) -> float:
        """See :meth:`Host.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See :meth:`Host.sleep`."""
        time.sleep(seconds)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return LINK
    return DIRECTORY if stat.S_ISDIR(mode) else OTHER


def run_program(
    argv: Sequence[str], timeout: float | None = None, stdin: str = "", folder: str | None = None
) -> Completed:
    """Run a program of this machine; see :meth:`Host.run`."""
    try:
        ended = subprocess.run(
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
    """Return the environment of programs whose messages are read: in English."""
    return {**os.environ, "LC_ALL": "C", "LANGUAGE": ""}


def text_of(output: bytes | None) -> str:
    """Return a program's output as text, odd bytes as escapes."""
    return (output or b"").decode("utf-8", errors="backslashreplace")


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
