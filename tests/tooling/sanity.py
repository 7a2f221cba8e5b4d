# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test sanity in a clean copy, on every Python that this machine really has.

A skipped test fails. Only one thing may be missing: an interpreter that is not on this machine, and then
the output says which. (That node-side code keeps to the grammar of Python 3.8 is tested in any case.)
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tooling import tree, venvs

MISSING_PYTHON = re.compile(r"Skipping .* on Python (\d+\.\d+) because it could not be found")
SKIPPED = re.compile(r"\bskipp(?:ed|ing)\b", re.IGNORECASE)
# ansible-test makes environments without pip and downloads get-pip from a site of its own, unless it
# finds it here (ansible-core 2.19). Python brings its pip along; nothing needs to be downloaded.
GET_PIP = ".ansible/test/cache/get_pip_24_2.py"
PIP_OF_PYTHON = """\
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip", "--upgrade"], stdout=subprocess.DEVNULL)
packages = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
if packages:
    subprocess.check_call([sys.executable, "-m", "pip", "install", *packages])
"""


def home() -> Path:
    """Return a home for ansible-test in the cache: its environments, and pip as the user set it up."""
    directory = venvs.cache_directory() / "ansible-test"
    get_pip = directory / GET_PIP
    get_pip.parent.mkdir(parents=True, exist_ok=True)
    get_pip.write_text(PIP_OF_PYTHON)
    for settings in (".config/pip", ".pip"):
        link = directory / settings
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(Path.home() / settings)
    return directory


def search_path(links: Path) -> str:
    """Return a PATH on which every interpreter is a real one: ansible-test stops at shims."""
    links.mkdir()
    for (major, minor), python in venvs.interpreters().items():
        (links / f"python{major}.{minor}").symlink_to(python)
    usual = [d for d in os.environ["PATH"].split(os.pathsep) if "shims" not in Path(d).parts]
    return os.pathsep.join([str(venvs.tools().bin), str(links), *usual])


def run(arguments: list[str], directory: Path) -> tuple[int, list[str]]:
    """Run ansible-test in a copy below ``directory``; return its return code and output."""
    output = []
    with subprocess.Popen(
        ["ansible-test", "sanity", "--color", "no", *arguments],
        cwd=tree.copy_to(directory),
        env={"PATH": search_path(directory / "pythons"), "HOME": str(home()), "LC_ALL": "C.UTF-8"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            output.append(line.rstrip())
    return process.wait(), output


def main(arguments: list[str]) -> int:
    """Run ansible-test sanity with ``arguments``; its return code, or 1 when something was skipped."""
    with tempfile.TemporaryDirectory(prefix="edgefleet-crio-sanity-") as directory:
        return_code, output = run(arguments, Path(directory))
    missing = sorted({found[1] for line in output if (found := MISSING_PYTHON.search(line))})
    skipped = [s for s in output if SKIPPED.search(s) and not MISSING_PYTHON.search(s)]
    if missing:
        print(f"not on this machine, so not tested here: Python {', '.join(missing)}")
    for line in skipped:
        print(f"skipped, which must not be: {line}")
    return return_code or (1 if skipped else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
