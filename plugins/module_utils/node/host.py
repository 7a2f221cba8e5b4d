# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The port through which every effect on a node passes: programs, files, filesystems, time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import stat
import subprocess  # nosec B404 # lists of arguments only, never a shell
import threading
import time
from typing import ContextManager, Iterator, Mapping, Protocol, Sequence

from ..observed.filesystem import Filesystem
from ..observed.found_file import Entry
from ..observed.process import OpenFile, RunningProcess, parse_position, parse_process
from .filesystems import filesystem_of, remeasured
from .reading_host import (
    Completed,
    HostError,
    LocalReader,
    ReadingHost,
    kind_of,
    program_environment,
    text_of,
)

_LOCK_INTERVAL = 0.2
# How soon a program is ended that shall end, in seconds.
_STOP_INTERVAL = 0.5
# How long a disk may take to write out what was written to it, in seconds.
_SYNC_SECONDS = 60.0
# How long a program that was killed may take to be gone, in seconds: one that waits for a disk does.
_END_SECONDS = 10.0
# How much of a holder's note is read, in bytes.
_NOTE_MAX = 1000
# Opens what lies at a name, a link as such; where there is no O_PATH (macOS) links are refused.
_HANDLE = getattr(os, "O_PATH", os.O_RDONLY)
# As the kernel (MAXSYMLINKS).
_LINKS_MAX = 40


