# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about planning: what the modules that plan on a node need for very large locks."""

from __future__ import annotations

import hashlib
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LayerMeasure,
)
from fleet import Control, Fleet
from lab import Node

from . import probe, ways
from .payloads import drawn
from .rows import Row

# Small, so that the locks fit on the bench's disks; planning does not depend on sizes.
_KIB = 1024
_MEASURE = vars(
    LayerMeasure(blocks=20, directories=3, inodes=8, ext4_blocks=3, xfs_blocks=0, tar_split=900)
)


@dataclass(frozen=True)
class Large:
    """A lock to plan, the prefix of its figures, and their bars: pings, CPU seconds and MB.

    Each image stands on `lower` of the layers that images share, and has `own` ones beside.
    """

    key: str
    payload: str
    images: int
    shared: int
    lower: int
    own: int
    most_pings: float
    most_seconds: float
    most_megabytes: float


MANY_LAYERS = Large("plan", "500 images, 5,000 layers", 500, 500, 6, 9, 5, 1, 100)
# Two layers each: what is planned for has to have room and inodes for them.
MANY_REFERENCES = Large("plan_references", "10,000 images", 10_000, 500, 1, 1, 12, 2, 200)


def plan_rows(site: ways.Site, node: Node, large: Large, seed: int) -> list[Row]:
    """Let a node plan pulling a lock of which it has nothing; nothing is pulled."""
    control = Control(folder=Path(__file__).parent, playbook="plan.yml")
    variables = probe.start_recording(node)
    given = site.work / f"{large.key}.json"
    given.write_text(json.dumps({"bench_locked": locked_images(large, seed)}))
    run = Fleet(site.lab, site.work, control).play(
        "plan", "--check", "--limit", node.name, "-e", f"@{given}", **variables
    )
    if run.rc != 0:
        raise ways.WayFailed(run.output[-3000:])
    runs = probe.recorded(node)
    ping = statistics.median(run.cpu_seconds for run in runs if run.module == "ping")
    rows = []
    for module in ("node_storage_check", "pinned_image_set"):
        one = probe.only(runs, module)
        payload = f"{large.payload}, {module}"
        cpu, peak = one.cpu_seconds, one.peak_bytes / 1e6
        rows += [
            Row(f"{large.key}_cpu_ratio", payload, seed, cpu / ping, large.most_pings, {}),
            Row(f"{large.key}_cpu_seconds", payload, seed, cpu, large.most_seconds, {}, "s"),
            Row(f"{large.key}_peak_memory", payload, seed, peak, large.most_megabytes, {}, "MB"),
        ]
    return rows


def locked_images(large: Large, seed: int) -> dict[str, list[dict[str, Any]]]:
    """The part of a measured lock that a node is given: images over shared layers and some of their own."""
    source = drawn(f"plan-{seed}")
    shared = [_digest(f"shared {number}") for number in range(large.shared)]
    images = []
    for number in range(large.images):
        own = [_digest(f"own {number} {level}") for level in range(large.own)]
        reference = f"registry.example.com/fleet/app-{number:03d}@{_digest(f'image {number}')}"
        images.append(
            {"reference": reference, "layers": [*source.sample(shared, large.lower), *own]}
        )
    digests = sorted({digest for image in images for digest in image["layers"]})
    layers = [
        {"digest": digest, "size": source.randint(1, 40 * _KIB), **_MEASURE} for digest in digests
    ]
    return {"images": images, "layers": layers}


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
