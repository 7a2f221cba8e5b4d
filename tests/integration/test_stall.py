# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A link that goes silent in the middle of a layer, one that is only slow, and what dead pulls leave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from fleet import JOURNAL, Fleet, Run, has_file
from lab import GIB, MIB, Lab, Node, NodeSpec
from lab.network import REGISTRY_HOST
from lab.oci import LayerSpec
from lab.payload import ImageSpec, Payload, PushedImage
from lab.processes import wait_for
from lab.registry import NAMESPACE

STAGED = "/var/tmp/container_images_storage"
# A large layer takes 8 s at 4 Mbit/s; a small one, with the layer of 1 MB that all images of the lab
# share, takes more than half a minute at 256 kbit/s.
LARGE, SMALL = 4 * MIB, MIB // 32
RATE, SLOW_RATE = 4_000_000, 256_000


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One node and a registry."""
    with Lab.up([NodeSpec("node1", store_size=2 * GIB)]) as up:
        yield up


@pytest.fixture(scope="module")
def images(lab: Lab) -> list[PushedImage]:
    """Two images with a layer each that takes its time, and one that is small."""
    sizes = {"a": LARGE, "b": LARGE, "small": SMALL}
    specs = (
        ImageSpec(f"stall/{name}", (LayerSpec(f"stall-{name}", files=20, size=size),))
        for name, size in sizes.items()
    )
    return lab.push(Payload("stall", tuple(specs)))


@pytest.fixture
def site(lab: Lab, images: list[PushedImage], tmp_path: Path) -> Iterator[Fleet]:
    """A node that never saw us, and a link without limits afterwards."""
    del images
    fleet = Fleet(lab, tmp_path)
    fleet.reset()
    yield fleet
    lab.network.unlimit(NAMESPACE)


def locked(site: Fleet, images: list[PushedImage]) -> str:
    """Lock images while the link is good; return the lock's path."""
    lock = site.work / "lock.yml"
    assert site.lock([str(site.set_file("set", images))], lock).rc == 0
    return str(lock)


def staged_bytes(node: Node) -> int:
    """Return how much of layers lies in CRI-O's temporary directory."""
    listed = node.exec(["sh", "-c", f"cat {STAGED}*/* 2>/dev/null | wc -c"], check=False).stdout
    return int(listed)


def pulls_on(node: Node) -> set[str]:
    """Return the processes of crictl."""
    return set(node.exec(["pidof", "crictl"], check=False).stdout.split())


def pulls_told(node: Node) -> list[str]:
    """Return the journal's lines about pulls."""
    return [line for line in node.read(JOURNAL).splitlines() if '"pull"' in line]


def in_background(run: Callable[[], Run]) -> tuple[threading.Thread, list[Run]]:
    """Start a run; its result is in the list when the thread has ended."""
    ended: list[Run] = []
    thread = threading.Thread(target=lambda: ended.append(run()))
    thread.start()
    return thread, ended


def test_a_silent_link_is_found_out_and_waited_for(site: Fleet, images: list[PushedImage]) -> None:
    """Packets go nowhere, nothing is reset: pulls are ended, tried again, and done when it is back."""
    node, lock = site.node("node1"), locked(site, images[:2])
    site.lab.network.limit(NAMESPACE, RATE)
    thread, ended = in_background(
        lambda: site.pin(
            pin_images_lock=lock, pin_images_retries=9, pin_images_pull_stall_timeout=3
        )
    )
    # The second one starts when what it shares with the first is there.
    wait_for(lambda: len(pulls_on(node)) == 2, "two pulls at once", seconds=60)
    with site.lab.network.silent(REGISTRY_HOST):
        before = pulls_on(node)
        wait_for(lambda: not before & pulls_on(node), "both to be ended", seconds=20)
    thread.join()
    assert ended[0].rc == 0
    assert {one.reference for one in images[:2]} <= node.pinned()
    # One of them may have been complete just before the silence.
    assert any(one["attempts"] > 1 for one in ended[0].node("node1")["images"])


def test_a_slow_link_is_let_go_on(site: Fleet, images: list[PushedImage]) -> None:
    """At 256 kbit/s the image takes longer than a pull may stand still; it comes at the first try."""
    lock = locked(site, images[2:])
    site.lab.network.limit(NAMESPACE, SLOW_RATE)
    # A queue that overflows makes TCP itself wait for a second or two now and then.
    run = site.pin(pin_images_lock=lock, pin_images_retries=0, pin_images_pull_stall_timeout=10)
    assert run.rc == 0
    (image,) = run.node("node1")["images"]
    assert (image["outcome"], image["attempts"]) == ("pulled", 1)
    began, ended = (json.loads(line)["time"] for line in pulls_told(site.node("node1")))
    assert (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).seconds > 20


def test_what_a_killed_crio_left_is_given_back(site: Fleet, images: list[PushedImage]) -> None:
    """Its folders go with the next pull; one that somebody has open, or made since, stays."""
    node, lock = site.node("node1"), locked(site, images[:1])
    site.lab.network.limit(NAMESPACE, RATE)
    thread, ended = in_background(lambda: site.pin(pin_images_lock=lock, pin_images_retries=0))
    wait_for(lambda: staged_bytes(node) > MIB, "the first bytes of layers", seconds=60)
    held, young = f"{STAGED}777", f"{STAGED}888"
    node.exec(["sh", "-c", f"mkdir -m 700 {held}; echo x >{held}/1"])
    time.sleep(1)
    node.exec(["sh", "-c", "kill -9 $(pidof crio)"])
    thread.join()
    assert ended[0].rc != 0
    wait_for(lambda: node.exec(["crictl", "ps"], check=False).returncode == 0, "CRI-O", seconds=30)
    left = node.exec(["sh", "-c", f"ls -d {STAGED}*"]).stdout.split()
    assert len(left) == 2
    time.sleep(2)
    node.exec(["sh", "-c", f"mkdir -m 700 {young}; touch {young}/1"])
    node.exec(["sh", "-c", f"exec 9<{held}/1; sleep 900 >/dev/null 2>&1 & echo $! >/run/holder"])
    node.write("/etc/crio/.50-pinned-images.edgefleet-new", "torn")
    try:
        predicted = site.pin("--check", pin_images_lock=lock)
        assert predicted.rc == 0
        assert set(node.exec(["sh", "-c", f"ls -d {STAGED}*"]).stdout.split()) == {*left, young}
        assert site.pin(pin_images_lock=lock).rc == 0
        assert set(node.exec(["sh", "-c", f"ls -d {STAGED}*"]).stdout.split()) == {held, young}
        assert not has_file(node, "/etc/crio/.50-pinned-images.edgefleet-new")
    finally:
        node.exec(["sh", "-c", f"kill $(cat /run/holder); rm -rf {held} {young}"])
    assert site.pin(pin_images_lock=lock).changed()["node1"] == 0
