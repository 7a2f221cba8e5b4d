# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about the storage check: what it said a pull would take, against what the pull took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import Node
from lab.payload import PushedImage

from . import payloads, probe, ways
from .rows import TWICE_COMPRESSED, Row

_BAR = 0.02
# Without measures: never under what is used, and at most half of it above.
_UNMEASURED_LEAST, _UNMEASURED_BAR = 0.0, 0.5


def unlimited_pull_rows(
    site: ways.Site, node: Node, payload: str, seed: int, images: Sequence[PushedImage]
) -> list[Row]:
    """Pull with the product to an empty store, over a link without a limit."""
    lock = site.lock(f"{payload}-{seed}", images)
    unmeasured_lock = site.lock(f"{payload}-{seed}-unmeasured", images, measure=False)
    site.forget(node)
    unmeasured = _check_alone(site, node, unmeasured_lock)
    before = probe.used_store_bytes(node)
    ways.pull_with_the_product(site, node, lock)
    used = probe.used_store_bytes(node) - before
    check = probe.only(probe.recorded(node), "node_storage_check").result
    compressed = payloads.missing_layer_bytes(images)
    return [
        row(payload, seed, check, used, compressed),
        unmeasured_row(payload, seed, unmeasured, used, compressed),
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
