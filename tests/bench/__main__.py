# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The full bench: `python3 -m bench`. Prints the table; exits with 1 when a bar is missed."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fleet import CHECKOUT
from lab import GIB, Lab, NodeSpec

from . import locks, report, simulated, suite
from .rows import Row
from .ways import Site

_LOG = CHECKOUT / "build" / "bench.log"
Part = tuple[str, Sequence[NodeSpec], Callable[[Site], list[Row]]]
_EDGE = [NodeSpec("edge1", store_size=4 * GIB)]
_THREE = [NodeSpec(f"edge{number}") for number in (1, 2, 3)]
_PARTS: Sequence[Part] = (
    ("release-like pulls", _EDGE, suite.release_pulls),
    ("pulls of another shape", _EDGE, suite.services_pulls),
    ("pulls over one layer", _EDGE, suite.one_layer_pulls),
    ("pulls with fewer and more at once", _EDGE, suite.at_once_pulls),
    ("pulls to a half-filled store", _EDGE, suite.half_filled_pulls),
    (
        "storage",
        [NodeSpec("ext4", store_size=4 * GIB), NodeSpec("xfs", store_fs="xfs")],
        suite.storage_rows,
    ),
    ("plan", [NodeSpec("edge1", store_size=8 * GIB)], suite.plan_rows),
    ("lock", _EDGE, locks.lock_rows),
    ("converged", _THREE, suite.converged_rows),
)


def main() -> int:
    """Simulate, start a lab, then run every part; what the playbooks say goes to build/bench.log."""
    started = time.monotonic()
    rows = [*simulated.simulated_rows(), _lab_row()]
    _LOG.parent.mkdir(exist_ok=True)
    with _LOG.open("w") as log:
        for title, nodes, part in _PARTS:
            begun = time.monotonic()
            with contextlib.redirect_stdout(log):
                rows += _run(nodes, part)
            print(f"{title}: {time.monotonic() - begun:.0f} s", flush=True)
            report.write_result(rows, time.monotonic() - started)
    report.write_page()
    print(f"\n{report.render_table(rows)}\n")
    missed = [row for row in rows if not row.met]
    print(f"{len(rows) - len(missed)} of {len(rows)} figures meet their bars")
    return 1 if missed else 0


def _lab_row() -> Row:
    """How long nodes and registry take until all answer."""
    begun = time.monotonic()
    with Lab.up(_THREE):
        return Row("lab_up_seconds", "3 nodes", 1, time.monotonic() - begun, 15, {}, "s")


def _run(nodes: Sequence[NodeSpec], part: Callable[[Site], list[Row]]) -> list[Row]:
    with tempfile.TemporaryDirectory() as work, Lab.up(nodes) as lab:
        return part(Site(lab, Path(work)))


if __name__ == "__main__":
    sys.exit(main())
