# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store's record of a layer, as tar-split of CRI-O 1.36.3 writes it."""

from __future__ import annotations

import base64
import json
import re

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.answer import UnreadableAnswer
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.found_file import (
    DIRECTORY,
    FILE,
    LINK,
    OTHER,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.tar_split import (
    RecordedFile,
    recorded_files,
)


def segment(flag: str, before: int = 0) -> bytes:
    """Return the segment before a file: padding of the file before, and a header."""
    header = bytearray(512)
    header[156:157] = flag.encode()
    payload = base64.b64encode(b"\0" * before + bytes(header)).decode()
    return json.dumps({"type": 2, "payload": payload, "position": 0}).encode() + b"\n"


def file(name: str, size: int = 0, **others: str) -> bytes:
    """Return the entry of a file."""
    entry = {"type": 1, "name": name, "payload": None, "position": 1, **others}
    return json.dumps({**entry, "size": size} if size else entry).encode() + b"\n"


@pytest.mark.parametrize(
    ("flag", "name", "size", "recorded"),
    [
        ("5", "srv/", 0, RecordedFile(b"srv/", DIRECTORY)),
        ("0", "srv/a", 5, RecordedFile(b"srv/a", FILE, 5)),
        ("0", "srv/empty", 0, RecordedFile(b"srv/empty", FILE, 0)),
        ("\0", "old", 1, RecordedFile(b"old", FILE, 1)),
        ("1", "srv/hard", 0, RecordedFile(b"srv/hard", FILE)),
        ("2", "lib", 0, RecordedFile(b"lib", LINK)),
        ("3", "dev/null", 0, RecordedFile(b"dev/null", OTHER)),
        ("0", "etc/.wh.passwd", 0, RecordedFile(b"etc/passwd", OTHER)),
        ("0", ".wh.etc", 0, RecordedFile(b"etc", OTHER)),
        ("0", "etc/.wh..wh..opq", 0, None),
        ("g", "pax_global_header", 0, None),
    ],
)
def test_kinds(flag: str, name: str, size: int, recorded: RecordedFile | None) -> None:
    found = list(recorded_files([segment(flag), file(name, size)]))
    assert found == ([recorded] if recorded else [])


@pytest.mark.parametrize("before", range(1, 514, 37))
def test_the_header_is_the_last_block_of_its_segment(before: int) -> None:
    """Whatever stands before it, and so whatever base64 pads with."""
    (found,) = recorded_files([segment("2", before), file("lib")])
    assert found.kind == LINK


def test_without_a_header_the_name_tells() -> None:
    lines = [file("srv/"), b'{"type": 2, "payload": null}', file("a", 3), segment("")[:0]]
    found = list(recorded_files(line for line in lines if line))
    assert [one.kind for one in found] == [DIRECTORY, FILE]


def test_a_name_that_is_no_utf8() -> None:
    raw = base64.b64encode(b"caf\xe9").decode()
    (found,) = recorded_files([segment("0"), file("", 2, name_raw=raw)])
    assert found == RecordedFile(b"caf\xe9", FILE, 2)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b'{"type": 1, "na', "no JSON"),
        (b"\xff\xfe{}", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no object"),
        (b'{"type": 3}', "type 3"),
        (b"{}", "type None"),
        (b'{"type": 1}', "name is none"),
        (b'{"type": 1, "name": 5}', "name is none"),
        (b'{"type": 1, "name": "a\\u0000b"}', "name is none"),
        (b'{"type": 1, "name": "\\ud800"}', "name is none"),
        (b'{"type": 1, "name_raw": "*"}', "name is none"),
        (b'{"type": 1, "name_raw": 7}', "name is none"),
        (b'{"type": 1, "name": "a", "size": "1"}', "size '1'"),
        (b'{"type": 1, "name": "a", "size": -1}', "size -1"),
        (b'{"type": 1, "name": "a", "size": true}', "size True"),
        (b'{"type": 2, "payload": "*"}', "no base64"),
    ],
)
def test_torn(line: bytes, cause: str) -> None:
    """What is no record is said in a line."""
    with pytest.raises(UnreadableAnswer, match=re.escape(cause)):
        list(recorded_files([file("a"), line]))


def test_nothing_is_kept() -> None:
    """Files come while lines are still to come."""

    def endless():
        while True:
            yield file("a", 1)

    files = recorded_files(endless())
    assert [next(files).size for _one in range(3)] == [1, 1, 1]
