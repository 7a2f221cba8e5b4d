# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run gates, all of them also when one fails, and sum up.

    python3 -m tooling.gates lint types unit ... --alone integration ...

Those before `--alone` run as many at once as there are processors, the others one after the other:
nodes and times are measured there. A gate is a target of the Makefile. One that runs pytest counts as its tests, any other as one. Nothing
may be skipped: pytest's summary with a skipped or expected failure in it fails the gate.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# pytest's last line, e.g. "==== 2 failed, 311 passed in 4.21s ====", also without the frame (-q).
PYTEST_SUMMARY = re.compile(r"^=* ?((?:\d+ [a-z]+(?:, )?)+) in [0-9.]+s(?: \([0-9:]+\))? ?=*$")
NOT_RUN = {"skipped", "xfailed", "xpassed", "deselected"}


@dataclass(frozen=True)
class Outcome:
    """What a gate came to: tests passed and failed, why it is red, seconds."""

    gate: str
    passed: int
    failed: int
    remark: str
    seconds: float


def outcome_of(gate: str, return_code: int, output: list[str], seconds: float) -> Outcome:
    """Judge a gate by its return code and by what pytest, if it ran, said at its end."""
    counts: dict[str, int] = {}
    for line in output:
        if summary := PYTEST_SUMMARY.match(line.strip()):
            for number, word in re.findall(r"(\d+) ([a-z]+)", summary[1]):
                counts[word] = counts.get(word, 0) + int(number)
    passed = counts.get("passed", 0)
    failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    remarks = [f"{counts[word]} {word}" for word in sorted(NOT_RUN & counts.keys())]
    if return_code:
        remarks.append(f"ended with {return_code}")
    if not counts:
        passed, failed = (0, 1) if remarks else (1, 0)
    return Outcome(gate, passed, max(failed, 1) if remarks else failed, ", ".join(remarks), seconds)


def run_beside_others(gate: str) -> Outcome:
    """Run one gate, its output shown in one piece at its end."""
    output: list[str] = []
    outcome = _run(gate, output.append)
    print(_heading(gate), *output, sep="", end="", flush=True)
    return outcome


def run_alone(gate: str) -> Outcome:
    """Run one gate, its output passed on line by line."""
    print(_heading(gate), end="", flush=True)
    return _run(gate, lambda line: print(line, end="", flush=True))


def _heading(gate: str) -> str:
    return f"\n===== {gate} =====\n"


def _run(gate: str, show: Callable[[str], None]) -> Outcome:
    started = time.monotonic()
    output = []
    with subprocess.Popen(
        ["make", "--no-print-directory", gate],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout
        for line in process.stdout:
            show(line)
            output.append(line)
    return outcome_of(gate, process.wait(), output, time.monotonic() - started)


def summary(outcomes: list[Outcome], seconds: float) -> str:
    """Return a table of the gates and, as its last line, how many tests passed and failed."""
    lines = ["", f"{'gate':<14}{'passed':>8}{'failed':>8}{'seconds':>9}"]
    lines += [
        f"{o.gate:<14}{o.passed:>8}{o.failed:>8}{o.seconds:>9.1f}  {o.remark}".rstrip()
        for o in outcomes
    ]
    passed, failed = sum(o.passed for o in outcomes), sum(o.failed for o in outcomes)
    lines.append(f"{'all':<14}{passed:>8}{failed:>8}{seconds:>9.1f}")
    return "\n".join([*lines, "", f"{passed} passed, {failed} failed"])


def main(arguments: list[str]) -> int:
    """Run the gates; 1 when one of them is red."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gates", nargs="*", help="run beside one another")
    parser.add_argument(
        "--alone", nargs="*", default=[], help="run one after the other, after them"
    )
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outcomes = list(pool.map(run_beside_others, chosen.gates))
        outcomes += map(run_alone, chosen.alone)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    print(summary(outcomes, time.monotonic() - started))
    return 1 if any(outcome.failed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
