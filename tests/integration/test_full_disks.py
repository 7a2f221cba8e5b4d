# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole playbook on disks that have hardly room, and on one that runs full meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.filter.layers_on_platform import FilterModule
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.readable import (
    readable_bytes,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.yaml_text import (
    load_documents,
)
from fleet import JOURNAL, Fleet
from lab import GIB, MIB, Lab, Node, NodeSpec, payload
from lab.machine import STORE
from lab.oci import LayerSpec
from lab.payload import AMD64, ImageSpec, PushedImage
from lab.processes import wait_for
from lab.registry import NAMESPACE
from store_room import BALLAST, KUBELET, available, check_storage, leave, room_for, room_for_images

NAMES = ("ext4", "xfs")
STAGING = "/etc/crio/crio.conf.d/20-staging"
# What must stay free is then far more than the pulls take: only the threshold can stop them.
LIMITS = "imageGCHighThresholdPercent: 65\nevictionSoft:\n  imagefs.available: 10%\n"
THRESHOLD = f"imageGCHighThresholdPercent 65 in {KUBELET}"
# Files of random bytes: what an image takes is hardly more than what its layer is long.
OWN = 4 * MIB
ALIKE = payload.Payload(
    "alike",
    tuple(
        ImageSpec(f"alike/app-{number:02d}", (LayerSpec(f"alike-{number:02d}", 20, OWN),))
        for number in range(12)
    ),
)


@pytest.fixture(scope="module")
def small_disks() -> Iterator[Lab]:
    """Two nodes, the store of one on ext4, of the other on XFS; /var/tmp is on their root."""
    with Lab.up([NodeSpec(name, store_fs=name, store_size=GIB // 2) for name in NAMES]) as lab:
        yield lab


@pytest.fixture
def node(small_disks: Lab, request: pytest.FixtureRequest) -> Iterator[Node]:
    """The one that a test names, with the limits of a kubelet; afterwards it is as before."""
    node = small_disks.node(request.param)
    node.write(KUBELET, LIMITS)
    yield node
    node.exec(["rm", "-f", BALLAST, KUBELET, STAGING])
    Fleet(small_disks, Path()).reset_node(node.name)


@pytest.fixture
def site(small_disks: Lab, tmp_path: Path) -> Fleet:
    """The playbooks to run against the nodes."""
    return Fleet(small_disks, tmp_path)


def locked(site: Fleet, images: list[PushedImage]) -> tuple[Path, dict[str, Any]]:
    """Lock images, measured; return the lock, and the part of it that a node is given."""
    path = site.work / "site.lock.yml"
    sets = [str(site.set_file("all", images))]
    assert site.lock(sets, path, pin_images_measure=True).rc == 0
    layers_on_platform = FilterModule().filters()["layers_on_platform"]
    references = [image.reference for image in images]
    (lock,) = load_documents(path.read_text(), str(path))
    return path, layers_on_platform(lock, references, AMD64)


def pin(site: Fleet, node: Node, lock: Path, **variables: object) -> Any:
    """Bring the node to the lock, with nothing to keep free but what the kubelet asks for."""
    return site.pin(
        "--limit", node.name, pin_images_lock=str(lock), pin_images_min_free_bytes=0, **variables
    )


def requests_of(site: Fleet, node: Node, mark: int) -> list[str]:
    """Return the paths that a node asked the registry for."""
    return [one.path for one in site.lab.registry.requests(mark) if one.client == node.address]


@pytest.mark.parametrize(
    ("node", "staged_on"), [("ext4", "root"), ("xfs", "store")], indirect=["node"]
)
def test_to_the_mebibyte(site: Fleet, node: Node, staged_on: str) -> None:
    """With 1 MiB more than stated all is pulled and pinned; with 1 MiB less no registry is asked."""
    if staged_on == "store":
        folder = f"{STORE}/staged"
        node.exec(["mkdir", "-p", folder])
        node.write(STAGING, f'[crio.image]\nbig_files_temporary_dir = "{folder}"\n')
        node.exec(["systemctl", "restart", "crio"])
        node.wait_ready()
    images = site.lab.push(payload.demo(16))
    lock, given = locked(site, images)
    references = {image.reference for image in images}
    answer = check_storage(site.lab, node.name, given, references=sorted(references))[node.name]
    room, staged = room_for_images(answer), room_for(answer, "temporary")
    assert (room is staged) == (staged_on == "store")
    assert staged["in_flight_bytes"] > 0
    assert (room["guessed_bytes"], room["keep_source"]) == (0, THRESHOLD)
    stated = room["need_bytes"] + room["keep_bytes"]

    leave(node, stated - MIB)
    mark = site.lab.registry.mark()
    refused = pin(site, node, lock)
    assert refused.rc != 0
    assert refused.node(node.name)["state"] == "failed"
    assert "checking the storage: on the" in refused.node(node.name)["message"]
    assert (
        f"must keep {readable_bytes(room['keep_bytes'], beside=MIB)} free"
        in refused.node(node.name)["message"]
    )
    assert requests_of(site, node, mark) == []

    leave(node, stated + MIB)
    granted = pin(site, node, lock)
    assert granted.rc == 0
    assert references <= node.pinned()
    node.exec(["sync"])
    assert available(node) >= room["keep_bytes"]


def journal_count(node: Node, words: str) -> int:
    """Return how often these words are in the journal."""
    return node.exec(["cat", JOURNAL], check=False).stdout.count(words)


@pytest.mark.parametrize("node", ["xfs"], indirect=True)
def test_the_disk_runs_low_in_the_middle(site: Fleet, node: Node) -> None:
    """What is complete stays and is pinned, the rest is not begun; then only the rest is fetched."""
    images = site.lab.push(ALIKE)
    lock, given = locked(site, images)
    keep = room_for_images(check_storage(site.lab, node.name, given)[node.name])["keep_bytes"]
    # Two that are in flight fit, and hardly two more after them.
    left = keep + 2 * OWN + 4 * MIB
    site.lab.network.limit(NAMESPACE, 20_000_000)
    try:
        with ThreadPoolExecutor() as pool:
            running = pool.submit(pin, site, node, lock, pin_images_max_parallel=2)
            wait_for(lambda: journal_count(node, '"pulled"') >= 3, "three images", seconds=90)
            node.exec(["fallocate", "--length", str(available(node) - left), BALLAST])
            run = running.result()
    finally:
        site.lab.network.unlimit(NAMESPACE)
    node.exec(["sync"])
    assert available(node) >= keep
    assert run.rc != 0
    assert run.node(node.name)["state"] == "failed"
    outcomes = {one["reference"]: one for one in run.node(node.name)["images"]}
    complete = {name for name, one in outcomes.items() if one["outcome"] == "pulled"}
    rest = set(outcomes) - complete
    assert len(outcomes) == len(images)
    assert len(complete) >= 3
    assert len(rest) >= 3
    assert {outcomes[one]["cause"] for one in rest} == {"no_space"}
    numbers = (
        rf"not tried: on the {node.name} filesystem .*have [\d.]+ [kM]B, need [\d.]+ [kM]B .*"
        rf"must keep [\d.]+ [kM]B free \({re.escape(THRESHOLD)}\), missing [\d.]+ "
    )
    for one in rest:
        assert re.search(numbers, outcomes[one]["message"])
    ours = {image.reference for image in images}
    assert node.pinned() & ours == complete
    assert {name for one in node.images() for name in one["repoDigests"]} & ours == complete

    node.exec(["rm", BALLAST])
    mark = site.lab.registry.mark()
    again = pin(site, node, lock)
    assert again.rc == 0
    assert ours <= node.pinned()
    layers = {image.reference: {one.digest for one in image.platform().layers} for image in images}
    there = set().union(*(layers[one] for one in complete))
    wanted = set().union(*(layers[one] for one in rest))
    fetched = site.blobs_fetched(since=mark)
    assert fetched & (there | wanted) == wanted - there


# None is done before the last has begun, however slow the machine: each is longer than the link
# carries in a minute.
LONG = payload.Payload(
    "long",
    tuple(
        ImageSpec(f"long/app-{number:02d}", (LayerSpec(f"long-{number:02d}", 4, 16 * MIB),))
        for number in range(12)
    ),
)


@pytest.mark.parametrize("node", ["ext4"], indirect=True)
def test_the_disk_runs_low_while_the_last_pulls_run(site: Fleet, node: Node) -> None:
    """All have begun when somebody fills the disk: they end, and give back what was staged."""
    images = site.lab.push(LONG)
    lock, given = locked(site, images)
    keep = room_for_images(check_storage(site.lab, node.name, given)[node.name])["keep_bytes"]
    site.lab.network.limit(NAMESPACE, 2_000_000)
    try:
        with ThreadPoolExecutor() as pool:
            running = pool.submit(pin, site, node, lock)
            wait_for(
                lambda: journal_count(node, '"event": "pull"') == len(images),
                "all pulls to have begun",
                seconds=60,
            )
            node.exec(["fallocate", "--length", str(available(node) - keep + MIB), BALLAST])
            run = running.result()
    finally:
        site.lab.network.unlimit(NAMESPACE)
    assert run.rc != 0
    outcomes = run.node(node.name)["images"]
    assert len(outcomes) == len(images)
    assert {(one["cause"], one["attempts"]) for one in outcomes} == {("no_space", 1)}
    assert all(one["message"].startswith("ended: on the") for one in outcomes)
    assert node.exec(["find", "/var/tmp", "-name", "container_images_storage*"]).stdout == ""

    node.exec(["rm", BALLAST])
    assert pin(site, node, lock).rc == 0
    assert {image.reference for image in images} <= node.pinned()
