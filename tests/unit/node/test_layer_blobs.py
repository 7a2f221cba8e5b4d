# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers packed by the real zstd, whole and damaged."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.node import layer_blobs
from ansible_collections.edgefleet.crio.plugins.module_utils.node.control_host import (
    LocalControlHost,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.layer_blobs import LayerBlobs
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import HostError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.skopeo import Skopeo
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.layer_stream import (
    ZSTD,
    InvalidLayer,
)

CONTENT = bytes(range(256)) * 5000
MIB = 1 << 20


def packed(content: bytes) -> bytes:
    """Return content packed with zstd."""
    command = ["zstd", "-q", "-c"]
    return subprocess.run(command, input=content, stdout=subprocess.PIPE, check=True).stdout


def unpack(folder: Path, layer: bytes) -> bytes:
    """Return what a layer that lies in a folder unpacks to."""
    encoded = hashlib.sha256(layer).hexdigest()
    (folder / "blobs/sha256").mkdir(parents=True)
    (folder / "blobs/sha256" / encoded).write_bytes(layer)
    host = LocalControlHost()
    blobs = LayerBlobs(host, Skopeo(host, ""), str(folder), str(folder / "turn"))
    assert blobs.has(f"sha256:{encoded}")
    with blobs.unpacked(f"sha256:{encoded}", len(layer), ZSTD) as chunks:
        return b"".join(chunks)


def test_whole(tmp_path: Path) -> None:
    """One frame, or several with one in front that carries nothing, as in zstd:chunked."""
    assert unpack(tmp_path / "one", packed(CONTENT)) == CONTENT
    empty = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
    several = empty + packed(CONTENT) + packed(CONTENT) + empty
    assert unpack(tmp_path / "several", several) == CONTENT * 2


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (packed(CONTENT)[:-9], "Read error .* premature end"),
        (packed(CONTENT) + b"<html>", ".*unsupported format"),
        (packed(CONTENT)[:4] + b"x" * 99, "Decoding error .* Unsupported frame parameter"),
    ],
)
def test_damaged(tmp_path: Path, layer: bytes, said: str) -> None:
    """Cut off, followed by something else, or nothing but a beginning."""
    with pytest.raises(InvalidLayer, match=rf"^reading a layer: its zstd is damaged, {said}"):
        unpack(tmp_path, layer)


def test_bomb(tmp_path: Path) -> None:
    """It is left at the bound, and the program with it."""
    layer = packed(bytes(64 * MIB)) * 10
    with pytest.raises(InvalidLayer, match=r"it unpacks to more than [0-9]+ bytes"):
        unpack(tmp_path, layer)


def test_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other is told who is there; folders are held one by one."""
    monkeypatch.setattr(layer_blobs, "_PATIENCE", 0.1)
    host = LocalControlHost()
    one, same, other = (
        LayerBlobs(host, Skopeo(host, ""), f"{tmp_path}/{name}", f"{tmp_path}/{name}/turn")
        for name in ("a", "a", "b")
    )
    with one.alone(), other.alone():
        with pytest.raises(HostError) as caught, same.alone():
            pass
        said = str(caught.value)
        assert said.startswith(f"waiting for {tmp_path}/a on the control node: another run holds")
        assert "(read layers, since 20" in said
    with same.alone():
        pass
