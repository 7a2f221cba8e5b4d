# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the entries of a layer take once they are unpacked."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions import layer_measure
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.layer_measure import (
    ext4_attributes_fit,
    ext4_directory_blocks,
    measure_layer,
    xfs_attribute_blocks,
    xfs_directory_blocks,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LayerMeasure,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.layer_stream import (
    FILE,
    FOLDER,
    HARD_LINK,
    SPECIAL,
    SYMLINK,
    Entry,
    InvalidLayer,
)
from hypothesis import given
from hypothesis import strategies as st


def file(name: str, size: int = 1, **attributes: bytes) -> Entry:
    """Return a file with attributes of users."""
    return Entry(FILE, name.encode(), size, b"", bytes(512), attributes=_named(attributes))


def folder(name: str, **attributes: bytes) -> Entry:
    """Return a directory with attributes of users."""
    return Entry(FOLDER, name.encode(), 0, b"", bytes(512), attributes=_named(attributes))


def link(name: str, target: str, kind: str = SYMLINK) -> Entry:
    """Return a link."""
    return Entry(kind, name.encode(), 0, target.encode(), bytes(512))


def _named(attributes: dict[str, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((f"user.{name}".encode(), value) for name, value in attributes.items())


def hard(name: str, target: str) -> Entry:
    """Return a hard link."""
    return link(name, target, HARD_LINK)


DEVICE = Entry(SPECIAL, b"null", 0, b"", bytes(512))


@pytest.mark.parametrize(
    ("entries", "blocks", "directories", "inodes"),
    [
        ([], 0, 1, 1),
        ([file("a", 0)], 0, 1, 2),
        ([file("a", 1), file("b", 4096), file("c", 4097)], 4, 1, 4),
        ([folder("./"), folder("d/"), folder("d")], 0, 2, 2),
        ([file("d/e/f/a")], 1, 4, 5),
        ([file("/d//./a"), file("d/e/../b")], 2, 2, 4),
        ([file("../../etc/a")], 1, 2, 3),
        ([file("a", 9000), file("a", 1)], 1, 1, 2),
        ([file("d/a", 9000), file("d", 1)], 1, 1, 2),
        ([file("d", 9000), folder("d")], 0, 2, 2),
        ([file("d/a"), folder("d")], 1, 2, 3),
        ([file("a", 9000), hard("b", "a"), hard("d/c", "./a")], 3, 2, 3),
        ([file("a", 9000), hard("b", "a"), file("a", 1)], 4, 1, 3),
        ([hard("b", "elsewhere/a"), folder("d"), hard("c", "d")], 0, 2, 4),
        ([hard("b", "/")], 0, 1, 2),
        ([hard("c", "a/b"), file("a")], 1, 1, 3),
        ([file("a"), hard("b", "a/x")], 1, 1, 3),
        ([file("d/.wh.a", 0), file("d/.wh..wh..opq", 0)], 0, 2, 3),
        ([file("a"), file(".wh.a", 0)], 1, 1, 2),
        ([file(".wh.d", 0), file("d/.wh.a", 0)], 0, 1, 2),
        ([DEVICE, link("s", "a")], 0, 1, 3),
        ([folder("usr/lib"), link("lib", "usr/lib"), file("lib/a")], 1, 3, 5),
        ([folder("usr/lib"), link("usr/l", "../usr/./lib"), file("usr/l/a")], 1, 3, 5),
        ([folder("x/y"), link("x/l", "/../y"), file("x/l/a")], 1, 4, 6),
        ([link("s", "t"), link("t", "s"), file("s/a")], 0, 1, 3),
        ([file("a"), file("a/b")], 1, 1, 2),
    ],
)
def test_tree(entries: list[Entry], blocks: int, directories: int, inodes: int) -> None:
    """As containers/storage would unpack it; the top counts as a directory."""
    found = measure_layer(entries)
    assert (found.blocks, found.directories, found.inodes) == (blocks, directories, inodes)


def test_long_links() -> None:
    """Targets that do not fit into the inode take a block."""
    links = [link(str(length), "t" * length) for length in (59, 60, 336, 337)]
    found = measure_layer(links)
    assert (found.blocks, found.ext4_blocks, found.xfs_blocks) == (0, 1 + 3, 1)


def names(count: int, length: int) -> list[bytes]:
    """Return so many names of that length."""
    return [b"n" * length] * count


@pytest.mark.parametrize(
    ("listed", "ext4", "xfs"),
    [
        ([], 1, 0),
        (names(6, 23), 1, 0),
        (names(14, 5), 1, 0),
        (names(11, 9), 1, 1),
        (names(111, 10), 1, 1),
        (names(124, 10), 1, 1),
        (names(125, 10), 1, 2),
        (names(203, 10), 1, 3),
        (names(204, 10), 3, 3),
        (names(1000, 20), 11, 13),
        (names(30_000, 20), 295, 320),
        (names(300_000, 20), 2944, 3177),
    ],
)
def test_directories(listed: list[bytes], ext4: int, xfs: int) -> None:
    """By the sizes of their entries; calibrated on loop devices."""
    assert (ext4_directory_blocks(listed), xfs_directory_blocks(listed)) == (ext4, xfs)


@pytest.mark.parametrize(
    ("names_and_lengths", "fits", "xfs"),
    [
        ({}, True, 0),
        ({"security.capability": 20}, True, 0),
        ({"user.a": 68}, True, 0),
        ({"user.abcd": 68}, True, 0),
        ({"user.abcd": 69}, False, 0),
        ({"user.abcde": 68}, False, 0),
        ({"user.a": 24, "user.b": 24}, True, 0),
        ({"user.a": 24, "user.b": 25}, False, 0),
        ({"security.ima": 264}, False, 1),
        ({"user.a": 254}, False, 0),
        ({"user.a": 255}, False, 1),
        ({"user.a": 134, "user.b": 134}, False, 0),
        ({"user.a": 134, "user.b": 135}, False, 1),
        ({"user.a": 3000}, False, 1),
        ({"user.a": 3072}, False, 2),
        ({"user.a": 8000}, False, 3),
    ],
)
def test_attributes(names_and_lengths: dict[str, int], fits: bool, xfs: int) -> None:
    """By their sizes; calibrated on loop devices, on files and on directories."""
    attributes = tuple((name.encode(), bytes(size)) for name, size in names_and_lengths.items())
    assert (ext4_attributes_fit(attributes), xfs_attribute_blocks(attributes)) == (fits, xfs)


def test_attributes_of_many() -> None:
    """The very same ones share blocks on ext4, up to a thousand files, and never on XFS."""
    plain = measure_layer([folder("d"), *(file(f"{number:04}") for number in range(3000))])
    for signature, ext4, xfs in (
        (lambda _number: b"s" * 120, 3, 0),
        (lambda number: b"%0120d" % number, 3001, 0),
        (lambda number: b"%0264d" % (number % 500), 500, 3001),
        (lambda _number: b"short", 0, 0),
    ):
        files = [file(f"{number:04}", s=signature(number)) for number in range(3000)]
        found = measure_layer([folder("d", s=signature(3001)), *files])
        assert found.ext4_blocks - plain.ext4_blocks == ext4
        assert found.xfs_blocks - plain.xfs_blocks == xfs


def test_attributes_that_are_set_again() -> None:
    """What is replaced takes its own along, a directory that comes again keeps its own."""
    large, other = b"a" * 300, b"b" * 300
    assert measure_layer([file("a", s=large), file("a")]).xfs_blocks == 0
    assert measure_layer([folder("d", s=large), folder("d")]).xfs_blocks == 1
    assert measure_layer([folder("d", s=large), folder("d", s=other)]).xfs_blocks == 1
    assert measure_layer([file("a", s=large), hard("b", "a"), hard("c", "a")]).xfs_blocks == 1


def test_sums() -> None:
    """Every directory has its own blocks."""
    many = [file(f"d/{number:030}", 5000) for number in range(1000)]
    found = measure_layer([*many, folder("e")])
    assert found == LayerMeasure(
        blocks=2000,
        directories=3,
        inodes=1003,
        ext4_blocks=2 + ext4_directory_blocks(names(1000, 30)),
        xfs_blocks=xfs_directory_blocks(names(1000, 30)),
        tar_split=found.tar_split,
    )
    assert 20_000 < found.tar_split < 40_000


def test_odd_names() -> None:
    """Bytes that are no text count as well."""
    odd = Entry(FILE, b"\xff/\xfe", 1, b"", bytes(512))
    assert measure_layer([odd]).inodes == 3


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our memory is bounded; directories that no entry names count."""
    monkeypatch.setattr(layer_measure, "_FILES_MAX", 3)
    assert measure_layer([folder("d")] * 3).directories == 2
    assert measure_layer([folder("a/b/c")]).directories == 4
    for entries in ([folder("d")] * 4, [folder("a/b/c/d")]):
        with pytest.raises(InvalidLayer, match="it has more than 3 files and directories"):
            measure_layer(entries)


def test_too_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our time is bounded, also where links lengthen the way."""
    monkeypatch.setattr(layer_measure, "_STEPS_MAX", 1000)
    deep = "d/" * 400
    assert measure_layer([folder(deep), folder("e")]).directories == 402
    longer = [folder(deep), link("s", deep), *(file(f"s/{number}") for number in range(3))]
    with pytest.raises(InvalidLayer, match="more than 1000 directories on the way to its files"):
        measure_layer(longer)


_NAMES = st.lists(
    st.sampled_from(["a", "b", ".", "..", "", ".wh.a", ".wh..wh..opq", "c" * 99]),
    min_size=1,
    max_size=5,
).map("/".join)
_ENTRIES = st.lists(
    st.one_of(
        st.builds(file, _NAMES, st.integers(0, 10_000)),
        st.builds(folder, _NAMES),
        st.builds(link, _NAMES, _NAMES, st.sampled_from([SYMLINK, HARD_LINK])),
    ),
    max_size=30,
)


@given(_ENTRIES)
def test_any_entries(entries: list[Entry]) -> None:
    """Nothing hangs; what is counted is at most what the entries and their ways can make."""
    found = measure_layer(entries)
    assert found.directories <= found.inodes
    assert found.ext4_blocks >= found.directories
    assert found.blocks <= sum(-(-one.size // 4096) for one in entries)


@given(_ENTRIES)
def test_twice(entries: list[Entry]) -> None:
    """Directories that come again change nothing."""
    folders = [one for one in entries if one.kind == FOLDER]
    once, twice = measure_layer(folders), measure_layer([*folders, *folders])
    assert (once.directories, once.inodes) == (twice.directories, twice.inodes)