class Host(ReadingHost, Protocol):
    """What the core asks of a node. Paths are absolute; errors are :class:`HostError`.

    What changes something goes to a file by the handle of its folder. A link there is never
    followed, and one on the way only when it belongs to root or to the user of the process.
    """

    def filesystem(self, path: str) -> Filesystem:
        """Return the filesystem on which ``path``, or its nearest existing parent, lies."""

    def remeasured(self, known: Filesystem) -> Filesystem:
        """Return the same one as it is now; where it is mounted is not looked for again.

        That table can have thousands of lines, and costs more than all the rest.
        """

    def run_until(
        self, argv: Sequence[str], stop: threading.Event, settings: Mapping[str, str]
    ) -> Completed:
        """Run a program to its end, or until ``stop`` is set, when it is killed, with rc 124.

        That is done by the handle of the process itself, never by a name or a number. ``settings``
        go into its environment.
        """

    def process_number(self) -> int:
        """Return the number of this process."""

    def processes(self) -> tuple[RunningProcess, ...]:
        """Return what runs on the node."""

    def end_orphans(self, setting: str) -> None:
        """End what others started with ``NAME=value`` in its environment; wait until it is gone.

        What :meth:`run_until` started outlives a process that is killed.
        """

    def open_files(self, parts: Sequence[str]) -> tuple[OpenFile, ...]:
        """Return which files with one of ``parts`` in their paths are open, and how far."""

    def exclusive(
        self, path: str, doing: str, patience: float, problem: str
    ) -> ContextManager[None]:
        """Hold the lock of ``path`` in a ``with``.

        Those who want it are told ``doing``, since when, and which process of whom, and from where
        as far as sudo lets that be known. The lock ends with the process, however that ends. After ``patience`` seconds without it the
        error is that of ``problem``, with the holder's note.
        """

    def entries(self, directory: str) -> tuple[Entry, ...]:
        """Return what lies directly in a folder, by name; links there are not followed.

        A folder that is not there, or is no folder, holds nothing.
        """

    def write_atomic(self, path: str, text: str, mode: int, scratch: str) -> None:
        """Put ``text`` at ``path`` in one step, by way of the file ``scratch``; make its folder.

        Both lie on one filesystem, and no daemon reads where ``scratch`` lies. Owner and group
        become those of the process.
        """

    def append(self, path: str, text: str) -> None:
        """Append ``text`` in one write and wait until it is on disk; makes missing folders."""

    def copy_tree(self, source: str, target: str) -> None:
        """Copy a folder to ``target``, which is replaced; none at ``source`` is copied as empty."""

    def rename(self, path: str, name: str) -> None:
        """Give a file or folder another name in its folder."""

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all below it, for good; nothing there is fine."""

    def remove_empty(self, path: str) -> None:
        """Remove a folder in which nothing is; nothing there is fine."""

    def sync(self, path: str) -> None:
        """Have what was written to the filesystem of ``path`` be on its disk, and wait for a while."""


class LocalHost(LocalReader):
    """The machine that this process runs on, as a :class:`Host`."""

    def filesystem(self, path: str) -> Filesystem:
        """See :meth:`Host.filesystem`."""
        return filesystem_of(path, self.read("/proc/self/mountinfo") or "")

    def remeasured(self, known: Filesystem) -> Filesystem:
        """See :meth:`Host.remeasured`."""
        return remeasured(known)

    def run_until(
        self, argv: Sequence[str], stop: threading.Event, settings: Mapping[str, str]
    ) -> Completed:
        """See :meth:`Host.run_until`."""
        try:
            program = subprocess.Popen(  # nosec B603 # a list of arguments, as in reading_host
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**program_environment(), **settings},
            )
        except OSError as error:
            raise HostError(f"running {argv[0]}", str(error)) from None
        with program:
            try:
                while True:
                    try:
                        stdout, stderr = program.communicate(timeout=_STOP_INTERVAL)
                        break
                    except subprocess.TimeoutExpired:
                        if stop.is_set():
                            program.kill()
            except BaseException:
                program.kill()
                raise
        # One that had ended by itself before the signal came has its own return code.
        rc = 124 if program.returncode == -signal.SIGKILL and stop.is_set() else program.returncode
        return Completed(tuple(argv), rc, text_of(stdout), text_of(stderr))

    def process_number(self) -> int:
        """See :meth:`Host.process_number`."""
        return os.getpid()

    def processes(self) -> tuple[RunningProcess, ...]:
        """See :meth:`Host.processes`."""
        booted = self.now() - time.clock_gettime(time.CLOCK_BOOTTIME)
        ticks = os.sysconf("SC_CLK_TCK")
        texts = ((pid, self._read_of(pid, "stat")) for pid in _process_numbers())
        return tuple(parse_process(pid, text, booted, ticks) for pid, text in texts if text)

    def end_orphans(self, setting: str) -> None:
        """See :meth:`Host.end_orphans`."""
        deadline = self.monotonic() + _END_SECONDS
        while True:
            found = [pid for pid in _process_numbers() if self._is_orphan(pid, setting)]
            if not found or self.monotonic() >= deadline:
                return
            for pid in found:
                # Numbers are not given again within the moment since it was looked at.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.sleep(_LOCK_INTERVAL)

    def _is_orphan(self, pid: int, setting: str) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as stream:
                if setting.encode() not in stream.read().split(b"\0"):
                    return False
        except OSError:
            return False
        return f"\nPPid:\t{os.getpid()}\n" not in self._read_of(pid, "status")

    def open_files(self, parts: Sequence[str]) -> tuple[OpenFile, ...]:
        """See :meth:`Host.open_files`."""
        found = []
        for pid in _process_numbers():
            for number, path in _descriptors(pid):
                if any(part in path for part in parts):
                    position = parse_position(self._read_of(pid, f"fdinfo/{number}"))
                    found.append(OpenFile(path, pid, number, position))
        return tuple(found)

    def _read_of(self, pid: int, name: str) -> str:
        """Return a file of a process; empty when that has ended meanwhile."""
        try:
            return self.read(f"/proc/{pid}/{name}") or ""
        except HostError:
            return ""

    @contextlib.contextmanager
    def exclusive(self, path: str, doing: str, patience: float, problem: str) -> Iterator[None]:
        """See :meth:`Host.exclusive`."""
        deadline = self.monotonic() + patience
        descriptor = self._locked(path, deadline, problem)
        try:
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now()))
            note = f"{doing}, since {since}, {_who()}"
            # It is for people; on a full disk the lock holds without it.
            with contextlib.suppress(OSError):
                written = os.pwrite(descriptor, note.encode("utf-8"), 0)
                os.ftruncate(descriptor, written)
            yield
        finally:
            os.close(descriptor)

    def _locked(self, path: str, deadline: float, problem: str) -> int:
        """Open a file and lock it; one that was removed or replaced meanwhile keeps nobody out."""
        while True:
            try:
                with _folder_of(path, 0o755) as (folder, name):
                    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
                    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
            except OSError as error:
                raise HostError(problem, str(error.strerror)) from None
            try:
                self._lock(descriptor, deadline, problem)
                if _is_at(descriptor, path):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _lock(self, descriptor: int, deadline: float, problem: str) -> None:
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

    def entries(self, directory: str) -> tuple[Entry, ...]:
        """See :meth:`Host.entries`."""
        found = []
        try:
            with os.scandir(directory) as listed:
                for one in listed:
                    # What goes while it is looked at was not there.
                    with contextlib.suppress(FileNotFoundError):
                        found.append(_entry(one.name, one.stat(follow_symlinks=False)))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise HostError(f"reading {directory}", str(error.strerror)) from None
        return tuple(sorted(found, key=lambda one: one.name))

    def write_atomic(self, path: str, text: str, mode: int, scratch: str) -> None:
        """See :meth:`Host.write_atomic`."""
        try:
            with _folder_of(path, 0o755) as (folder, name), _folder_of(scratch) as (aside, new):
                try:
                    _write(aside, new, text, mode)
                    os.replace(new, name, src_dir_fd=aside, dst_dir_fd=folder)
                    _sync(folder)
                except OSError:
                    with contextlib.suppress(OSError):
                        os.unlink(new, dir_fd=aside)
                    raise
        except OSError as error:
            raise HostError(f"writing {path}", str(error.strerror)) from None

    def append(self, path: str, text: str) -> None:
        """See :meth:`Host.append`."""
        try:
            with _folder_of(path, 0o755) as (folder, name):
                flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
                try:
                    descriptor, created = os.open(name, flags, dir_fd=folder), False
                except FileNotFoundError:
                    flags |= os.O_CREAT
                    descriptor, created = os.open(name, flags, 0o600, dir_fd=folder), True
                try:
                    _append_whole(descriptor, text.encode("utf-8"))
                finally:
                    os.close(descriptor)
                if created:
                    _sync(folder)
        except OSError as error:
            raise HostError(f"writing {path}", str(error.strerror)) from None

    def copy_tree(self, source: str, target: str) -> None:
        """See :meth:`Host.copy_tree`."""
        self.remove(target)
        try:
            with _folder_of(target, 0o700) as (folder, name):
                if os.path.isdir(source):
                    shutil.copytree(source, _path_in(folder, name))
                else:
                    os.mkdir(name, 0o700, dir_fd=folder)
        except (OSError, shutil.Error) as error:
            raise HostError(f"copying {source}", str(error)) from None

    def rename(self, path: str, name: str) -> None:
        """See :meth:`Host.rename`."""
        try:
            with _folder_of(path) as (folder, old):
                os.rename(old, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            raise HostError(f"renaming {path}", str(error.strerror)) from None

    def remove(self, path: str) -> None:
        """See :meth:`Host.remove`."""
        try:
            with _folder_of(path) as (folder, name):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    shutil.rmtree(_path_in(folder, name))
                else:
                    os.unlink(name, dir_fd=folder)
                _sync(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise HostError(f"removing {path}", str(error.strerror)) from None

    def remove_empty(self, path: str) -> None:
        """See :meth:`Host.remove_empty`."""
        try:
            with _folder_of(path) as (folder, name):
                os.rmdir(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise HostError(f"removing {path}", str(error.strerror)) from None

    def sync(self, path: str) -> None:
        """See :meth:`Host.sync`."""
        # Python has no syncfs(2), and sync(2) waits for filesystems of servers that are gone, too.
        self.run(["sync", "-f", path], timeout=_SYNC_SECONDS)


def _who() -> str:
    """Say which process this is, of whom and from where."""
    environment = os.environ
    user = environment.get("SUDO_USER") or environment.get("USER") or f"uid {os.getuid()}"
    client = environment.get("SSH_CONNECTION", "").partition(" ")[0]
    return f"process {os.getpid()} of {user}" + (f" from {client}" if client else "")


def _is_at(descriptor: int, path: str) -> bool:
    """Say whether an open file is still what lies at ``path``."""
    try:
        with _folder_of(path) as (folder, name):
            return os.path.samestat(
                os.fstat(descriptor), os.stat(name, dir_fd=folder, follow_symlinks=False)
            )
    except OSError:
        return False


def _entry(name: str, status: os.stat_result) -> Entry:
    return Entry(name, kind_of(status.st_mode), status.st_uid, status.st_size, status.st_mtime)


def _process_numbers() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _descriptors(pid: int) -> Iterator[tuple[int, str]]:
    """Yield the open files of a process; none of one that has ended, or is not ours to see."""
    with contextlib.suppress(OSError):
        folder = f"/proc/{pid}/fd"
        for number in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                yield int(number), os.readlink(f"{folder}/{number}")


def _write(folder: int, name: str, text: str, mode: int) -> None:
    """Write a new file, and see it on disk; what a crash left of that name goes."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(name, flags, mode, dir_fd=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())


