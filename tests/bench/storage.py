# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about the storage check: what it said a pull would take, against what the pull took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab import Node
from lab.payload import PushedImage

from . import payloads, probe, ways
from .rows import TWICE_COMPRESSED, Row

_BAR = 0.02


def unlimited_pull_row(
    site: ways.Site, node: Node, payload: str, seed: int, images: Sequence[PushedImage]
) -> Row:
    """Pull with the product to an empty store, over a link without a limit."""
    lock = site.lock(f"{payload}-{seed}", images)
    site.forget(node)
    before = probe.used_store_bytes(node)
    ways.pull_with_the_product(site, node, lock)
    used = probe.used_store_bytes(node) - before
    check = probe.only(probe.recorded(node), "node_storage_check").result
    return row(payload, seed, check, used, payloads.missing_layer_bytes(images))


def row(
    payload: str, seed: int, check: Mapping[str, Any], used_bytes: int, compressed_bytes: int
) -> Row:
    """How far the result of a check was off what was used; OpenShift's rule beside it."""
    (room,) = [one for one in check["filesystems"] if "images" in one["uses"]]
    return Row(
        "storage_prediction_error",
        payload,
        seed,
        abs(room["image_bytes"] / used_bytes - 1),
        _BAR,
        {TWICE_COMPRESSED: abs(2 * compressed_bytes / used_bytes - 1)},
        "of what was used",
    )
