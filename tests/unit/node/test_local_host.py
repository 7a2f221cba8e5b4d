# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that this runs on: real files, real programs."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.node.host import (
    Completed,
    HostError,
    LocalHost,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.found_file import FoundFile

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
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what of a file's way to the disk is asked of the system, which does it."""
    seen: list[str] = []

    def record(name: str) -> None:
        real = getattr(os, name)

        def call(*given: Any, **named: Any) -> Any:
            result = real(*given, **named)
            target = given[0]
            if isinstance(target, int) and name != "close":
                status = os.fstat(target)
                folder = stat.S_ISDIR(status.st_mode)
                target = "folder" if folder else f"file of {status.st_size}"
            seen.append(name if name == "close" else f"{name} {os.path.basename(str(target))}")
            return result

        monkeypatch.setattr(os, name, call)

    for name in ("open", "write", "fchmod", "fsync", "replace", "close"):
        record(name)
    return seen


def test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output, return code, standard input; messages in English, the rest of the environment kept."""
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("CRICTL_AUTH", "secret")
    script = "cat; echo err >&2; echo $LC_ALL-$LANGUAGE-$CRICTL_AUTH; exit 3"
    done = HOST.run(["/bin/sh", "-c", script], stdin="in\n")
    assert (done.rc, done.stdout, done.stderr) == (3, "in\nC--secret\n", "err\n")
    assert done.argv == ("/bin/sh", "-c", script)


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
    name = tmp_path.name
    assert calls == [
        "open scratch", "fchmod file of 4", "fsync file of 4", "replace scratch",
        f"open {name}", "fsync folder", "close",
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
    assert calls == [*written, f"open {tmp_path.name}", "fsync folder", "close"]
    calls.clear()
    HOST.append(str(tmp_path / "journal"), "line\n")
    assert calls == ["open journal", "write file of 10", "fsync file of 10", "close"]


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it was given."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda to, content: write(to, content[:3]))
    HOST.append(str(tmp_path / "journal"), "a whole line\n")
    assert (tmp_path / "journal").read_text() == "a whole line\n"


def test_a_full_disk_leaks_no_descriptor(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened is closed when writing fails."""

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    path = tmp_path / "journal"
    with pytest.raises(HostError, match=rf"^writing {path}: No space left on device\.$"):
        HOST.append(str(path), "line\n")
    assert calls[-1] == "close"
    with pytest.raises(HostError, match=rf"^writing {path}: No space left on device\.$"):
        HOST.write_atomic(str(path), "new", 0o600, str(tmp_path / "scratch"))
    assert path.read_text() == "line\n"
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
    with pytest.raises(HostError, match="writing "):
        HOST.write_atomic(str(tmp_path / "file"), "x", 0o644, str(link))
    assert victim.read_text() == "mine"


def test_exclusive(tmp_path: Path) -> None:
    """Held while in it; another one is told by whom, and has it as soon as it is let go of."""
    path = str(tmp_path / "state/turn")
    with HOST.exclusive(path, "one, since noon", 0, "waiting to do two"):
        with (
            pytest.raises(HostError) as caught,
            HOST.exclusive(path, "two", 0.1, "waiting to do two"),
        ):
            pass
        assert str(caught.value) == (
            "waiting to do two: another run holds this node (one, since noon)."
            " Wait for it, or end it."
        )
        assert mode(Path(path)) == 0o600
    with HOST.exclusive(path, "2", 0, "waiting to do two"):
        assert Path(path).read_text() == "2"


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
def test_who(environment: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process, the user who logged in, and from where, as far as the environment knows."""
    for name in ("SUDO_USER", "USER", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert HOST.who() == said


def test_append(tmp_path: Path) -> None:
    """Folder and file are made, the file for root alone."""
    path = tmp_path / "new/journal"
    HOST.append(str(path), "one\n")
    HOST.append(str(path), "two\n")
    assert path.read_text() == "one\ntwo\n"
    assert (mode(path), mode(path.parent)) == (0o600, 0o755)


def test_read(tmp_path: Path) -> None:
    """No file is None, odd bytes are escapes, a folder is an error."""
    assert HOST.read(str(tmp_path / "none")) is None
    (tmp_path / "odd").write_bytes(b"a\xff")
    assert HOST.read(str(tmp_path / "odd")) == r"a\xff"
    assert HOST.read(str(tmp_path / "odd/below")) is None
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
    """As CRI-O walks its drop-ins: a folder's files where its name sorts."""
    for name in ("b", "a/x", "a/deep/y", "a.conf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [os.path.relpath(one, tmp_path) for one in HOST.files_below(str(tmp_path))]
    assert found == ["a/deep/y", "a/x", "a.conf", "b"]
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
    before, wall = HOST.monotonic(), HOST.now()
    assert HOST.monotonic() >= before
    assert HOST.now() >= wall
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    HOST.sleep(0.2)
    assert slept == [0.2]
    synced: list[bool] = []
    monkeypatch.setattr(os, "sync", lambda: synced.append(True))
    HOST.sync()
    assert synced == [True]
