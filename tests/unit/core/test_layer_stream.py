# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers as streams of bytes, whole and damaged."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.layer_stream import (
    FILE,
    FOLDER,
    GZIP,
    HARD_LINK,
    PLAIN,
    SPECIAL,
    SYMLINK,
    ZSTD,
    Entry,
    InvalidLayer,
    bounded,
    check_packing,
    gunzip,
    tar_entries,
    unpacked_limit,
)
from hypothesis import given
from hypothesis import strategies as st

END = bytes(1024)


def member(name: str, kind: bytes = tarfile.REGTYPE, **given: object) -> tarfile.TarInfo:
    """Return an entry."""
    entry = tarfile.TarInfo(name)
    entry.type = kind
    for key, value in given.items():
        setattr(entry, key, value)
    return entry


def tar(*members: tarfile.TarInfo, layout: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar of entries, whose contents are zeros."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout, encoding="utf-8") as archive:
        for one in members:
            archive.addfile(one, io.BytesIO(bytes(one.size)))
    return buffer.getvalue()


def block(name: str = "a", kind: bytes = b"0", **given: object) -> bytearray:
    """Return a header of one block."""
    return bytearray(member(name, kind, **given).tobuf(tarfile.USTAR_FORMAT))


def signed(header: bytearray) -> bytes:
    """Return a header with its checksum made right again."""
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def pax(record: bytes, size: int | None = None, kind: bytes = b"x") -> bytes:
    """Return an extended header."""
    content = record + bytes(-len(record) % 512)
    return signed(block("x", kind, size=len(record) if size is None else size)) + content


def record(key: bytes, value: bytes) -> bytes:
    """Return a record of an extended header."""
    line = b" " + key + b"=" + value + b"\n"
    length = len(line) + 1
    while len(b"%d" % length) + len(line) != length:
        length += 1
    return b"%d" % length + line


def read(content: bytes, portion: int = 1 << 20) -> list[Entry]:
    """Return the entries of a tar that comes in portions."""
    return list(tar_entries(content[at : at + portion] for at in range(0, len(content), portion)))


def seen(content: bytes) -> list[tuple[str, bytes, int, bytes]]:
    """Return the entries of a tar without their headers."""
    return [(one.kind, one.name, one.size, one.target) for one in read(content)]


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_entries(layout: int) -> None:
    """Kinds, names however long, sizes, targets; only files have content."""
    long = "d/" * 150 + "é"
    members = [
        member("d/", tarfile.DIRTYPE),
        member("d/file", size=700),
        member("d/old", tarfile.AREGTYPE, size=3),
        member("link", tarfile.LNKTYPE, linkname=long),
        member(long, tarfile.SYMTYPE, linkname="d/file"),
        member("null", tarfile.CHRTYPE),
        member("fifo", tarfile.FIFOTYPE),
        member("disk", tarfile.BLKTYPE),
    ]
    assert seen(tar(*members, layout=layout)) == [
        (FOLDER, b"d/", 0, b""),
        (FILE, b"d/file", 700, b""),
        (FILE, b"d/old", 3, b""),
        (HARD_LINK, b"link", 0, long.encode()),
        (SYMLINK, long.encode(), 0, b"d/file"),
        (SPECIAL, b"null", 0, b""),
        (SPECIAL, b"fifo", 0, b""),
        (SPECIAL, b"disk", 0, b""),
    ]


def test_ustar_prefix() -> None:
    """Long names in two fields, which other formats use for other things."""
    name = "p" * 90 + "/" + "n" * 90
    assert seen(tar(member(name), layout=tarfile.USTAR_FORMAT))[0][1] == name.encode()
    header = block()
    header[257:265] = b"ustar  \0"
    header[345:350] = b"atime"
    assert seen(signed(header) + END)[0][1] == b"a"


def test_old_folder() -> None:
    """Before ustar a slash made it one."""
    header = block("d/", b"\0")
    header[0:3] = b"d/\0"
    assert seen(signed(header) + END) == [(FOLDER, b"d/", 0, b"")]


def test_extended_headers() -> None:
    """Size and sparse size; one for all that follow decides nothing here."""
    sparse = record(b"GNU.sparse.name", b"holes") + record(b"GNU.sparse.realsize", b"9000")
    content = (
        pax(record(b"path", b"ignored"), kind=b"g")
        + pax(record(b"size", b"512") + record(b"linkpath", b"t"))
        + signed(block())
        + bytes(512)
        + pax(sparse)
        + signed(block(size=512))
        + bytes(512)
    )
    assert seen(content + END) == [(FILE, b"a", 512, b""), (FILE, b"holes", 9000, b"")]


def test_extended_attributes() -> None:
    """Of the entry that follows only, whatever it is, by name; values are bytes of any kind."""
    named = record(b"SCHILY.xattr.user.b", b"=\0\n\xff") + record(b"SCHILY.xattr.user.a", b"1")
    headers = [block("f", size=3), block("d/", tarfile.DIRTYPE), block("old/", b"\0"), block("g")]
    first, folder, old, plain = map(signed, headers)
    content = pax(named) + first + bytes(512) + pax(named) + folder + pax(named) + old + plain
    found = [(one.kind, one.attributes) for one in read(content + END)]
    both = ((b"user.a", b"1"), (b"user.b", b"=\0\n\xff"))
    assert found == [(FILE, both), (FOLDER, both), (FOLDER, both), (FILE, ())]


def test_large_and_signed() -> None:
    """Sizes in base 256, and checksums of signed bytes."""
    header = block()
    header[124:136] = (1 << 40).to_bytes(12, "big")
    header[124] |= 0x80
    with pytest.raises(InvalidLayer, match="ends in the middle"):
        read(signed(header))
    header = block("é")
    total = sum(header[:148]) + sum(header[156:]) + 8 * 32
    header[148:156] = b"%06o\0 " % (total - 2 * 256)
    assert seen(bytes(header) + END)[0][1] == "é".encode()


def test_headers_and_padding() -> None:
    """Together with the contents they are the whole tar, as tar-split keeps it."""
    content = tar(member("a", size=3), member("b" * 200, size=512))
    first, second = read(content)
    assert first.header == content[:512]
    assert second.header == content[515:1024] + content[1024 : 1024 + 512 * 3]


@given(st.integers(1, 3000), st.lists(st.integers(0, 2000), max_size=5))
def test_portions(portion: int, sizes: list[int]) -> None:
    """However the bytes come, the entries are the same."""
    content = tar(*(member(str(number), size=size) for number, size in enumerate(sizes)))
    assert read(content, portion) == read(content)
    assert [one.size for one in read(content)] == sizes


@pytest.mark.parametrize(
    "content", [b"", END, tar(), bytes(512), bytes(block()), bytes(block()) + bytes(512)]
)
def test_ends(content: bytes) -> None:
    """Nothing at all is an empty layer, and one block of zeros or none ends a tar, as in Go."""
    assert len(read(content)) == bool(content.strip(b"\0"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>" * 100, "it is no tar, "),
        (b"<html>", "its tar ends in the middle"),
        (bytes(block("a", size=700)) + bytes(600), "its tar ends in the middle"),
        (bytes(block("a", size=600)) + bytes(600), "its tar ends in the middle"),
        (bytes(block()) + bytes(100), "its tar ends in the middle"),
        (pax(record(b"path", b"n")), "its tar ends in the middle"),
        (pax(record(b"path", b"n")) + END, "its tar ends in the middle"),
        (pax(b"", size=600), "its tar ends in the middle"),
        (END + b"x", "its tar is followed by something else"),
        (tar(member("a")) + b"x" * 9, "its tar is followed by something else"),
        (bytes(block(kind=b"S")) + END, "has an entry of type b'S', which no node unpacks"),
        (pax(b"", size=1 << 21), "a name or extended header in its tar has 2097152 bytes"),
        (
            pax(record(b"path", b"n" * (1 << 19))) * 3,
            "a name or extended header in its tar has 52",
        ),
        (pax(record(b"path", b"n" * 4096)) + bytes(block()), "a name in its tar has 4096 bytes"),
        (
            pax(record(b"linkpath", b"n" * 5000)) + bytes(block()),
            "a name in its tar has 5000 bytes",
        ),
        (pax(b"8 path=n\n"), "an extended header in it is damaged"),
        (pax(b"8 pathn\n"), "an extended header in it is damaged"),
        (pax(b"x path=n\n"), "b'x' in it is no number"),
        (pax(b"0 path=n\n"), "an extended header in it is damaged"),
        (pax(record(b"size", b"-1")) + bytes(block()), "b'-1' in it is no number"),
        (pax(record(b"size", b"1" * 30)) + bytes(block()), "in it is no number"),
        (b"\xff" * 512, "a number in its tar is negative"),
        (b"1" * 512, "a header in it has another checksum"),
    ],
)
def test_damaged(content: bytes, said: str) -> None:
    """What is no tar is refused, and nothing hangs or grows."""
    with pytest.raises(InvalidLayer, match=f"^reading a layer: .*{said}"):
        read(content)


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_any_bytes(content: bytes, at: int) -> None:
    """Bytes are entries or an error, whatever they are."""
    whole = tar(member("a", size=600), member("b" * 200))
    for one in (content, whole[:at] + content + whole[at:]):
        try:
            read(one)
        except InvalidLayer:
            continue


@pytest.mark.parametrize(
    ("start", "packing"),
    [
        (gzip.compress(b"x"), GZIP),
        (b"\x28\xb5\x2f\xfd", ZSTD),
        (b"\x5d\x2a\x4d\x18", ZSTD),
        (tar(member("a")), PLAIN),
        (b"", PLAIN),
    ],
)
def test_check_packing(start: bytes, packing: str) -> None:
    """By the first bytes, which must agree."""
    check_packing(start, packing)
    other = PLAIN if packing == GZIP else GZIP
    with pytest.raises(InvalidLayer, match=f"its media type says {other}, and it is {packing}"):
        check_packing(start, other)


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=3), st.integers(1, 500))
def test_gunzip(members: list[bytes], portion: int) -> None:
    """One member or several, in any portions."""
    packed = b"".join(gzip.compress(one) for one in members)
    chunks = [packed[at : at + portion] for at in range(0, len(packed), portion)]
    assert b"".join(gunzip(chunks)) == b"".join(members)


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (gzip.compress(b"x" * 99)[:-9], "its gzip ends in the middle"),
        (gzip.compress(b"x") + b"garbage", "its gzip is damaged, "),
        (gzip.compress(b"x")[:-8] + bytes(8), "its gzip is damaged, .*incorrect data check"),
        (b"<html>", "its gzip is damaged, .*incorrect header check"),
    ],
)
def test_damaged_gzip(packed: bytes, said: str) -> None:
    """It is refused as CRI-O would."""
    with pytest.raises(InvalidLayer, match=said):
        list(gunzip([packed]))


def test_bomb() -> None:
    """It comes in small portions, and is left as soon as it is over its limit."""
    packed = gzip.compress(bytes(64 << 20))

    def watched() -> Iterator[bytes]:
        for chunk in gunzip([packed]):
            assert len(chunk) <= 1 << 20
            yield chunk

    with pytest.raises(InvalidLayer, match="it unpacks to more than 3000000 bytes"):
        list(bounded(watched(), 3_000_000))
    assert sum(map(len, bounded([b"12", b"3"], 3))) == 3


def test_limits() -> None:
    """What DEFLATE can pack passes, up to a ceiling."""
    assert unpacked_limit(0) == 64 << 20
    assert unpacked_limit(1000) == (64 << 20) + 1_032_000
    assert unpacked_limit(1 << 30) == 64 << 30


def test_empty_gzip() -> None:
    """No bytes at all unpack to none."""
    assert list(gunzip([])) == []
