# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage check against real disks: what it says a pull takes, and what the pull then takes."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.layer_measure import (
    measure_layer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedImages,
    LockedLayer,
    locked_images_document,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.readable import (
    readable_bytes,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.layer_stream import (
    tar_entries,
)
from fleet import DROP_IN, Fleet
from lab import MIB, Lab, Node, NodeSpec, build, oci, payload
from lab.machine import STORE
from lab.oci import LayerSpec
from lab.payload import AMD64, ARM64, ImageSpec, PushedImage
from lab.processes import wait_for
from store_room import KUBELET, available, check_storage, leave, room_for_images, used

NAMES = ("ext4", "xfs")
# What measured predictions may be off: 2 %, or what filesystems round so small an image to (XFS
# makes inodes by the chunk of 32 KiB, in each of four groups).
OFF, ROUNDED = 0.02, 128 * 1024
# As in a Python image: what real files are, which payloads of random bytes are not.
REAL_TREES = ("usr/bin", "usr/lib/python3.11", "usr/lib/systemd", "etc")
IMAGES = payload.Payload(
    "storage",
    (
        ImageSpec("storage/small-files", (LayerSpec("storage-small", 4000, 4 * MIB),)),
        ImageSpec("storage/zstd", (LayerSpec("storage-zstd", 1500, 6 * MIB, "zstd"),)),
        ImageSpec("storage/large-files", (LayerSpec("storage-large", 3, 25 * MIB),)),
        ImageSpec(
            "storage/shared-one",
            (LayerSpec("storage-base", 900, 12 * MIB), LayerSpec("storage-one", 300, 6 * MIB)),
        ),
        # Of its layers, two of three are there when its turn comes.
        ImageSpec(
            "storage/shared-two",
            (LayerSpec("storage-base", 900, 12 * MIB), LayerSpec("storage-two", 300, 6 * MIB)),
        ),
        ImageSpec(
            "storage/two-platforms",
            (LayerSpec("storage-platform", 500, 8 * MIB),),
            platforms=(AMD64, ARM64),
        ),
    ),
)


class OwnLayout(oci.Layout):
    """A layout of layers that are made here, by this machine's files or from nothing."""

    def tree(self, folder: str) -> oci.Layer:
        """Return the layer of a folder of the base tree."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
            archive.add(build.ensure().trees[-1] / folder, folder, filter=_plain)
        return self._add_layer(tar.getvalue(), "gzip")

    def attributed(self, files: int) -> oci.Layer:
        """Return a layer of small files with attributes as capabilities and signatures are."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for number in range(files):
                entry = tarfile.TarInfo(f"srv/attributed/{number}")
                entry.size = 10
                entry.pax_headers = {
                    f"SCHILY.xattr.{name}": value for name, value in _attributes(number).items()
                }
                archive.addfile(entry, io.BytesIO(bytes(10)))
        return self._add_layer(tar.getvalue(), "gzip")


def _attributes(number: int) -> dict[str, str]:
    """Return attributes: the same for all, the same but large, and two that differ by file."""
    return (
        {"security.capability": "\1\0\0\2\0\4" + "\0" * 14},
        {"user.same": "s" * 120},
        {"user.own": f"{number:0120}"},
        {"security.ima": f"{number:0264}", "security.capability": "\1\0\0\2\0\4" + "\0" * 14},
    )[number % 4]


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return entry if entry.isfile() or entry.isdir() or entry.issym() else None


@dataclass(frozen=True)
class Bench:
    """Nodes of both kinds, what is in the registry, and what a lock would say of it."""

    lab: Lab
    images: list[PushedImage]
    blobs: Path
    work: Path

    def locked(self, images: Sequence[PushedImage], measured: bool = True) -> LockedImages:
        """Return what a lock has of images."""
        layers = {one.digest: one for image in images for one in image.platform().layers}
        return LockedImages(
            {
                one.reference: tuple(layer.digest for layer in one.platform().layers)
                for one in images
            },
            {
                digest: LockedLayer(one.size, measure_of(self.blobs, one) if measured else None)
                for digest, one in layers.items()
            },
        )

    def check(self, nodes: str, locked: LockedImages, **options: Any) -> dict[str, dict[str, Any]]:
        """Run the module on nodes, and return what each answers."""
        return check_storage(self.lab, nodes, locked_images_document(locked), **options)

    def push_own(self, name: str, layout: OwnLayout, layers: tuple[oci.Layer, ...]) -> Bench:
        """Push an image of layers of a layout; returns the bench of that image alone."""
        image = layout.image(AMD64, layers)
        layout.tag(f"{name}:1", image.descriptor)
        layout.close()
        repository = f"{self.lab.registry.address}/storage/{name}"
        subprocess.run(
            [
                "skopeo", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false",
                f"oci:{self.work}/{name}:{name}:1", f"docker://{repository}:1",
            ],
            env={**os.environ, "no_proxy": "*", "NO_PROXY": "*"}, check=True,
        )  # fmt: skip
        pushed = [PushedImage(repository, "1", image.digest, (image,))]
        return Bench(self.lab, pushed, self.work / name / "blobs/sha256", self.work)

    def fetched_by(self, node: Node, since: int) -> set[str]:
        """Return the blobs that a node asked for."""
        return {
            one.path.rpartition("/")[2]
            for one in self.lab.registry.requests(since=since)
            if "/blobs/" in one.path and one.client == node.address
        }


@cache
def measure_of(blobs: Path, layer: oci.Layer) -> Any:
    """Return the measure of a layer."""
    content = (blobs / layer.digest.partition(":")[2]).read_bytes()
    if layer.media_type.endswith("gzip"):
        return measure_layer(tar_entries([gzip.decompress(content)]))
    tar = subprocess.run(["zstd", "-dc"], input=content, capture_output=True, check=True).stdout
    return measure_layer(tar_entries([tar]))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Two nodes, the store of one on ext4, of the other on XFS; blobs are staged on disks apart."""
    specs = [
        NodeSpec(name, store_fs=name, store_size=640 * MIB, var_tmp_size=128 * MIB)
        for name in NAMES
    ]
    with Lab.up(specs) as lab:
        images = lab.push(IMAGES)
        blobs = payload.build_layout(IMAGES) / "blobs/sha256"
        yield Bench(lab, images, blobs, tmp_path_factory.mktemp("storage"))


@pytest.fixture(autouse=True)
def clean(bench: Bench) -> Iterator[None]:
    """Leave nodes without images, ballast and settings."""
    yield
    for node in bench.lab.nodes:
        node.exec(["rm", "-rf", f"{STORE}/ballast", KUBELET, "/etc/crio/crio.conf.d/20-store"])
        identifiers = [image["id"] for image in node.images() if not image["pinned"]]
        if identifiers:
            node.exec(["crictl", "rmi", *identifiers])


def test_predicted_and_used(bench: Bench) -> None:
    """Image by image, on ext4 and XFS, on a store that has ever more of the layers."""
    report = []
    for image in bench.images:
        measured = bench.check("edge", bench.locked([image]))
        for name in NAMES:
            node, room = bench.lab.node(name), room_for_images(measured[name])
            before = used(node)
            node.exec(["crictl", "pull", image.reference])
            taken, inodes = (now - then for now, then in zip(used(node), before, strict=True))
            off = room["image_bytes"] / taken - 1
            report.append(f"{name} {image.repository}: {taken} used, {off:+.2%}")
            assert (room["kind"], measured[name]["guessed_bytes"]) == (name, 0)
            assert abs(room["image_bytes"] - taken) <= max(OFF * taken, ROUNDED), report
            assert room["need_bytes"] >= taken - ROUNDED, report
            assert abs(room["image_inodes"] - inodes) <= max(OFF * inodes, 10), report
    print("\n".join(report))
    whole = bench.check("edge", bench.locked(bench.images))
    assert {whole[name]["missing_layers"] for name in NAMES} == {0}


def test_guessed_and_used(bench: Bench) -> None:
    """Layers of real files that were not measured: never under, at most half too much."""
    layout = OwnLayout(bench.work / "real")
    own = bench.push_own("real", layout, tuple(layout.tree(folder) for folder in REAL_TREES))
    (image,) = own.images
    guessed = bench.check("edge", own.locked([image], measured=False))
    measured = bench.check("edge", own.locked([image]))
    for node in bench.lab.nodes:
        before, _inodes = used(node)
        node.exec(["crictl", "pull", image.reference])
        taken = used(node)[0] - before
        room = room_for_images(guessed[node.name])
        exactly = room_for_images(measured[node.name])["image_bytes"]
        print(f"{node.name}: {taken} used, {room['image_bytes'] / taken - 1:+.1%} guessed,"
              f" {exactly / taken - 1:+.2%} measured")  # fmt: skip
        assert taken <= room["image_bytes"] <= 1.5 * taken
        assert exactly == pytest.approx(taken, rel=OFF)


def test_extended_attributes(bench: Bench) -> None:
    """Those that do not fit into inodes take blocks, which ext4 shares."""
    layout = OwnLayout(bench.work / "attributed")
    own = bench.push_own("attributed", layout, (layout.attributed(4000),))
    (image,) = own.images
    measured = bench.check("edge", own.locked([image]))
    for node in bench.lab.nodes:
        before, _inodes = used(node)
        node.exec(["crictl", "pull", image.reference])
        taken = used(node)[0] - before
        predicted = room_for_images(measured[node.name])["image_bytes"]
        print(f"{node.name}: {taken} used, {predicted / taken - 1:+.2%}")
        assert predicted == pytest.approx(taken, rel=OFF)


@pytest.mark.parametrize("name", NAMES)
def test_to_the_mebibyte(bench: Bench, name: str) -> None:
    """With 1 MiB more than stated all is pulled and the thresholds hold; with 1 MiB less it is refused."""
    node = bench.lab.node(name)
    node.write(
        KUBELET, "imageGCHighThresholdPercent: 65\nevictionSoft:\n  imagefs.available: 10%\n"
    )
    images = bench.images[:4]
    locked = bench.locked(images)
    room = room_for_images(bench.check(name, locked)[name])
    assert room["keep_source"] == f"imageGCHighThresholdPercent 65 in {KUBELET}"
    stated = room["need_bytes"] + room["keep_bytes"]

    leave(node, stated - MIB)
    refused = bench.check(name, locked)[name]
    assert refused["fits"] is False
    short = room_for_images(refused)["missing_bytes"]
    assert abs(short - MIB) < 128 * 1024
    for number in ("have_bytes", "need_bytes", "keep_bytes", "missing_bytes"):
        assert readable_bytes(room_for_images(refused)[number]) in refused["msg"]

    leave(node, stated + MIB)
    granted = bench.check(name, locked)[name]
    assert granted["fits"] is True
    assert set(granted) - {"changed"} == set(refused) - {"changed", "msg"}
    for image in images:
        node.exec(["crictl", "pull", image.reference])
    node.exec(["sync"])
    assert available(node) >= room["keep_bytes"]


def test_refused_before_the_registry_is_asked(bench: Bench, tmp_path: Path) -> None:
    """The whole playbook, on nodes that lack 1 MiB."""
    fleet = Fleet(bench.lab, tmp_path)
    lock = tmp_path / "site.lock.yml"
    images = bench.images[2:4]
    sets = str(fleet.set_file("storage", images))
    assert fleet.lock([sets], lock).rc == 0
    answers = bench.check("edge", bench.locked(images, measured=False))
    for node in bench.lab.nodes:
        leave(node, room_for_images(answers[node.name])["need_bytes"] + 10 * MIB - MIB)
    mark = bench.lab.registry.mark()
    run = fleet.pin(pin_images_lock=str(lock), pin_images_min_free_bytes=10 * MIB)
    assert run.rc != 0
    for node in bench.lab.nodes:
        assert "checking the storage: on the" in run.node(node.name)["message"]
        assert "must keep 10.5 MB free (min_free_bytes), missing" in run.node(node.name)["message"]
    addresses = {node.address for node in bench.lab.nodes}
    asked = [one for one in bench.lab.registry.requests(since=mark) if one.client in addresses]
    assert asked == []


def test_what_could_be_removed(bench: Bench) -> None:
    """The images that nothing pins or uses; without them it fits, as it said."""
    node = bench.lab.node("ext4")
    small, _zstd, large, one = bench.images[:4]
    for image in (small, large):
        node.exec(["crictl", "pull", image.reference])
    locked = bench.locked([one])
    leave(node, 2 * MIB)
    refused = bench.check("ext4", locked)["ext4"]
    assert [found["name"] for found in refused["removable"]] == [large.reference]
    assert large.reference in refused["msg"]
    node.exec(["crictl", "rmi", large.reference])
    assert bench.check("ext4", locked)["ext4"]["fits"]


def test_pins_above_the_threshold(bench: Bench) -> None:
    """More pinned than the kubelet's threshold leaves: refused, unless it is allowed."""
    node = bench.lab.node("xfs")
    large, one = bench.images[2:4]
    node.exec(["crictl", "pull", large.reference])
    # 8 % of the disk, which the large image alone passes.
    node.write(KUBELET, "imageGCHighThresholdPercent: 8\n")
    wanted = {"references": [large.reference, one.reference]}
    refused = bench.check("xfs", bench.locked([one]), **wanted)["xfs"]
    assert refused["pinned"]["above_threshold"]
    assert refused["pinned"]["present_bytes"] > 25 * MIB
    assert "it would evict pods. Nothing was pulled." in refused["msg"]
    assert f"imageGCHighThresholdPercent 8 in {KUBELET}" in refused["msg"]
    allowed = bench.check("xfs", bench.locked([one]), allow_pins_above_gc_threshold=True, **wanted)
    assert allowed["xfs"]["fits"]


def test_pins_that_are_above_the_threshold_already(bench: Bench) -> None:
    """A set that shrinks to what CRI-O reports pinned is let through, one that pins more is not."""
    node, (large, one) = bench.lab.node("xfs"), bench.images[2:4]
    wanted = [large.reference, one.reference]
    for reference in wanted:
        node.exec(["crictl", "pull", reference])
    node.write(KUBELET, "imageGCHighThresholdPercent: 8\n")
    try:
        for pinned, fits in ((wanted[:1], False), (wanted, True)):
            node.write(DROP_IN, f"[crio.image]\npinned_images = {json.dumps(pinned)}\n")
            node.exec(["systemctl", "reload", "crio.service"])
            wait_for(lambda names=pinned: node.pinned() >= {*names}, "the pins", seconds=10)
            answer = bench.check("xfs", bench.locked([]), references=wanted)["xfs"]
            assert answer["pinned"]["above_threshold"]
            assert answer["fits"] == fits
    finally:
        node.exec(["rm", "-f", DROP_IN])
        node.exec(["systemctl", "reload", "crio.service"])
        wait_for(lambda: not node.pinned() & {*wanted}, "no pins", seconds=10)


def test_the_kubelet_that_runs(bench: Bench) -> None:
    """What its service was started with counts, and not a file that it did not read."""
    node = bench.lab.node("xfs")
    node.write(KUBELET, "evictionHard:\n  imagefs.available: 99%\n")
    node.write("/etc/k.yaml", "imageGCHighThresholdPercent: 60\nevictionHard: {}\n")
    node.write("/etc/k.d/10.conf", "imageGCHighThresholdPercent: 55\n")
    node.write("/etc/k.d/20.conf", "evictionHard:\n  imagefs.available: 2%\n")
    # A shell of that name: it takes the flags for the names of its script, and is silent.
    node.exec(["cp", "/bin/dash", "/run/kubelet"])
    flags = "--config /etc/k.yaml --config-dir=/etc/k.d --eviction-soft=imagefs.available<3%"
    unit = f"[Service]\nExecStart=/run/kubelet -c 'sleep 600; :' {flags}\n"
    node.write("/run/systemd/system/kubelet.service", unit)
    node.exec(["systemctl", "daemon-reload"])
    node.exec(["systemctl", "start", "kubelet"])
    try:
        answer = bench.check("xfs", bench.locked(bench.images[:1]), fail_on_shortage=False)["xfs"]
    finally:
        node.exec(["systemctl", "stop", "kubelet"])
        node.exec(["rm", "-r", "/etc/k.yaml", "/etc/k.d", "/run/systemd/system/kubelet.service"])
        node.exec(["systemctl", "daemon-reload"])
    (images,) = [one for one in answer["filesystems"] if "images" in one["uses"]]
    assert {one["source"] for one in images["reserves"]} == {
        "min_free_bytes",
        "imageGCHighThresholdPercent 55 in /etc/k.d/10.conf",
        "eviction at imagefs.available 3% in the kubelet's command line",
    }


_RUN_ROOT = """runroot = "/run/containers/storage"
[storage.options]
additionalimagestores = ["/opt/images"]
"""


@pytest.mark.parametrize("way", ["storage.conf", "storage_option"])
def test_layers_of_an_additional_store(bench: Bench, way: str) -> None:
    """They are there: the check does not count them, and the pull does not fetch them."""
    node = bench.lab.node("ext4")
    base, sharing = bench.images[3:5]
    node.exec(["crictl", "pull", base.reference])
    node.exec(["systemctl", "stop", "crio"])
    keep = f"umount -q {STORE}/storage/overlay; rm -rf /opt/images && cp -a {STORE}/storage /opt/images"
    node.exec(["sh", "-c", keep])
    node.wipe_store()
    configure = {
        "storage.conf": (
            "/etc/containers/storage.conf",
            f'[storage]\ndriver = "overlay"\ngraphroot = "{STORE}/storage"\n{_RUN_ROOT}',
        ),
        "storage_option": (
            "/etc/crio/crio.conf.d/20-store",
            '[crio]\nstorage_option = ["overlay.imagestore=/opt/images"]\n',
        ),
    }
    path, text = configure[way]
    node.write(path, text)
    try:
        node.exec(["systemctl", "restart", "crio"])
        node.wait_ready()
        answer = bench.check("ext4", bench.locked([base, sharing]))["ext4"]
        assert answer["missing_layers"] == 1
        mark = bench.lab.registry.mark()
        before, _inodes = used(node)
        node.exec(["crictl", "pull", sharing.reference])
        own = sharing.platform().layers[-1].digest
        fetched = bench.fetched_by(node, mark)
        assert fetched & {one.digest for one in sharing.platform().layers} == {own}
        alone = bench.check("ext4", bench.locked([sharing]))["ext4"]
        assert alone["missing_layers"] == 0
        predicted = room_for_images(answer)["image_bytes"]
        assert predicted == pytest.approx(used(node)[0] - before, abs=ROUNDED)
    finally:
        node.exec(["rm", "-rf", path])
        node.wipe_store()
        node.exec(["rm", "-rf", "/opt/images"])


def test_an_image_store_of_its_own(bench: Bench) -> None:
    """Images take its filesystem, the records of their layers that of the graph root."""
    node = bench.lab.node("xfs")
    node.write("/etc/crio/crio.conf.d/20-store", '[crio]\nimagestore = "/opt/images"\n')
    node.exec(["systemctl", "restart", "crio"])
    node.wait_ready()
    try:
        image = bench.images[0]
        answer = bench.check("xfs", bench.locked([image]))["xfs"]
        rooms = {one["path"]: one for one in answer["filesystems"]}
        before = used(node), used(node, "/opt/images")
        node.exec(["crictl", "pull", image.reference])
        graph, images = (
            now[0] - then[0]
            for now, then in zip((used(node), used(node, "/opt/images")), before, strict=True)
        )
        # A node's root is an overlay here, so the dearer constants count.
        assert rooms["/opt/images"]["kind"] == "overlay"
        assert images <= rooms["/opt/images"]["image_bytes"] <= 1.15 * images
        records = rooms[f"{STORE}/storage"]
        assert (records["uses"], records["kind"]) == (["records"], "xfs")
        assert records["image_bytes"] == pytest.approx(graph, abs=ROUNDED)
    finally:
        node.exec(["crictl", "rmi", "--all"], check=False)
        node.exec(["rm", "/etc/crio/crio.conf.d/20-store"])
        node.exec(["systemctl", "restart", "crio"])
        node.wait_ready()
        node.exec(["rm", "-rf", "/opt/images"])
