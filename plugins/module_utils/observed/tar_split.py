# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the store recorded of a layer as it unpacked it: ``<layer>.tar-split.gz``, JSON lines."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Iterable, Iterator

from .answer import UnreadableAnswer
from .found_file import ABSENT, DIRECTORY, FILE, LINK, OTHER

# Types of entries (vbatts/tar-split tar/storage/entry.go).
_FILE_ENTRY, _SEGMENT_ENTRY = 1, 2
# A segment ends with the header of the file entry that follows it; a header is one block.
_BLOCK = 512
_TYPE_FLAG = slice(156, 157)
# Enough base64 for a block, whatever padding stands at its end.
_TAIL = 4 * (_BLOCK // 3 + 2)
# Type flags of tar (POSIX ustar and pax); anything else is unpacked as a regular file or not at all.
_KINDS = {
    b"1": FILE, b"2": LINK, b"3": OTHER, b"4": OTHER, b"5": DIRECTORY, b"6": OTHER,
    # Extensions for all that follows, no file (`git archive` writes one).
    b"g": ABSENT,
}  # fmt: skip
# containers/storage pkg/archive/whiteouts.go.
_WHITEOUT, _WHITEOUT_META = b".wh.", b".wh..wh."
_PROBLEM = "reading the store's record of a layer"


@dataclass(frozen=True)
class RecordedFile:
    """What lies at ``path`` of an unpacked layer; ``size`` in bytes, None where none is known.

    ``kind`` is one of those of :mod:`.found_file`; that of a deleted file is :data:`OTHER`, for
    what the store puts in its place.
    """

    path: bytes
    kind: str
    size: int | None = None


@dataclass(frozen=True)
class StoredFile:
    """What was found there."""

    kind: str = ABSENT
    size: int = 0


def recorded_files(lines: Iterable[bytes]) -> Iterator[RecordedFile]:
    """Yield the files of a record, in the layer's order; nothing is kept.

    :raises UnreadableAnswer: when it is something else.
    """
    flag = b""
    for line in lines:
        entry = _entry(line)
        if entry.get("type") == _SEGMENT_ENTRY:
            flag = _type_flag(entry.get("payload"))
        elif entry.get("type") == _FILE_ENTRY:
            recorded = _recorded(_name(entry), flag, entry.get("size", 0))
            flag = b""
            if recorded:
                yield recorded
        else:
            raise UnreadableAnswer(_PROBLEM, f"it has an entry of type {entry.get('type')!r}")


def _recorded(name: bytes, flag: bytes, size: Any) -> RecordedFile | None:
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise UnreadableAnswer(_PROBLEM, f"it has a file of size {size!r}")
    folder, slash, base = name.rstrip(b"/").rpartition(b"/")
    kind = _KINDS.get(flag, DIRECTORY if name.endswith(b"/") else FILE)
    if kind == ABSENT or base.startswith(_WHITEOUT_META):
        return None
    if base.startswith(_WHITEOUT):
        return RecordedFile(folder + slash + base[len(_WHITEOUT) :], OTHER)
    # The header of a hard link tells no size.
    return RecordedFile(name, kind, size if kind == FILE and flag != b"1" else None)


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswer(_PROBLEM, f"it is no JSON, {error}") from None
    if not isinstance(entry, dict):
        raise UnreadableAnswer(_PROBLEM, "it has a line that is no object")
    return entry


def _name(entry: dict[str, Any]) -> bytes:
    """Return a file's name; one that is no UTF-8 stands in ``name_raw``, as base64."""
    raw, name = entry.get("name_raw"), entry.get("name", "")
    try:
        path = base64.b64decode(raw, validate=True) if raw else name.encode()
    except (ValueError, TypeError, AttributeError):
        raise UnreadableAnswer(_PROBLEM, "it has a file whose name is none") from None
    if not path or b"\0" in path:
        raise UnreadableAnswer(_PROBLEM, "it has a file whose name is none")
    return bytes(path)


def _type_flag(payload: Any) -> bytes:
    """Return the type flag of the header at the end of a segment; empty where there is none."""
    if not isinstance(payload, str):
        return b""
    try:
        block = base64.b64decode(payload[-_TAIL:], validate=True)[-_BLOCK:]
    except ValueError:
        raise UnreadableAnswer(_PROBLEM, "it has a segment that is no base64") from None
    return block[_TYPE_FLAG] if len(block) == _BLOCK else b""
