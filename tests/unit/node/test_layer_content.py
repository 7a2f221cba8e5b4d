# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking into layers on this machine: real folders, real gzip."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.node import layer_content
from ansible_collections.edgefleet.crio.plugins.module_utils.node.layer_content import (
    LayerStore,
    LocalContentHost,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import HostError
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.crio import (
    RunningConfig,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.tar_split import StoredFile

HOST = LocalContentHost()


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """Make a layer with links that a container would follow within itself."""
    root = tmp_path / "diff"
    (root / "usr/lib/deep").mkdir(parents=True)
    (root / "usr/lib/libc").write_text("12345")
    (root / "usr/lib/deep/file").write_text("1")
    (root / "lib").symlink_to("/usr/lib")
    (root / "usr/local").symlink_to("../lib")
    (root / "loop").symlink_to("loop")
    (root / "out").symlink_to("../../../../../etc")
    os.mkfifo(root / "pipe")
    (tmp_path / "secret").write_text("outside")
    return root


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (b"usr/lib/libc", StoredFile("file", 5)),
        (b"./usr//lib/libc", StoredFile("file", 5)),
        (b"/usr/lib/libc", StoredFile("file", 5)),
        (b"lib/libc", StoredFile("file", 5)),
        (b"usr/local/deep/file", StoredFile("file", 1)),
        (b"usr/lib/nothing", StoredFile("absent")),
        (b"usr/lib/libc/below", StoredFile("absent")),
        (b"nowhere/at/all", StoredFile("absent")),
        (b"../secret", StoredFile("absent")),
        (b"usr/../../secret", StoredFile("absent")),
        (b"out/passwd", StoredFile("absent")),
    ],
)
def test_found(layer: Path, path: bytes, found: StoredFile) -> None:
    """Folders that are links are followed as in a container, and never out of the layer."""
    with HOST.tree(str(layer)) as tree:
        assert tree.found(path) == found


def test_kinds(layer: Path) -> None:
    with HOST.tree(str(layer)) as tree:
        kinds = {name: tree.found(name).kind for name in (b"usr/", b"./", b"lib", b"pipe")}
        assert kinds == {
            b"usr/": "directory",
            b"./": "directory",
            b"lib": "symbolic link",
            b"pipe": "special file",
        }
        with pytest.raises(HostError, match="Too many levels of symbolic links"):
            tree.found(b"loop/file")


def test_the_handle_is_closed(layer: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with HOST.tree(str(layer)):
        assert len(os.listdir("/proc/self/fd")) == before + 1
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No such file"), HOST.tree(str(tmp_path / "none")):
        pass
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(HostError, match="Not a directory"), HOST.tree(str(tmp_path / "link")):
        pass


def test_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert list(HOST.unpacked_lines(str(path))) == [b"one\n", b"two\n"]
    monkeypatch.setattr(layer_content, "_LINE_MAX", 3)
    with pytest.raises(HostError, match="too long"):
        list(HOST.unpacked_lines(str(path)))


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (gzip.compress(os.urandom(5000))[:3000], "it is torn"),
        (b"not gzip at all", "[Nn]ot a gzip"),
        (gzip.compress(b"x\n")[:10] + b"\xff" * 30, "it is torn"),
        (None, "No such file"),
    ],
)
def test_a_torn_record(tmp_path: Path, content: bytes | None, cause: str) -> None:
    path = tmp_path / "record.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(HostError, match=cause):
        list(HOST.unpacked_lines(str(path)))


def test_the_stores_of_a_node(tmp_path: Path) -> None:
    """A layer is looked for in the store that lists it."""
    for root, text in (
        ("graph", '[{"id": "l1"}]'),
        ("images", '[{"id": "l2", "parent": "l1", "compressed-diff-digest": "d"}]'),
    ):
        folder = tmp_path / root / "overlay-layers"
        folder.mkdir(parents=True)
        (folder / "layers.json").write_text(text)
    (tmp_path / "images/overlay-layers/l2.tar-split.gz").write_bytes(gzip.compress(b"line\n"))
    (tmp_path / "graph/overlay/l1/diff").mkdir(parents=True)
    config = RunningConfig(f"{tmp_path}/graph", f"{tmp_path}/images", "", "", (), ())
    store = LayerStore(HOST, config)
    assert set(store.contents.layers) == {"l1", "l2"}
    assert [store.has_record(one) for one in ("l1", "l2")] == [False, True]
    assert list(store.record("l2")) == [b"line\n"]
    with store.tree("l1") as tree:
        assert tree.found(b"x").kind == "absent"
