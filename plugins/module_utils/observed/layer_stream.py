# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer as a stream of bytes: what it is packed with, and the entries of the tar in it.

Nothing of it is ever written, and a name in it is never used as a path. What is refused here is
what containers/storage refuses to unpack as well, so no node would take such a layer.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from itertools import chain
from typing import Callable, Iterable, Iterator

from ..errors import EdgefleetError

GZIP, ZSTD, PLAIN = "gzip", "zstd", "plain"
#: Docker's and OCI's media types of layers that registries serve, with what each is packed with.
PACKINGS = {
    "application/vnd.oci.image.layer.v1.tar": PLAIN,
    "application/vnd.oci.image.layer.v1.tar+gzip": GZIP,
    "application/vnd.oci.image.layer.v1.tar+zstd": ZSTD,
    "application/vnd.docker.image.rootfs.diff.tar": PLAIN,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": ZSTD,
}
# The first bytes: RFC 1952; RFC 8878, whose second row are the frames that carry no data, which
# zstd:chunked layers may begin with.
_MAGIC = (
    (b"\x1f\x8b", GZIP),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    *((bytes((0x50 + nibble, 0x2A, 0x4D, 0x18)), ZSTD) for nibble in range(16)),
)
# DEFLATE cannot pack tighter than 1:1032 (zlib's technical details); more is a bomb in a format
# that can. The floor lets small layers with one large sparse file pass.
_BOMB_RATIO = 1032
_BOMB_FLOOR = 64 << 20
# More than the store of the machines that this is for; at 200 MB/s it takes six minutes to read.
_BOMB_CEILING = 64 << 30
_CHUNK = 1 << 20

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
# Go's archive/tar reads no long name or extended header over 1 MiB (maxSpecialFileSize).
_HEADER_MAX = 1 << 20
# PATH_MAX with its NUL: no node could make the file.
_NAME_MAX = 4095
_FILE_TYPES = b"0\x00"
# The one key for extended attributes that containers/storage, by Go's archive/tar, sets.
_ATTRIBUTE = b"SCHILY.xattr."

FILE, FOLDER, HARD_LINK, SYMLINK, SPECIAL = "file", "folder", "hard link", "symlink", "special"
_KINDS = {b"1": HARD_LINK, b"2": SYMLINK, b"3": SPECIAL, b"4": SPECIAL, b"5": FOLDER, b"6": SPECIAL}


class InvalidLayer(EdgefleetError):
    """Bytes that are not the layer they should be; the caller names the layer by its cause."""

    def __init__(self, cause: str) -> None:
        super().__init__("reading a layer", cause)


@dataclass(frozen=True)
class Entry:
    """An entry of a tar.

    ``size`` is that of a file's content as unpacked, holes written out, as containers/storage
    does. ``header`` are the bytes before the content, with the padding of the entry before.
    ``content`` is empty unless it was asked for. ``attributes`` are the extended ones, by name.
    """

    kind: str
    name: bytes
    size: int
    target: bytes
    header: bytes
    content: bytes = b""
    attributes: tuple[tuple[bytes, bytes], ...] = ()


def check_packing(start: bytes, packing: str) -> None:
    """Check a blob's first bytes against what its media type says.

    :raises InvalidLayer: when it is something else.
    """
    found = next((name for magic, name in _MAGIC if start.startswith(magic)), PLAIN)
    if found != packing:
        raise InvalidLayer(f"its media type says {packing}, and it is {found}")


def unpacked_limit(size: int) -> int:
    """Return how many bytes a layer of ``size`` packed bytes may unpack to."""
    return min(_BOMB_CEILING, _BOMB_FLOOR + _BOMB_RATIO * size)


