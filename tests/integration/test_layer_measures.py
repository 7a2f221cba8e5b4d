# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers read on the control side against what they take on real nodes, on ext4 and XFS."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.measure import (
    Measured,
    WantedLayer,
    measure_layers,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LayerMeasure,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.control_host import (
    LocalControlHost,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.skopeo import Skopeo
from lab import GIB, MIB, Lab, Node, NodeSpec, payload
from lab.oci import LayerSpec, TarEntry, TarSpec

STORE = "/var/lib/containers/storage"
LINK, HARD, FOLDER, DEVICE = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> TarEntry:
    """Return an entry."""
    return TarEntry(name, size, kind, target)


LOWER = TarSpec(
    (
        entry("opt/app/", FOLDER),
        *(entry(f"opt/app/{number}", size=3000) for number in range(5)),
        *(entry(f"opt/gone/{number}", size=10) for number in range(3)),
        *(entry(f"opt/empty/{number:08}") for number in range(3000)),
    )
)
ODD = TarSpec(
    (
        entry("./", FOLDER),
        entry("made/on/the/way", size=5000),
        entry("made/", FOLDER),
        entry("one", size=9000),
        entry("two", HARD, "one"),
        entry("made/three", HARD, "./one"),
        entry("short", LINK, "s" * 59),
        entry("long", LINK, "l" * 60),
        entry("longer", LINK, "l" * 400),
        entry("usr/lib/", FOLDER),
        entry("lib", LINK, "usr/lib"),
        entry("lib/through-a-link", size=100),
        entry("null", DEVICE),
        entry("n" * 250, size=4096),
        entry("opt/app/.wh.1"),
        entry("opt/gone/.wh..wh..opq"),
        entry("opt/gone/new", size=1),
        *(entry(f"many/{number:04}-{'x' * (number % 40)}") for number in range(2000)),
    ),
    compression="",
)
IMAGES = payload.Payload(
    "measured",
    (
        payload.ImageSpec("measured/odd", (LOWER, ODD)),
        payload.ImageSpec(
            "measured/small-files",
            (
                LayerSpec("measured-small", files=4000, size=6 * MIB),
                LayerSpec("measured-zstd", files=300, size=3 * MIB, compression="zstd"),
            ),
        ),
        payload.ImageSpec(
            "measured/large-files",
            (
                LayerSpec("measured-small", files=4000, size=6 * MIB),
                LayerSpec("measured-large", files=3, size=40 * MIB),
            ),
        ),
    ),
)


@dataclass(frozen=True)
class Bench:
    """Nodes of two kinds, images, and what was measured."""

    lab: Lab
    images: list[payload.PushedImage]
    wanted: dict[str, WantedLayer]
    measured: Measured
    cache: Path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Two nodes, and the images measured once."""
    specs = [NodeSpec("ext4", store_size=1 * GIB), NodeSpec("xfs", store_fs="xfs", store_size=GIB)]
    with pytest.MonkeyPatch.context() as patch, Lab.up(specs) as lab:
        # The lab's addresses are never behind the proxy of the environment.
        patch.setenv("no_proxy", "*")
        patch.setenv("NO_PROXY", "*")
        images, cache = lab.push(IMAGES), tmp_path_factory.mktemp("cache")
        wanted = {
            layer.digest: WantedLayer(image.reference, layer.size, layer.media_type)
            for image in images
            for layer in image.platform().layers
        }
        yield Bench(lab, images, wanted, measure(wanted, cache), cache)


def measure(wanted: dict[str, WantedLayer], cache: Path, keep: str = "") -> Measured:
    """Measure layers on this machine."""
    host = LocalControlHost()
    seen: list[tuple[int, int]] = []
    done = measure_layers(
        host, Skopeo(host, ""), wanted, str(cache), keep, lambda *one: seen.append(one)
    )
    assert seen[-1] == (len(wanted), sum(one.size for one in wanted.values()))
    return done


def used_blocks(node: Node) -> int:
    """Return the blocks of 4 KiB that are in use on the store's filesystem."""
    node.exec(["sync"])
    said = node.exec(["stat", "-f", "-c", "%b %f %S", "/var/lib/containers"]).stdout
    total, free, size = map(int, said.split())
    return (total - free) * size // 4096


def really(node: Node) -> dict[str, LayerMeasure]:
    """Return what each layer's content takes on a node; what a filesystem adds, twice."""
    found = {}
    for layer in json.loads(node.read(f"{STORE}/overlay-layers/layers.json")):
        content = f"{STORE}/overlay/{layer['id']}/diff"
        listed = node.exec(["find", content, "-printf", "%i %b %y\\n"]).stdout
        inodes = {
            number: (kind, int(half)) for number, half, kind in map(str.split, listed.splitlines())
        }
        blocks: Counter[str] = Counter()
        for kind, half in inodes.values():
            blocks[kind] += half // 8
        kept = f"{STORE}/overlay-layers/{layer['id']}.tar-split.gz"
        added = blocks["d"] + blocks["l"]
        found[layer["compressed-diff-digest"]] = LayerMeasure(
            blocks=blocks["f"],
            directories=sum(kind == "d" for kind, _half in inodes.values()),
            inodes=len(inodes),
            ext4_blocks=added,
            xfs_blocks=added,
            tar_split=int(node.exec(["stat", "-c", "%s", kept]).stdout),
        )
    return found


@pytest.mark.parametrize("name", ["ext4", "xfs"])
def test_what_a_node_takes(bench: Bench, name: str) -> None:
    """Counts are exact; what large directories and packed headers take is close."""
    node = bench.lab.node(name)
    before = used_blocks(node)
    for image in bench.images:
        node.exec(["crictl", "pull", image.reference])
    used, found = used_blocks(node) - before, really(node)
    assert bench.measured.unmeasured == ()
    assert set(found) == set(bench.measured.measures) == set(bench.wanted)
    predicted = 0
    for digest, real in found.items():
        said = bench.measured.measures[digest]
        assert (said.blocks, said.directories, said.inodes) == (
            real.blocks,
            real.directories,
            real.inodes,
        )
        added = getattr(said, f"{name}_blocks")
        # How full the blocks of large directories are follows from the filesystem's hash seed.
        assert added == pytest.approx(real.ext4_blocks, abs=4, rel=0.2)
        assert said.tar_split == pytest.approx(real.tar_split, abs=100, rel=0.1)
        predicted += said.blocks + added + -(-said.tar_split // 4096)
        # An inode of XFS has 512 bytes.
        predicted += said.inodes // 8 if name == "xfs" else 0
    # A layer's, an image's and a new store's own few files are not the content's.
    own = 7 * len(found) + 5 * len(bench.images) + 10
    assert predicted - 8 <= used <= predicted + own + 8


def test_each_layer_once_in_its_life(bench: Bench, tmp_path: Path) -> None:
    """The first run asked the registry once for each, and no later one asks again."""
    asked = blobs_asked(bench, 0)
    assert sorted(asked) == sorted(bench.wanted)
    mark = bench.lab.registry.mark()
    assert measure(bench.wanted, bench.cache) == bench.measured
    assert bench.lab.registry.requests(since=mark) == []
    assert files_below(bench.cache / "layers") == []
    kept, other = tmp_path / "kept", tmp_path / "cache"
    assert measure(bench.wanted, other, str(kept)).measures == bench.measured.measures
    assert sorted(blobs_asked(bench, mark)) == sorted(bench.wanted)
    mark = bench.lab.registry.mark()
    again = measure(bench.wanted, tmp_path / "another", str(kept))
    assert again.measures == bench.measured.measures
    assert bench.lab.registry.requests(since=mark) == []
    names = {f"sha256:{path.name}" for path in (kept / "blobs/sha256").iterdir()}
    assert names == set(bench.wanted)


def files_below(folder: Path) -> list[Path]:
    """Return all files there."""
    return [path for path in folder.rglob("*") if path.is_file()]


def blobs_asked(bench: Bench, mark: int) -> list[str]:
    """Return the layers that this machine, no node, asked for since then."""
    nodes = {bench.lab.node(name).address for name in ("ext4", "xfs")}
    return [
        one.path.rpartition("/")[2]
        for one in bench.lab.registry.requests(since=mark)
        if one.method == "GET" and "/blobs/" in one.path and one.client not in nodes
    ]


def test_bad_layers(bench: Bench, tmp_path: Path) -> None:
    """What the registry does not have, and what is no layer, costs that layer alone."""
    good, other = list(bench.wanted)[:2]
    absent = "sha256:" + "0" * 64
    wanted = {
        absent: bench.wanted[good],
        good: bench.wanted[good],
        other: replace(bench.wanted[other], media_type=f"{bench.wanted[good].media_type[:-4]}zstd"),
    }
    found = measure(wanted, tmp_path)
    assert found.measures == {good: bench.measured.measures[good]}
    missing, lying = found.unmeasured
    assert (missing.digest, missing.cause) == (absent, "not_found")
    assert (lying.digest, lying.cause) == (other, "corrupt")
    assert lying.message == "its media type says zstd, and it is gzip"
    assert files_below(tmp_path / "layers") == []