def _append_whole(descriptor: int, rest: bytes) -> None:
    size = os.fstat(descriptor).st_size
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        # A full disk took a part of it: half a line helps nobody.
        os.ftruncate(descriptor, size)
        raise


def _sync(folder: int) -> None:
    descriptor = os.open(".", os.O_RDONLY, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _path_in(folder: int, name: str) -> str:
    """Return a path by the handle of its folder, for what takes paths only."""
    return f"/proc/self/fd/{folder}/{name}"


@contextlib.contextmanager
def _folder_of(path: str, making: int | None = None) -> Iterator[tuple[int, str]]:
    """Open the folder of ``path``; with ``making``, folders that are not there get that mode.

    :raises OSError: also for a link on the way that belongs to somebody else.
    """
    folder, name = os.path.split(path)
    current = os.open("/" if path.startswith("/") else ".", _HANDLE)
    try:
        parts, links = folder.split("/")[::-1], 0
        while parts:
            part = parts.pop()
            if part in ("", "."):
                continue
            following = _step(current, part, making)
            target = _target(following, links)
            if target is None:
                os.close(current)
                current = following
                continue
            os.close(following)
            links += 1
            parts += target.split("/")[::-1]
            if target.startswith("/"):
                os.close(current)
                current = os.open("/", _HANDLE)
        yield current, name
    finally:
        os.close(current)


def _step(folder: int, name: str, making: int | None) -> int:
    """Open what lies in a folder, a link as such."""
    flags = _HANDLE | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        if making is None:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, making, dir_fd=folder)
    return os.open(name, flags, dir_fd=folder)


def _target(handle: int, links: int) -> str | None:
    """Return where an open link leads; None for a folder."""
    status = os.fstat(handle)
    if stat.S_ISDIR(status.st_mode):
        return None
    wrong = errno.ENOTDIR
    if stat.S_ISLNK(status.st_mode):
        if status.st_uid in (0, os.geteuid()) and links < _LINKS_MAX:
            return os.readlink("", dir_fd=handle)
        wrong = errno.ELOOP
    os.close(handle)
    raise OSError(wrong, os.strerror(wrong))
