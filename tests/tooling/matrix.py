# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the unit tests on every ansible-core of the matrix that this machine has a Python for."""

from __future__ import annotations

import subprocess
import sys

from tooling import venvs


def main(arguments: list[str]) -> int:
    """Build what is missing, run pytest with ``arguments`` in each; 1 when one of them is red."""
    venvs.main(["matrix"])
    present, missing = venvs.matrix()
    red = 0
    for version, directory in present:
        python = venvs.python_version(directory / "python")
        print(f"\n--- ansible-core {version} on Python {python}", flush=True)
        command = [str(directory / "python"), "-m", "pytest", "-q", "tests/unit", *arguments]
        red += subprocess.run(command, cwd=venvs.ROOT, check=False).returncode != 0
    for reason in missing:
        print(f"left out: {reason}")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
