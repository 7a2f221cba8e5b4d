# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about the pull: bytes that cross the uplink, and the time that this takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from lab import Node
from lab.payload import PushedImage
from lab.registry import NAMESPACE

from . import payloads, probe, storage, ways
from .rows import BLIND, BLIND_PAUSED, NAIVE, Row

MBIT = 1_000_000
# Frames, IP and TCP headers of full packets, and HTTP's: bytes on the wire for a byte of a body.
_HEADERS = 1.027
_BYTES_BAR = 1.02
TIME_BARS = {25: 1.06, 100: 1.25}
# Ours: any other `max_parallel` may be so much better than the default, which has to do everywhere.
_AT_ONCE_BAR = 1.1


@dataclass(frozen=True)
class Task:
    """Images for a node behind a link of `rate` Mbit/s, of which it has some already.

    `timed` tasks have a bar for the time as well.
    """

    payload: str
    seed: int
    images: Sequence[PushedImage]
    rate: int
    present: Sequence[PushedImage] = ()
    bytes_bar: float = _BYTES_BAR
    timed: bool = False

    @property
    def missing_bytes(self) -> int:
        """What must cross the link, each layer once."""
        return payloads.missing_layer_bytes(self.images, self.present)

    @property
    def limit_seconds(self) -> float:
        """The time that the link needs for it."""
        return self.missing_bytes * 8 * _HEADERS / (self.rate * MBIT)


@dataclass(frozen=True)
class Pull:
    """What one way took: seconds, bytes of bodies that the registry served, bytes on the disk."""

    seconds: float
    served_bytes: int
    used_bytes: int


def pull_rows(
    site: ways.Site, node: Node, task: Task, today: Sequence[str] = (BLIND, BLIND_PAUSED, NAIVE)
) -> list[Row]:
    """Pull with the product and with these of today's ways, each time to the same store."""
    lock = site.lock(f"{task.payload}-{task.seed}", task.images)
    ways_of: Mapping[str, Callable[[], float]] = {
        BLIND: lambda: ways.pull_blindly(node, task.images, pause=0),
        BLIND_PAUSED: lambda: ways.pull_blindly(node, task.images, pause=1),
        NAIVE: lambda: ways.pull_naively(site, node, task.images),
    }
    ours = _measured(site, node, task, lambda: ways.pull_with_the_product(site, node, lock))
    check = probe.only(probe.recorded(node), "node_storage_check").result
    others = {name: _measured(site, node, task, ways_of[name]) for name in today}
    payload = f"{task.payload}, {task.rate} Mbit"
    rows = [
        Row(
            "uplink_body_bytes_ratio",
            payload,
            task.seed,
            ours.served_bytes / task.missing_bytes,
            task.bytes_bar,
            {name: pull.served_bytes / task.missing_bytes for name, pull in others.items()},
        ),
        storage.row(payload, task.seed, check, ours.used_bytes, task.missing_bytes),
    ]
    if task.timed:
        rows.append(
            Row(
                "cold_time_ratio",
                payload,
                task.seed,
                ours.seconds / task.limit_seconds,
                TIME_BARS[task.rate],
                {name: pull.seconds / task.limit_seconds for name, pull in others.items()},
            )
        )
    return rows


def at_once_rows(site: ways.Site, node: Node, task: Task, others: Sequence[int]) -> list[Row]:
    """Pull with the default of `max_parallel`, and with each of others in its place."""
    lock = site.lock(f"{task.payload}-{task.seed}", task.images)

    def seconds(**variables: object) -> float:
        way = partial(ways.pull_with_the_product, site, node, lock, **variables)
        return _measured(site, node, task, way).seconds

    default = seconds()
    payload = f"{task.payload}, {task.rate} Mbit"
    return [
        Row(
            "default_at_once_ratio",
            f"{payload}, beside {other} at once",
            task.seed,
            default / seconds(pin_images_max_parallel=other),
            _AT_ONCE_BAR,
            {},
        )
        for other in others
    ]


def _measured(site: ways.Site, node: Node, task: Task, way: Callable[[], float]) -> Pull:
    site.forget(node, task.present)
    mark, before = site.lab.registry.mark(), probe.used_store_bytes(node)
    site.lab.network.limit(NAMESPACE, task.rate * MBIT)
    try:
        seconds = way()
    finally:
        site.lab.network.unlimit(NAMESPACE)
    served = site.lab.registry.bytes_by_client(mark)[node.address]
    return Pull(seconds, served, probe.used_store_bytes(node) - before)