def bounded(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Hand on what is unpacked, up to ``limit`` bytes.

    :raises InvalidLayer: when there is more.
    """
    left = limit
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise InvalidLayer(f"it unpacks to more than {limit} bytes")
        yield chunk


def gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack gzip, of any number of members, never more than 1 MiB at a time.

    :raises InvalidLayer: when it is damaged, cut off, or followed by something else.
    """
    member = zlib.decompressobj(wbits=31)
    begun = False
    for chunk in chunks:
        waiting = chunk
        while waiting:
            if member.eof:
                member = zlib.decompressobj(wbits=31)
            try:
                unpacked = member.decompress(waiting, _CHUNK)
            except zlib.error as error:
                raise InvalidLayer(f"its gzip is damaged, {error}") from None
            begun = True
            if unpacked:
                yield unpacked
            waiting = member.unused_data if member.eof else member.unconsumed_tail
    if begun and not member.eof:
        raise InvalidLayer("its gzip ends in the middle")


def tar_entries(
    chunks: Iterable[bytes], wanted: Callable[[Entry], bool] = lambda _entry: False
) -> Iterator[Entry]:
    """Return the entries of a tar (ustar, GNU, pax).

    :param wanted: says of which entries the content is kept, before it is read.
    :raises InvalidLayer: when it is none, is cut off, or is followed by something else, or when
        the content of a sparse file is wanted.
    """
    source = _Source(chunks)
    padding = b""
    while True:
        entry, stored = _next_entry(source, padding)
        if entry is None:
            return
        if wanted(entry):
            if stored != entry.size:
                raise InvalidLayer(f"a file of {entry.size} bytes in its tar is sparse")
            yield replace(entry, content=source.take(stored))
        else:
            yield entry
            source.skip(stored)
        padding = source.take(-stored % _BLOCK)


class _Source:
    """Chunks of bytes, taken in other portions."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk = b""
        self._at = 0

    def take(self, count: int, *, or_end: bool = False) -> bytes:
        """Return the next ``count`` bytes; at the very end none, where that is allowed."""
        end = self._at + count
        if end <= len(self._chunk):
            taken = self._chunk[self._at : end]
            self._at = end
            return taken
        parts = [self._chunk[self._at :]]
        have = len(parts[0])
        self._chunk, self._at = b"", 0
        while have < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                if or_end and not have:
                    return b""
                raise InvalidLayer("its tar ends in the middle")
            self._chunk, self._at = chunk, min(len(chunk), count - have)
            parts.append(chunk[: self._at])
            have += self._at
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Go past the next ``count`` bytes."""
        left = count - (len(self._chunk) - self._at)
        if left <= 0:
            self._at += count
            return
        for chunk in self._chunks:
            if left <= len(chunk):
                self._chunk, self._at = chunk, left
                return
            left -= len(chunk)
        raise InvalidLayer("its tar ends in the middle")

    def end(self) -> None:
        """Read to the end, which nothing but zeros may fill."""
        for rest in chain((self._chunk[self._at :],), self._chunks):
            if rest.count(0) != len(rest):
                raise InvalidLayer("its tar is followed by something else")


def _next_entry(source: _Source, padding: bytes) -> tuple[Entry | None, int]:
    """Return the next entry, None at the end, and how many bytes of content follow."""
    header = padding
    extended: dict[bytes, bytes] = {}
    while True:
        block = source.take(_BLOCK, or_end=len(header) < _BLOCK)
        if not block or block == _ZEROS:
            if len(header) >= _BLOCK:
                raise InvalidLayer("its tar ends in the middle")
            source.end()
            return None, 0
        _check_sum(block)
        header += block
        kind = block[156:157]
        if kind not in b"xgLK":
            return _entry(block, kind, extended, header)
        size = _number(block[124:136])
        if len(header) + size > _HEADER_MAX:
            raise InvalidLayer(f"a name or extended header in its tar has {size} bytes")
        content = source.take(size)
        header += content + source.take(-size % _BLOCK)
        if kind == b"x":
            extended.update(_pax_records(content))
        elif kind != b"g":
            name = content.partition(b"\0")[0]
            extended[b"GNU.name" if kind == b"L" else b"GNU.target"] = name


def _entry(
    block: bytes, type_flag: bytes, extended: dict[bytes, bytes], header: bytes
) -> tuple[Entry, int]:
    name = _first(extended, b"GNU.name", b"GNU.sparse.name", b"path") or _name(block)
    target = _first(extended, b"GNU.target", b"linkpath") or block[157:257].partition(b"\0")[0]
    for one in (name, target):
        if len(one) > _NAME_MAX:
            raise InvalidLayer(f"a name in its tar has {len(one)} bytes")
    stored = _decimal(extended[b"size"]) if b"size" in extended else _number(block[124:136])
    attributes = _attributes(extended)
    kind = _KINDS.get(type_flag)
    if kind is not None:
        return Entry(kind, name, 0, target, header, attributes=attributes), 0
    if type_flag not in _FILE_TYPES:
        raise InvalidLayer(f"its tar has an entry of type {type_flag!r}, which no node unpacks")
    if type_flag == b"\0" and name.endswith(b"/"):
        return Entry(FOLDER, name, 0, b"", header, attributes=attributes), stored
    real = _first(extended, b"GNU.sparse.realsize", b"GNU.sparse.size")
    size = _decimal(real) if real else stored
    return Entry(FILE, name, size, b"", header, attributes=attributes), stored


def _attributes(extended: dict[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    named = (one for one in sorted(extended.items()) if one[0].startswith(_ATTRIBUTE))
    return tuple((key[len(_ATTRIBUTE) :], value) for key, value in named)


def _first(extended: dict[bytes, bytes], *keys: bytes) -> bytes:
    return next((extended[key] for key in keys if extended.get(key)), b"")


def _name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _check_sum(block: bytes) -> None:
    said = _number(block[148:156])
    wrong = said - (sum(block) - sum(block[148:156]) + 8 * 0x20)
    # Some old programs added signed bytes up.
    if wrong and wrong != -256 * sum(byte > 127 for byte in block):
        raise InvalidLayer("it is no tar, a header in it has another checksum")


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        number = int.from_bytes(bytes((field[0] & 0x7F,)) + field[1:], "big")
        if field[0] & 0x40:
            raise InvalidLayer("a number in its tar is negative")
        return number
    digits = field.strip(b" \0").partition(b"\0")[0]
    return _parsed(digits or b"0", 8, b"01234567")


def _decimal(digits: bytes) -> int:
    return _parsed(digits, 10, b"0123456789")


def _parsed(digits: bytes, base: int, known: bytes) -> int:
    if not 0 < len(digits) < 20 or digits.strip(known):
        raise InvalidLayer(f"it is no tar, {digits[:20]!r} in it is no number")
    return int(digits, base)


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Return the records ``LENGTH KEY=VALUE``, a line each, of an extended header (POSIX pax)."""
    at = 0
    while at < len(content):
        length = content[at : at + 20].partition(b" ")[0]
        end = at + _decimal(length)
        record = content[at + len(length) + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if not equals or not record.endswith(b"\n"):
            raise InvalidLayer("it is no tar, an extended header in it is damaged")
        yield key, value
        at = end
