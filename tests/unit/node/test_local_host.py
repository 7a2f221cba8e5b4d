# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that this runs on: real files, real programs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.node import host as host_module
from ansible_collections.edgefleet.crio.plugins.module_utils.node.host import LocalHost
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import (
    Completed,
    HostError,
    LocalReader,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.found_file import FoundFile
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.process import OpenFile

HOST = LocalHost()


def mode(path: Path) -> int:
    """Return a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect what of a file's way to the disk is asked of the system, which does it."""
    seen: list[str] = []
    # The handles of folders on the way.
    handles: set[int] = set()

    def record(name: str) -> None:
        real = getattr(os, name)

        def call(*given: Any, **named: Any) -> Any:
            result = real(*given, **named)
            target = given[0]
            if name == "open" and given[1] & os.O_PATH:
                handles.add(result)
                return result
            if name == "close" and target in handles:
                handles.remove(target)
                return result
            if isinstance(target, int) and name != "close":
                status = os.fstat(target)
                folder = stat.S_ISDIR(status.st_mode)
                target = "folder" if folder else f"file of {status.st_size}"
            seen.append(name if name == "close" else f"{name} {os.path.basename(str(target))}")
            return result

        monkeypatch.setattr(os, name, call)

    for name in ("open", "write", "fchmod", "fsync", "replace", "close"):
        record(name)
    yield seen
    assert handles == set()


def test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output, return code, input; messages in English, a quick start, and else the environment kept."""
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("CRICTL_AUTH", "secret")
    script = "cat; echo err >&2; echo $LC_ALL-$LANGUAGE-$CRICTL_AUTH-$GOGC-$GOMAXPROCS; exit 3"
    done = HOST.run(["/bin/sh", "-c", script], stdin="in\n")
    assert (done.rc, done.stdout, done.stderr) == (3, "in\nC--secret-1000-1\n", "err\n")
    assert done.argv == ("/bin/sh", "-c", script)


def test_what_a_user_set_for_go_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours holds only where nobody chose."""
    monkeypatch.setenv("GOGC", "50")
    done = HOST.run(["/bin/sh", "-c", "echo $GOGC-$GOMAXPROCS"])
    assert done.stdout == "50-1\n"


def test_run_with_odd_bytes() -> None:
    """What is no UTF-8 is kept as escapes."""
    assert HOST.run(["/usr/bin/printf", r"\377"]).stdout == r"\xff"


def test_run_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, with the return code that timeout(1) has, and what it said until then."""
    argv = ("/bin/sh", "-c", "exec sleep 600")
    assert HOST.run(argv, timeout=0) == Completed(argv, 124, "", "it was ended after 0 seconds")

    def expire(argv: list[str], timeout: float, **_given: Any) -> None:
        raise subprocess.TimeoutExpired(argv, timeout, output=b"begun\n")

    monkeypatch.setattr(subprocess, "run", expire)
    done = HOST.run(["x"], timeout=0.5)
    assert done == Completed(("x",), 124, "begun\n", "it was ended after 0.5 seconds")


def test_run_what_cannot_run(tmp_path: Path) -> None:
    """It is said of which program."""
    with pytest.raises(HostError, match=f"running {tmp_path}/none: "):
        HOST.run([f"{tmp_path}/none"])


def test_run_until(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the end, with output, return code and environment as always, and more; input is empty."""
    monkeypatch.setenv("CRICTL_AUTH", "secret")
    argv = (
        "/bin/sh",
        "-c",
        "cat; sleep 0.3; echo $LC_ALL-$CRICTL_AUTH-$GOGC; echo err >&2; exit 3",
    )
    assert HOST.run_until(argv, threading.Event(), {"GOGC": "9"}) == Completed(
        argv, 3, "C-secret-9\n", "err\n"
    )


def test_run_until_it_is_stopped() -> None:
    """From another thread; it has the return code that timeout(1) has, and what it said."""
    stop = threading.Event()
    argv = ("/bin/sh", "-c", "echo begun; exec sleep 600")
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    before = time.monotonic()
    assert HOST.run_until(argv, stop, {}) == Completed(argv, 124, "begun\n", "")
    assert time.monotonic() - before < 60
    timer.join()


def test_run_until_ended_by_itself() -> None:
    """A stop that comes too late changes nothing, and another's signal is no stop of ours."""
    stop = threading.Event()
    stop.set()
    assert HOST.run_until(["/bin/true"], stop, {}).rc == 0
    assert HOST.run_until(["/bin/sh", "-c", "kill -9 $$"], threading.Event(), {}).rc == -9


def test_run_until_what_cannot_run(tmp_path: Path) -> None:
    """It is said of which program."""
    with pytest.raises(HostError, match=f"running {tmp_path}/none: "):
        HOST.run_until([f"{tmp_path}/none"], threading.Event(), {})


def test_run_until_we_are_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program does not outlive it."""
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def communicate(self, *_given: Any, **_named: Any) -> Any:
            started.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        HOST.run_until(["/bin/sleep", "600"], threading.Event(), {})
    assert started[0].returncode == -9


def test_processes() -> None:
    """Ourselves among them, begun when we began."""
    own = {one.pid: one for one in HOST.processes()}[os.getpid()]
    assert own.name == Path("/proc/self/comm").read_text().rstrip("\n")
    assert time.time() - 3600 < own.started < time.time()
    child = subprocess.Popen(["/bin/sleep", "600"])
    try:
        found = {one.pid: one for one in HOST.processes()}[child.pid]
        assert found.name == "sleep"
        # A tick of the kernel's is 10 ms; starting takes longer on a busy machine.
        assert abs(found.started - time.time()) < 10
    finally:
        child.kill()
        child.wait()


def test_a_process_that_ends_while_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was not there; nor is one that may not be looked at."""
    real = os.listdir

    def listdir(path: str) -> list[str]:
        return ["4194304", *real(path)] if path == "/proc" else real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert 4194304 not in {one.pid for one in HOST.processes()}
    assert HOST.open_files(("no such file",)) == ()

    def ended(path: str) -> None:
        raise HostError(f"reading {path}", "No such process")

    monkeypatch.setattr(HOST, "read", ended)
    assert HOST.processes() == ()


def test_open_files(tmp_path: Path) -> None:
    """Whose they are and how far they are read, by parts of their paths."""
    (tmp_path / "blob").write_text("12345")
    (tmp_path / "other").write_text("x")
    with (tmp_path / "blob").open("rb", buffering=0) as stream, (tmp_path / "other").open():
        stream.read(3)
        (found,) = HOST.open_files((f"{tmp_path}/b", "no such part"))
        assert found == OpenFile(f"{tmp_path}/blob", os.getpid(), stream.fileno(), 3)
        assert len(HOST.open_files((str(tmp_path),))) == 2
    assert HOST.open_files((str(tmp_path),)) == ()


def test_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in a folder itself, by name; no folder has none."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("123")
    os.utime(tmp_path / "folder/file", (1, 1000.5))
    (tmp_path / "folder/a").symlink_to("file")
    (tmp_path / "folder/deep").mkdir()
    found = HOST.entries(str(tmp_path / "folder"))
    assert [(one.name, one.kind, one.owner) for one in found] == [
        ("a", "symbolic link", os.getuid()), ("deep", "directory", os.getuid()),
        ("file", "file", os.getuid()),
    ]  # fmt: skip
    assert (found[2].bytes, found[2].changed) == (3, 1000.5)
    assert HOST.entries(str(tmp_path / "none")) == HOST.entries(f"{tmp_path}/folder/file") == ()

    def fail(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(HostError, match=f"reading {tmp_path}: Permission denied"):
        HOST.entries(str(tmp_path))


def test_find_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where PATH lacks the system's folders, as under sudo and cron."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert HOST.find_program("sh") in ("/usr/bin/sh", "/bin/sh")
    own = tmp_path / "sh"
    own.touch(mode=0o755)
    assert HOST.find_program("sh") == str(own)
    assert HOST.find_program("no-such-program") is None


def test_where_programs_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """After PATH the folders of the system, those of root among them; no PATH is none."""
    asked: list[str] = []
    monkeypatch.setattr(shutil, "which", lambda _name, path: asked.append(path))
    monkeypatch.setenv("PATH", "/own")
    HOST.find_program("crictl")
    monkeypatch.delenv("PATH")
    HOST.find_program("crictl")
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert asked == [f"/own:{system}", f":{system}"]


def test_what_is_written_is_on_disk_before_it_is_live(tmp_path: Path, calls: list[str]) -> None:
    """A power cut leaves the old file or the new one: text, mode, disk, name, folder."""
    HOST.write_atomic(str(tmp_path / "new"), "text", 0o644, str(tmp_path / "scratch"))
    assert calls == [
        "open scratch", "fchmod file of 4", "fsync file of 4", "replace scratch",
        "open .", "fsync folder", "close",
    ]  # fmt: skip


def test_the_mode_is_not_the_umask_s(tmp_path: Path) -> None:
    """Every user may read the drop-in, also where root's files are private."""
    os.umask(0o077)
    HOST.write_atomic(str(tmp_path / "new"), "text", 0o644, str(tmp_path / "scratch"))
    assert mode(tmp_path / "new") == 0o644


def test_what_is_appended_is_on_disk(tmp_path: Path, calls: list[str]) -> None:
    """In one write, before the effect that it announces."""
    HOST.append(str(tmp_path / "journal"), "line\n")
    written = ["open journal", "write file of 5", "fsync file of 5", "close"]
    # A new file is in its folder for good only when that is on disk as well.
    assert calls == [*written, "open .", "fsync folder", "close"]
    calls.clear()
    HOST.append(str(tmp_path / "journal"), "line\n")
    assert calls == ["open journal", "write file of 10", "fsync file of 10", "close"]


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it was given."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda to, content: write(to, content[:3]))
    HOST.append(str(tmp_path / "journal"), "a whole line\n")
    assert (tmp_path / "journal").read_text() == "a whole line\n"


def test_a_full_disk_tears_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was taken of a line before the disk was full is given back."""
    write = os.write

    def take_some(descriptor: int, content: bytes) -> int:
        if len(content) < len(b"line\n"):
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:3])

    path = tmp_path / "journal"
    HOST.append(str(path), "before\n")
    monkeypatch.setattr(os, "write", take_some)
    with pytest.raises(HostError, match=rf"^writing {path}: No space left on device\.$"):
        HOST.append(str(path), "line\n")
    assert path.read_text() == "before\n"


def test_a_full_disk_leaks_no_descriptor(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened is closed when writing fails."""

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    path = tmp_path / "journal"
    path.write_text("before\n")
    calls.clear()
    with pytest.raises(HostError, match=rf"^writing {path}: No space left on device\.$"):
        HOST.append(str(path), "line\n")
    assert calls[-1] == "close"
    with pytest.raises(HostError, match=rf"^writing {path}: No space left on device\.$"):
        HOST.write_atomic(str(path), "new", 0o600, str(tmp_path / "scratch"))
    assert path.read_text() == "before\n"
    assert not (tmp_path / "scratch").exists()


def test_write_atomic(tmp_path: Path) -> None:
    """Through the scratch file, which is gone afterwards; the folder is made."""
    target, scratch = tmp_path / "new/file", tmp_path / "scratch"
    HOST.write_atomic(str(target), "one\n", 0o640, str(scratch))
    HOST.write_atomic(str(target), "two\n", 0o644, str(scratch))
    assert HOST.read(str(target)) == "two\n"
    assert (mode(target), mode(target.parent)) == (0o644, 0o755)
    assert not scratch.exists()
    # The journal's scratch file lies beside it, in a folder that may not be there yet.
    HOST.write_atomic(f"{tmp_path}/state/file", "x", 0o600, f"{tmp_path}/state/.new")
    assert HOST.files_below(f"{tmp_path}/state") == (f"{tmp_path}/state/file",)


def test_write_atomic_fails(tmp_path: Path) -> None:
    """Nothing stays behind, what was there stays."""
    (tmp_path / "folder").mkdir()
    scratch = tmp_path / "scratch"
    with pytest.raises(HostError, match=r"writing .*/folder: Is a directory"):
        HOST.write_atomic(str(tmp_path / "folder"), "x", 0o644, str(scratch))
    assert not scratch.exists()
    with pytest.raises(HostError, match="writing "):
        HOST.write_atomic(str(tmp_path / "file"), "x", 0o644, str(tmp_path / "none/scratch"))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Somebody who may write in the folder cannot make us write elsewhere."""
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("mine")
    link.symlink_to(victim)
    with pytest.raises(HostError, match="writing "):
        HOST.append(str(link), "x")
    HOST.write_atomic(str(tmp_path / "file"), "x", 0o644, str(link))
    assert victim.read_text() == "mine"
    assert (tmp_path / "file").read_text() == "x"


def write_all(folder: Path) -> dict[str, Callable[[], object]]:
    """Return every way in which a file in a folder is made, changed or removed."""
    path = str(folder / "file")

    def hold() -> None:
        with HOST.exclusive(path, "one", 0, "waiting"):
            pass

    return {
        "write_atomic": lambda: HOST.write_atomic(path, "x", 0o644, f"{folder}/.new"),
        "append": lambda: HOST.append(path, "x"),
        "exclusive": hold,
        "copy_tree": lambda: HOST.copy_tree("/nothing", path),
        "remove": lambda: HOST.remove(path),
    }


WAYS = sorted(write_all(Path()))


@pytest.mark.parametrize("way", WAYS)
def test_a_link_of_somebody_else_on_the_way(tmp_path: Path, way: str) -> None:
    """Is refused; nothing is made, changed or removed behind it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_text("theirs")
    (tmp_path / "etc").symlink_to(tmp_path / "elsewhere")
    os.lchown(tmp_path / "etc", 65534, 65534)
    with pytest.raises(HostError, match="Too many levels of symbolic links"):
        write_all(tmp_path / "etc")[way]()
    assert (tmp_path / "elsewhere/file").read_text() == "theirs"
    assert [one.name for one in (tmp_path / "elsewhere").iterdir()] == ["file"]


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_link_of_root_on_the_way(tmp_path: Path, way: str, absolute: bool) -> None:
    """Is followed: an administrator may have moved a folder."""
    (tmp_path / "moved/deep").mkdir(parents=True)
    link = tmp_path / "moved/etc"
    link.symlink_to(tmp_path / "moved/deep" if absolute else "../moved/./deep")
    write_all(link)[way]()
    assert (tmp_path / "moved/deep/file").exists() == (way != "remove")


@pytest.mark.parametrize("way", WAYS)
def test_links_without_end_on_the_way(tmp_path: Path, way: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(HostError, match="Too many levels of symbolic links"):
        write_all(tmp_path / "loop")[way]()


@pytest.mark.parametrize("way", sorted({*WAYS} - {"remove"}))
def test_a_file_on_the_way(tmp_path: Path, way: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="Not a directory"):
        write_all(tmp_path / "file")[way]()


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_that_is_exchanged_meanwhile(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its handle is open, a link in its place leads nowhere."""
    (tmp_path / "state").mkdir()
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/file").write_text("theirs")
    step = host_module._step

    def exchange(folder: int, name: str, making: int | None) -> int:
        handle = step(folder, name, making)
        if name == "state" and (tmp_path / "state").is_dir():
            (tmp_path / "state").rename(tmp_path / "before")
            (tmp_path / "state").symlink_to("victim")
            os.lchown(tmp_path / "state", 65534, 65534)
        return handle

    monkeypatch.setattr(host_module, "_step", exchange)
    with contextlib.suppress(HostError):
        write_all(tmp_path / "state")[way]()
    assert (tmp_path / "before").is_dir()
    assert (tmp_path / "victim/file").read_text() == "theirs"


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start at the current directory, as everywhere."""
    monkeypatch.chdir(tmp_path)
    HOST.write_atomic("new/file", "x", 0o644, "scratch")
    assert (tmp_path / "new/file").read_text() == "x"


def test_a_scratch_file_that_is_a_pipe_or_another_name(tmp_path: Path) -> None:
    """What lies at its name goes; nothing is written through it."""
    os.mkfifo(tmp_path / "scratch")
    HOST.write_atomic(str(tmp_path / "file"), "x", 0o644, str(tmp_path / "scratch"))
    (tmp_path / "other").write_text("kept")
    os.link(tmp_path / "other", tmp_path / "scratch")
    HOST.write_atomic(str(tmp_path / "file"), "y", 0o644, str(tmp_path / "scratch"))
    assert (tmp_path / "other").read_text() == "kept"


def test_exclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held while in it; another one is told by whom, and has it as soon as it is let go of."""
    monkeypatch.setenv("SUDO_USER", "ops")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    path = str(tmp_path / "state/turn")
    with HOST.exclusive(path, "one thing that is longer", 0, "waiting to do two"):
        with (
            pytest.raises(HostError) as caught,
            HOST.exclusive(path, "two", 0.1, "waiting to do two"),
        ):
            pass
        assert re.fullmatch(
            r"waiting to do two: another run holds this node \(one thing that is longer, since"
            rf" 20\S+Z, process {os.getpid()} of ops\)\. Wait for it, or end it\.",
            str(caught.value),
        )
        assert mode(Path(path)) == 0o600
    with HOST.exclusive(path, "2", 0, "waiting to do two"):
        # Nothing stays of the longer note.
        assert re.fullmatch(r"2, since \S+, process \d+ of ops", Path(path).read_text())


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    """Nor do programs that it started and that outlive it."""
    path = str(tmp_path / "turn")
    with HOST.exclusive(path, "one", 0, "waiting"):
        child = subprocess.Popen(["/bin/sleep", "60"])
    try:
        with HOST.exclusive(path, "two", 0, "waiting"):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_lock_that_was_removed_meanwhile(tmp_path: Path) -> None:
    """Whoever waited for it waits for the one that lies there now."""
    path = tmp_path / "turn"
    first = path.open("w")
    fcntl.flock(first, fcntl.LOCK_EX)

    def replaced() -> None:
        path.unlink()
        path.write_text("new")
        first.close()

    timer = threading.Timer(0.3, replaced)
    timer.start()
    with HOST.exclusive(str(path), "two", 5, "waiting"):
        assert path.read_text().startswith("two, since ")
        with path.open() as now, pytest.raises(BlockingIOError):
            fcntl.flock(now, fcntl.LOCK_EX | fcntl.LOCK_NB)
    timer.join()


def test_orphans_are_ended() -> None:
    """By what stands in their environment; nothing else, and nothing that this process started."""
    name = f"EDGEFLEET_TEST_{os.getpid()}"
    # Kept open, the pipe would be read for as long as they sleep.
    sleeps = [f"{name}={one} /bin/sleep 60 2>/dev/null &" for one in ("ours", "other")]
    script = " ".join([*sleeps, "echo $! >&2"])
    started = subprocess.run(["/bin/sh", "-c", script], stderr=subprocess.PIPE, check=True)
    other = int(started.stderr)
    own = subprocess.Popen(["/bin/sleep", "60"], env={name: "ours"})
    try:
        # The shell starts the two beside itself.
        deadline = time.monotonic() + 10
        while environments(name) != ["other", "ours", "ours"]:
            assert time.monotonic() < deadline
        HOST.end_orphans(f"{name}=ours")
        assert environments(name) == ["other", "ours"]
        assert own.poll() is None
    finally:
        os.kill(other, signal.SIGKILL)
        own.kill()
        own.wait()


def environments(name: str) -> list[str]:
    """Return the values of a setting in the environments of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            settings = path.read_bytes().split(b"\0")
            found += [
                one.decode().partition("=")[2]
                for one in settings
                if one.startswith(f"{name}=".encode())
            ]
    return sorted(found)


def test_exclusive_through_a_link(tmp_path: Path) -> None:
    """It is refused."""
    (tmp_path / "turn").symlink_to(tmp_path / "victim")
    with (
        pytest.raises(HostError, match="waiting: Too many levels of symbolic links"),
        HOST.exclusive(str(tmp_path / "turn"), "one", 0, "waiting"),
    ):
        pass
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SUDO_USER": "ops", "SSH_CONNECTION": "192.0.2.7 50000 192.0.2.1 22"},
         f"process {os.getpid()} of ops from 192.0.2.7"),
        ({"USER": "root"}, f"process {os.getpid()} of root"),
        ({}, f"process {os.getpid()} of uid {os.getuid()}"),
    ],
)  # fmt: skip
def test_who(
    environment: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process, the user who logged in, and from where, as far as the environment knows."""
    for name in ("SUDO_USER", "USER", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with HOST.exclusive(str(tmp_path / "turn"), "one", 0, "waiting"):
        assert (tmp_path / "turn").read_text().endswith(f", {said}")


def test_append(tmp_path: Path) -> None:
    """Folder and file are made, the file for root alone."""
    path = tmp_path / "new/journal"
    HOST.append(str(path), "one\n")
    HOST.append(str(path), "two\n")
    assert path.read_text() == "one\ntwo\n"
    assert (mode(path), mode(path.parent)) == (0o600, 0o755)


def test_read(tmp_path: Path) -> None:
    """No file is None, odd bytes are escapes, a pipe is not waited for, a folder is an error."""
    assert HOST.read(str(tmp_path / "none")) is None
    (tmp_path / "odd").write_bytes(b"a\xff")
    assert HOST.read(str(tmp_path / "odd")) == r"a\xff"
    assert HOST.read(str(tmp_path / "odd/below")) is None
    os.mkfifo(tmp_path / "pipe")
    assert HOST.read(str(tmp_path / "pipe")) == ""
    with pytest.raises(HostError, match=f"reading {tmp_path}: Is a directory"):
        HOST.read(str(tmp_path))


def test_found(tmp_path: Path) -> None:
    """What lies there itself, with mode and owner; a link is not followed, a pipe not waited for."""
    file, link, pipe = (tmp_path / name for name in ("file", "link", "pipe"))
    file.write_bytes(b"a\xff")
    file.chmod(0o640)
    link.symlink_to(file)
    os.mkfifo(pipe)
    assert HOST.found(str(file)) == FoundFile("file", r"a\xff", 0o640, os.getuid())
    assert HOST.found(str(link)) == FoundFile("symbolic link")
    assert HOST.found(str(pipe)) == FoundFile("special file")
    assert HOST.found(str(tmp_path)) == FoundFile("directory")
    assert HOST.found(str(tmp_path / "none")) == FoundFile()
    assert HOST.found(str(file / "below")) == FoundFile()


def test_found_but_not_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk is told."""
    (tmp_path / "file").touch()

    def fail(*_given: Any) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(HostError, match=f"reading {tmp_path}/file: Input/output error"):
        HOST.found(str(tmp_path / "file"))


def test_files_below(tmp_path: Path) -> None:
    """As CRI-O walks its drop-ins: a folder's files where its name sorts, any link as a file."""
    for name in ("b", "a/x", "a/deep/y", "a.conf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "c").symlink_to("a")
    found = [os.path.relpath(one, tmp_path) for one in HOST.files_below(str(tmp_path))]
    assert found == ["a/deep/y", "a/x", "a.conf", "b", "c"]
    assert HOST.files_below(str(tmp_path / "none")) == ()


def test_copy_tree(tmp_path: Path) -> None:
    """The target is replaced; no source is an empty folder."""
    source, target = tmp_path / "source", tmp_path / "run/copy"
    (source / "deep").mkdir(parents=True)
    (source / "deep/file").write_text("x")
    HOST.copy_tree(str(source), str(target))
    assert mode(target.parent) == 0o700
    (target / "old").touch()
    HOST.copy_tree(str(source), str(target))
    assert HOST.files_below(str(target)) == (f"{target}/deep/file",)
    HOST.copy_tree(str(tmp_path / "none"), str(target))
    assert list(target.iterdir()) == []
    HOST.copy_tree(str(tmp_path / "none"), str(tmp_path / "other/copy"))
    assert mode(tmp_path / "other") == mode(tmp_path / "other/copy") == 0o700
    (source / "dangling").symlink_to("nowhere")
    with pytest.raises(HostError, match=f"copying {source}: "):
        HOST.copy_tree(str(source), str(target))


def test_rename(tmp_path: Path) -> None:
    """In its folder; a name that something else has is refused."""
    (tmp_path / "old").mkdir()
    (tmp_path / "taken").write_text("x")
    HOST.rename(str(tmp_path / "old"), "new")
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["new", "taken"]
    with pytest.raises(HostError, match=f"renaming {tmp_path}/new: Not a directory"):
        HOST.rename(str(tmp_path / "new"), "taken")


def test_remove(tmp_path: Path) -> None:
    """Files, folders, links and nothing."""
    (tmp_path / "folder/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    HOST.remove(str(tmp_path / "link"))
    assert (tmp_path / "folder/deep").is_dir()
    HOST.remove(str(tmp_path / "folder"))
    HOST.remove(str(tmp_path / "folder"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(HostError, match="removing /proc/self/status: "):
        HOST.remove("/proc/self/status")


def test_remove_for_good(tmp_path: Path, calls: list[str]) -> None:
    """What the journal then says is gone does not come back with the power."""
    (tmp_path / "file").touch()
    calls.clear()
    HOST.remove(str(tmp_path / "file"))
    assert calls == ["open .", "fsync folder", "close"]


def test_remove_empty(tmp_path: Path) -> None:
    """A folder, and only while nothing is in it."""
    (tmp_path / "folder").mkdir()
    HOST.remove_empty(str(tmp_path / "folder"))
    HOST.remove_empty(str(tmp_path / "folder"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/theirs").touch()
    with pytest.raises(HostError, match=f"removing {tmp_path}/folder: Directory not empty"):
        HOST.remove_empty(str(tmp_path / "folder"))


def test_exists(tmp_path: Path) -> None:
    """A dangling link is something."""
    assert not HOST.exists(str(tmp_path / "link"))
    (tmp_path / "link").symlink_to("nowhere")
    assert HOST.exists(str(tmp_path / "link"))


def test_filesystem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the nearest folder that is there."""
    room = HOST.filesystem(str(tmp_path / "not/yet/there"))
    real = os.statvfs(tmp_path)
    assert room.path == str(tmp_path / "not/yet/there")
    assert room.device == tmp_path.stat().st_dev
    assert room.total_bytes == real.f_blocks * real.f_frsize
    assert 0 < room.available_bytes <= room.total_bytes
    # Its kind and mount point are those that findmnt tells.
    (tmp_path / "link").symlink_to("/proc")
    known = HOST.filesystem(str(tmp_path / "link/none"))
    assert (known.kind, known.mount_point) == ("proc", "/proc")
    # Asked again, it is not looked for.
    with monkeypatch.context() as patched:
        patched.setattr(LocalReader, "read", None)
        # What others write meanwhile does not count.
        patched.setattr(os, "statvfs", lambda _path: real)
        elsewhere = replace(room, available_bytes=0, kind="k", mount_point="/m")
        assert HOST.remeasured(elsewhere).available_bytes > 0
        assert HOST.remeasured(elsewhere) == replace(
            HOST.remeasured(room), kind="k", mount_point="/m"
        )
    # The root folder ends the search also where it cannot be looked at.
    monkeypatch.setattr(os.path, "exists", lambda _path: False)
    assert HOST.filesystem("/a/b").device == Path("/").stat().st_dev
    monkeypatch.undo()

    def fail(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "statvfs", fail)
    with pytest.raises(
        HostError, match=f"measuring the filesystem of {tmp_path}: Permission denied"
    ):
        HOST.filesystem(str(tmp_path))


def test_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who we are, what machine this is, and time that only grows."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not HOST.is_root()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert HOST.is_root()
    assert HOST.machine() == os.uname().machine
    assert HOST.process_number() == os.getpid()
    before, wall = HOST.monotonic(), HOST.now()
    assert HOST.monotonic() >= before
    assert HOST.now() >= wall
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    HOST.sleep(0.2)
    assert slept == [0.2]
    HOST.sync("/")
