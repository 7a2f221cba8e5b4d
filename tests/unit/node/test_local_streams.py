# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is too large for memory, on the machine that this runs on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.node.control_host import (
    LocalControlHost,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import (
    CommandFailed,
    HostError,
)

HOST = LocalControlHost()


def test_read_chunks(tmp_path: Path) -> None:
    """Bytes as they are, a MiB at a time."""
    content = os.urandom((1 << 20) + 5)
    (tmp_path / "file").write_bytes(content)
    chunks = list(HOST.read_chunks(str(tmp_path / "file")))
    assert ([len(chunk) for chunk in chunks], b"".join(chunks)) == ([1 << 20, 5], content)
    with pytest.raises(HostError, match=r"^reading .*/none: No such file or directory\.$"):
        list(HOST.read_chunks(str(tmp_path / "none")))


def test_stream() -> None:
    """Output as bytes, in the C locale, with nothing on standard input."""
    said = HOST.stream(["sh", "-c", "cat; printf '\\377%s' $LC_ALL; echo not this >&2"])
    assert b"".join(said) == b"\xffC"


def test_stream_that_fails() -> None:
    """What came is handed on; then comes the failure, with what the program said."""
    said = HOST.stream(["sh", "-c", "printf half; echo broken >&2; exit 3"])
    assert next(said) == b"half"
    with pytest.raises(CommandFailed, match=r"^running sh: broken\.$") as caught:
        next(said)
    assert (caught.value.details()["rc"], caught.value.details()["stderr"]) == (3, "broken\n")
    with pytest.raises(CommandFailed, match=r"^running false: it ended with 1\.$"):
        list(HOST.stream(["false"]))
    with pytest.raises(HostError, match="running /no/program: "):
        list(HOST.stream(["/no/program"]))


def test_stream_that_is_left(tmp_path: Path) -> None:
    """The program ends with it."""
    pid = tmp_path / "pid"
    said = HOST.stream(["sh", "-c", f"echo $$ > {pid}; head -c 2000000 /dev/zero; exec sleep 60"])
    assert len(next(said)) == 1 << 20
    begun = time.monotonic()
    said.close()
    assert time.monotonic() - begun < 10
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_run_in(tmp_path: Path) -> None:
    """The folder is made, for its owner alone."""
    folder = tmp_path / "new/folder"
    assert HOST.run_in(str(folder), ["sh", "-c", "pwd; touch here"]).stdout == f"{folder}\n"
    assert (folder / "here").exists()
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(HostError, match=r"^making .*/here/below: Not a directory\.$"):
        HOST.run_in(str(folder / "here/below"), ["true"])


def test_move(tmp_path: Path) -> None:
    """What lies at the target is replaced; its folder is made."""
    target = tmp_path / "some/folder/file"
    for text in ("old", "new"):
        (tmp_path / "source").write_text(text)
        HOST.move(str(tmp_path / "source"), str(target))
        assert target.read_text() == text
    assert not (tmp_path / "source").exists()
    with pytest.raises(HostError, match=r"^writing .*/file: No such file or directory\.$"):
        HOST.move(str(tmp_path / "source"), str(target))
