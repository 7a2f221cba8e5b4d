# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about the storage check: what it said a pull would take, against what the pull took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import Node
from lab.payload import PushedImage

from . import payloads, probe, ways
from .rows import TWICE_COMPRESSED, Row

_BAR = 0.02
# Without measures: never under what is used, and at most half of it above.
_UNMEASURED_LEAST, _UNMEASURED_BAR = 0.0, 0.5


@dataclass(frozen=True)
class Fill:
    """Images of one payload for a node's store, which has those that are `present` already."""

    payload: str
    seed: int
    images: Sequence[PushedImage]
    present: Sequence[PushedImage] = ()


def unlimited_pull_rows(site: ways.Site, node: Node, fill: Fill) -> list[Row]:
    """Check without measures, then pull with the product over a link without a limit."""
    # In this order: what was measured once is known to every lock after that.
    unmeasured_lock = site.lock(f"{fill.payload}-unmeasured", fill.images, measure=False)
    lock = site.lock(fill.payload, fill.images)
    site.forget(node, fill.present)
    unmeasured = _check_alone(site, node, unmeasured_lock)
    before = probe.used_store_bytes(node)
    ways.pull_with_the_product(site, node, lock)
    used = probe.used_store_bytes(node) - before
    check = probe.only(probe.recorded(node), "node_storage_check").result
    compressed = payloads.missing_layer_bytes(fill.images, fill.present)
    title = f"{fill.payload}{' on half of it' if fill.present else ''}, {node.name}"
    return [
        row(title, fill.seed, check, used, compressed),
        unmeasured_row(title, fill.seed, unmeasured, used, compressed),
    ]


def row(
    payload: str, seed: int, check: Mapping[str, Any], used_bytes: int, compressed_bytes: int
) -> Row:
    """How far the result of a check was off what was used; OpenShift's rule beside it."""
    return Row(
        "storage_prediction_error",
        payload,
        seed,
        abs(_predicted(check) / used_bytes - 1),
        _BAR,
        {TWICE_COMPRESSED: abs(2 * compressed_bytes / used_bytes - 1)},
        "of what was used",
    )


def unmeasured_row(
    payload: str, seed: int, check: Mapping[str, Any], used_bytes: int, compressed_bytes: int
) -> Row:
    """By how much a check without measures was above what was used, below it where negative."""
    return Row(
        "storage_prediction_unmeasured",
        payload,
        seed,
        _predicted(check) / used_bytes - 1,
        _UNMEASURED_BAR,
        {TWICE_COMPRESSED: 2 * compressed_bytes / used_bytes - 1},
        "of what was used",
        _UNMEASURED_LEAST,
    )


def _check_alone(site: ways.Site, node: Node, lock: Path) -> dict[str, Any]:
    """Let the product check the storage for a lock, and pull nothing."""
    site.pin(lock, node, check=True, **probe.start_recording(node))
    return probe.only(probe.recorded(node), "node_storage_check").result


def _predicted(check: Mapping[str, Any]) -> int:
    (room,) = [one for one in check["filesystems"] if "images" in one["uses"]]
    predicted: int = room["image_bytes"]
    return predicted
