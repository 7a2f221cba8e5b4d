# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about locking: many images for the first time, and again when nothing has changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from fleet import Fleet

from . import payloads, ways
from .rows import Row


def lock_rows(site: ways.Site) -> list[Row]:
    """Lock 200 images twice, written by digest and written by tag."""
    images = site.lab.push(payloads.many_small())
    written = {
        "by digest": [image.reference for image in images],
        "by tag": [f"{image.name}:{image.tag}" for image in images],
    }
    rows = []
    for number, (title, references) in enumerate(written.items()):
        # Manifests are kept beside the fleet's other files.
        work = site.work / f"locking-{number}"
        work.mkdir()
        cold, again = lock_twice(Fleet(site.lab, work), references, work / "many.lock.yml")
        payload = f"{len(images)} images {title}"
        rows += [
            Row("lock_cold_seconds", payload, 1, cold, 10, {}, "s"),
            Row("lock_again_seconds", payload, 1, again, 2, {}, "s"),
        ]
    return rows


def lock_twice(fleet: Fleet, references: Sequence[str], path: Path) -> tuple[float, float]:
    """Lock images to a file that is not there, then again; returns the seconds of the two runs.

    They are those of `ansible-playbook`. The first is cold when nothing was locked in the fleet's
    folder before, where the manifests are kept; the second has to find nothing to do.
    """
    source = {"images": list(references), "pool": "edge"}
    taken = []
    for changes in (1, 0):
        started = time.monotonic()
        run = fleet.play("lock_images", pin_images_sources=[source], pin_images_lock=str(path))
        taken.append(time.monotonic() - started)
        if run.rc != 0 or run.changed() != {"localhost": changes}:
            raise ways.WayFailed(run.output[-3000:])
    cold, again = taken
    return cold, again
