# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the unit tests on every ansible-core of the matrix; the newest only where there is a Python for it."""

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
    for version, reason in missing.items():
        print(f"ansible-core {version} is left out: {reason}")
    # Only the newest wants a newer Python than Debian 12 has.
    return 1 if red or missing.keys() - {venvs.MATRIX[-1].version} else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
