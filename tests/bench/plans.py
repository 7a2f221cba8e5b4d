# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about planning: what the modules that plan on a node need for a very large lock."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fleet import Control, Fleet
from lab import Node

from . import probe, ways
from .payloads import drawn
from .rows import Row

_PAYLOAD = "500 images, 5,000 layers"
_IMAGES = 500
_SHARED_LAYERS = 500
_OWN_LAYERS = 9
# Small, so that the lock fits on the bench's disks; planning does not depend on sizes.
_KIB = 1024


def plan_rows(site: ways.Site, node: Node, seed: int) -> list[Row]:
    """Let a node plan pulling a lock of which it has nothing; nothing is pulled."""
    control = Control(folder=Path(__file__).parent, playbook="plan.yml")
    variables = probe.start_recording(node)
    given = site.work / "locked.json"
    given.write_text(json.dumps({"bench_locked": locked_images(seed)}))
    run = Fleet(site.lab, site.work, control).play(
        "plan", "--check", "--limit", node.name, "-e", f"@{given}", **variables
    )
    if run.rc != 0:
        raise ways.WayFailed(run.output[-3000:])
    runs = probe.recorded(node)
    rows = []
    for module in ("node_storage_check", "pinned_image_set"):
        one = probe.only(runs, module)
        payload = f"{_PAYLOAD}, {module}"
        rows += [
            Row("plan_cpu_seconds", payload, seed, one.cpu_seconds, 1, {}, "s"),
            Row("plan_peak_memory", payload, seed, one.peak_bytes / 1e6, 100, {}, "MB"),
        ]
    return rows


def locked_images(seed: int) -> dict[str, object]:
    """The part of a lock that a node is given: images over shared layers, with some of their own."""
    source = drawn(f"plan-{seed}")
    shared = [_digest(f"shared {number}") for number in range(_SHARED_LAYERS)]
    images = []
    for number in range(_IMAGES):
        own = [_digest(f"own {number} {level}") for level in range(_OWN_LAYERS)]
        reference = f"registry.example.com/fleet/app-{number:03d}@{_digest(f'image {number}')}"
        images.append({"reference": reference, "layers": [*source.sample(shared, 6), *own]})
    digests = sorted({digest for image in images for digest in image["layers"]})
    layers = [{"digest": digest, "size": source.randint(1, 40 * _KIB)} for digest in digests]
    return {"images": images, "layers": layers}


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
