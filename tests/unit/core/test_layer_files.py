# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a layer does to the files of a folder."""

from __future__ import annotations

import contextlib
import io
import tarfile
import tracemalloc
from collections.abc import Iterator

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.layer_files import (
    LayerFiles,
    read_layer_files,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.layer_stream import (
    InvalidLayer,
)
from hypothesis import given
from hypothesis import strategies as st

LINK, HARD, FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
MIB = 1 << 20


def tar(*entries: tuple[str, str] | tuple[str, bytes, str]) -> bytes:
    """Return a tar of files with their texts, and of entries with their types and targets."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, *rest in entries:
            member = tarfile.TarInfo(name)
            content = b""
            if len(rest) == 1:
                content = str(rest[0]).encode()
                member.size = len(content)
            else:
                member.type, member.linkname = bytes(rest[0]), str(rest[1])
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def read(content: bytes, chunk: int = 700, limit: int = MIB) -> LayerFiles:
    """Read a tar that comes in chunks."""
    chunks = [content[at : at + chunk] for at in range(0, len(content), chunk)]
    return read_layer_files(chunks, "configs", limit)


def test_files_of_the_folder() -> None:
    """Whatever stands before their names; other folders do not count."""
    layer = read(
        tar(
            ("./", FOLDER, ""), ("./configs/", FOLDER, ""), ("./configs/a/x.json", "{}"),
            ("/configs/b.yaml", "b: 1"), ("configs2/c.json", "no"), ("other", "no"),
        )
    )  # fmt: skip
    assert layer.files == {"configs/a/x.json": "{}", "configs/b.yaml": "b: 1"}
    assert layer.on({}) == layer.files


def test_one_file() -> None:
    """A file's own path does as well."""
    layer = read_layer_files([tar(("a/b", "text"), ("a/bc", "no"))], "a/b", MIB)
    assert layer.files == {"a/b": "text"}


LOWER = {"configs/a/x": "x", "configs/a/y": "y", "configs/b": "b"}


@pytest.mark.parametrize(
    ("entries", "left"),
    [
        ([], {"configs/a/x", "configs/a/y", "configs/b"}),
        ([("configs/a/.wh.x", "")], {"configs/a/y", "configs/b"}),
        ([("configs/.wh.a", "")], {"configs/b"}),
        ([(".wh.configs", "")], set()),
        ([("configs/a/.wh..wh..opq", "")], {"configs/b"}),
        ([(".wh..wh..opq", "")], set()),
        ([("configs/a/.wh..wh..opq", ""), ("configs/a/z", "z")], {"configs/b", "configs/a/z"}),
        ([("configs/a/z", "z"), ("configs/.wh.a", "")], {"configs/b", "configs/a/z"}),
        ([("configs/a", "file")], {"configs/a", "configs/b"}),
        ([("configs/a/", FOLDER, "")], {"configs/a/x", "configs/a/y", "configs/b"}),
        ([("configs/.wh.gone", "")], {"configs/a/x", "configs/a/y", "configs/b"}),
    ],
)
def test_lower_layers(entries: list[tuple[str, str]], left: set[str]) -> None:
    """Whiteouts take away what lies below, never what the layer itself brings."""
    assert set(read(tar(*entries)).on(LOWER)) == left


def test_replaced() -> None:
    """The upper text counts."""
    assert read(tar(("configs/b", "new"))).on(LOWER)["configs/b"] == "new"


def test_hidden() -> None:
    """A file may be gone with a folder above it."""
    layer = read(tar(("configs/.wh.a", ""), ("configs/c/.wh..wh..opq", "")))
    assert layer.hides("configs/a")
    assert layer.hides("configs/a/deep/x")
    assert layer.hides("configs/c/x")
    assert not layer.hides("configs/c")
    assert not layer.hides("configs/ab")


def test_hard_links() -> None:
    """Within the folder they are the file."""
    layer = read(tar(("configs/a", "text"), ("configs/b", HARD, "./configs/a")))
    assert layer.files["configs/b"] == "text"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x" * 2000, "it is no tar, "),
        (tar(("configs/a", "t" * 90))[:550], "its tar ends in the middle"),
        (tar(("configs/a", LINK, "/etc/passwd")), "configs/a is no plain file"),
        (tar(("configs/a", HARD, "etc/passwd")), "configs/a is no plain file"),
    ],
)
def test_refused(content: bytes, said: str) -> None:
    """What is no tar, or no file."""
    with pytest.raises(InvalidLayer, match=said):
        read(content)


@pytest.mark.parametrize(
    ("entries", "size"),
    [
        ([("configs/a", "1" * 60), ("configs/b", "2" * 60)], 60 + 512 + 452 + 60 + 512),
        ([("configs/a", "1" * 60), ("configs/b", HARD, "configs/a")], 60 + 512 + 452 + 512 + 60),
        ([(f"configs/.wh.{name}", "") for name in "abc"], 3 * 512),
        ([("configs/a/", FOLDER, ""), ("configs/a/", FOLDER, "")], 2 * 512),
    ],
    ids=["files", "hard links", "whiteouts", "folders"],
)
def test_too_much(entries: list[tuple[str, str]], size: int) -> None:
    """Headers count, and links as often as their text is held; what is elsewhere does not."""
    content = tar(("other", "1" * 9999), (".wh.other", ""), *entries)
    read(content, limit=size + 512)
    with pytest.raises(InvalidLayer, match=f"there are more than {size - 1} bytes for configs"):
        read(content, limit=size - 1)


def test_a_sparse_file() -> None:
    """Its holes are not written out, so there is no text of it."""
    member = tarfile.TarInfo("configs/a")
    member.size, member.pax_headers = 4, {"GNU.sparse.realsize": "9", "GNU.sparse.major": "1"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(b"text"))
    with pytest.raises(InvalidLayer, match="a file of 9 bytes in its tar is sparse"):
        read(buffer.getvalue())


def test_what_is_elsewhere_is_not_kept() -> None:
    """However many files there are; a file in the folder's place is."""
    layer = read(tar(("a", ""), ("b/.wh.c", ""), ("d/.wh..wh..opq", ""), ("configs", "c")))
    assert layer == LayerFiles({"configs": "c"}, frozenset({"configs"}), frozenset())


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
def test_a_header_that_fills_the_memory(kind: bytes) -> None:
    """A name or an extended header is bounded, before it is read."""
    member = tarfile.TarInfo("configs/a")
    member.type, member.size = kind, 300 * MIB

    def chunks() -> Iterator[bytes]:
        yield member.tobuf(tarfile.USTAR_FORMAT)
        for _each in range(300):
            yield bytes(MIB)

    tracemalloc.start()
    with pytest.raises(InvalidLayer, match=f"header in its tar has {300 * MIB} bytes"):
        read_layer_files(chunks(), "configs", MIB)
    assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    tracemalloc.stop()


@given(st.binary(max_size=3000), st.integers(1, 2000))
def test_anything(content: bytes, chunk: int) -> None:
    """Bytes are a tar, or refused in one way."""
    with contextlib.suppress(InvalidLayer):
        assert read(content, chunk).on({}) == {}
