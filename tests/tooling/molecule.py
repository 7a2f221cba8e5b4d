# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the molecule scenario of every role, and sum up as pytest does.

python3 -m tooling.molecule [scenario ...]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import take_down

ROOT = Path(__file__).resolve().parents[2]


def roles() -> list[str]:
    """Return the names of the roles: each has a scenario of its name."""
    return sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


def run(scenario: str) -> bool:
    """Run one scenario from create to destroy; show all that it said when it fails."""
    started = time.monotonic()
    lab = f"m-{scenario.replace('_', '-')}"
    # One that was interrupted, by more than Ctrl-C, has left its own; and molecule, in a folder
    # that it would find again, the note that its node is there.
    take_down(lab)
    try:
        with tempfile.TemporaryDirectory(prefix=f"molecule-{scenario}-") as notes:
            done = subprocess.run(
                ["molecule", "test", "--scenario-name", scenario],
                cwd=ROOT,
                env={**os.environ, "MOLECULE_EPHEMERAL_DIRECTORY": notes},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
    finally:
        take_down(lab)
    passed = done.returncode == 0
    if not passed:
        print(done.stdout)
    word = "passed" if passed else "failed"
    print(f"{scenario}: {word} ({time.monotonic() - started:.1f} s)", flush=True)
    return passed


def main(scenarios: list[str]) -> int:
    """Run these scenarios, or all, as many at once as there are processors; 1 when one fails."""
    started = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(run, scenarios or roles()))
    counts = {"failed": outcomes.count(False), "passed": outcomes.count(True)}
    said = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    print(f"{said} in {time.monotonic() - started:.2f}s")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
