# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about runs on nodes on which all is well, and on nodes whose stores were wiped after that."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fleet import CHECKOUT
from lab.payload import PushedImage

from . import payloads, probe, ways
from .rows import NAIVE, Row

_PAYLOAD = "100 images, 3 nodes"
_SEED = 1
# What Ansible is given beside the rest.
Variables = Mapping[str, str]


@dataclass(frozen=True)
class Cost:
    """What a run took beside a ping, and how many modules it ran on the busiest node.

    `received` are the bytes that a node received beside those of a ping.
    """

    time: float
    received: float
    modules: int


def converged_rows(
    site: ways.Site, images: Sequence[PushedImage], pairs: int, naive: bool
) -> list[Row]:
    """Bring all nodes to the images, then measure runs that find nothing to do, beside pings."""
    nodes, lock = site.lab.nodes, site.lock("converged", images)
    site.pin(lock, *nodes)

    def again(variables: Variables) -> None:
        if set(site.pin(lock, *nodes, **variables).changed().values()) != {0}:
            raise ways.WayFailed("a run on converged nodes changed something")

    def naively(variables: Variables) -> None:
        site.pin_naively(images, *nodes, **variables)

    ours = _cost(site, again, pairs)
    today = {NAIVE: _cost(site, naively, 1)} if naive else {}
    return [
        _row("converged_ratio", ours.time, 1.5, {name: cost.time for name, cost in today.items()}),
        _row(
            "converged_upload_ratio",
            ours.received,
            1.3,
            {name: cost.received for name, cost in today.items()},
        ),
        _row(
            "converged_tasks_per_node",
            ours.modules,
            1,
            {name: cost.modules for name, cost in today.items()},
            "tasks",
        ),
    ]


def wiped_rows(site: ways.Site, images: Sequence[PushedImage], pairs: int) -> list[Row]:
    """Wipe the stores of nodes that hold the images; measure knowing it, and having all again."""
    nodes, lock = site.lab.nodes, site.lock("converged", images)
    for node in nodes:
        node.wipe_store()

    def look(variables: Variables) -> None:
        if site.product.play("verify_images", pin_images_lock=str(lock), **variables).rc == 0:
            raise ways.WayFailed("nodes with wiped stores were found whole")

    looking = _cost(site, look, pairs)
    mark = site.lab.registry.mark()
    site.pin(lock, *nodes)
    served = site.lab.registry.bytes_by_client(mark)
    missing = payloads.missing_layer_bytes(images, ())
    healed = max(served[node.address] for node in nodes) / missing
    return [
        _row("wiped_look_ratio", looking.time, 1.5, {}),
        _row("wiped_tasks_per_node", looking.modules, 1, {}, "tasks"),
        _row("healed_body_bytes_ratio", healed, 1.02, {}),
    ]


def _row(
    key: str, value: float, most: float, today: Mapping[str, float], unit: str = "ratio"
) -> Row:
    return Row(key, _PAYLOAD, _SEED, value, most, today, unit)


def _cost(site: ways.Site, run: Callable[[Variables], None], pairs: int) -> Cost:
    """Measure a run beside pings: the time in pairs, as the machine's speed drifts."""
    # The first ping opens the connections that all others use.
    _ping(site)
    times, received = [], []
    for _pair in range(pairs):
        ping_seconds, pinged = _watched(site, lambda: _ping(site))
        run_seconds, ran = _watched(site, lambda: run({}))
        times.append(run_seconds / ping_seconds)
        received.append(max(ran[name] / pinged[name] for name in ran))
    variables = [probe.start_recording(node) for node in site.lab.nodes]
    run(variables[0])
    modules = max(len(probe.recorded(node)) for node in site.lab.nodes)
    return Cost(statistics.median(times), statistics.median(received), modules)


def _watched(site: ways.Site, act: Callable[[], None]) -> tuple[float, dict[str, int]]:
    """The seconds that something took, and the bytes that each node received meanwhile."""
    before = {node.name: probe.received_bytes(node) for node in site.lab.nodes}
    started = time.monotonic()
    act()
    seconds = time.monotonic() - started
    return seconds, {
        node.name: probe.received_bytes(node) - before[node.name] for node in site.lab.nodes
    }


def _ping(site: ways.Site) -> None:
    subprocess.run(
        ["ansible", "edge", "-i", str(site.lab.inventory), "-m", "ansible.builtin.ping"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
