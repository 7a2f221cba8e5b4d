# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suite, its cases shared out among labs of their own: `python3 -m faults [what pytest takes]`.

Prints a table of what was injected and keeps it as build/faults.json; exits with 1 when a case failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fleet import CHECKOUT

from .fault import read_cases, summary, write_cases

# A run of ansible-playbook takes one core most of the time, and waits for the rest of it.
_LABS = 2


def main(arguments: list[str]) -> int:
    """Run the parts beside each other, and sum up."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{number}.json") for number in range(1, _LABS + 1)]
        running = [
            _start(f"--part={number}/{_LABS}", f"--cases={file}", *arguments)
            for number, file in enumerate(files, 1)
        ]
        try:
            with ThreadPoolExecutor(_LABS) as pool:
                list(pool.map(_pass_on, running))
        finally:
            # After Ctrl-C, which they had as well, they take their labs down.
            codes = [one.wait() for one in running]
        cases = [case for file in files if file.exists() for case in read_cases(file)]
    print("\n".join(("", *summary(cases))))
    write_cases(CHECKOUT / "build" / "faults.json", cases)
    return 1 if any(codes) else 0


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "tests/faults", "-v", *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )


def _pass_on(part: subprocess.Popen[str]) -> None:
    """Print what a part prints, line by line, so that no two are mixed up."""
    assert part.stdout
    for line in part.stdout:
        print(line, end="", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
