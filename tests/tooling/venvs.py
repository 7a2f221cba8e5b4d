# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python environments of the gates: one with the tools, one for each ansible-core of the matrix.

They lie in the cache directory, keyed by what went into them, and are built once:

    python3 -m tooling.venvs path     print the bin directory of the tools; builds nothing
    python3 -m tooling.venvs tools    build the tools
    python3 -m tooling.venvs matrix   build the environments of the matrix
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS_PYTHON = (3, 11)


@dataclass(frozen=True)
class Core:
    """A release of ansible-core, the oldest and newest Python for its control side and our tests."""

    version: str
    oldest: tuple[int, int]
    newest: tuple[int, int]


# The first that we promise to work with, what execution environments carry, and the newest.
MATRIX = (
    Core("2.16.19", (3, 11), (3, 12)),
    Core("2.18.19", (3, 11), (3, 13)),
    Core("2.21.5", (3, 12), (3, 14)),
)


@dataclass(frozen=True)
class Environment:
    """A virtual environment: what it is called, the Python below it, what pip is given."""

    name: str
    python: Path
    pip_arguments: tuple[str, ...]
    requirement_files: tuple[Path, ...]

    @property
    def directory(self) -> Path:
        """Its place in the cache; another one as soon as anything that goes into it changes."""
        key = hashlib.sha256()
        for part in (str(self.python), python_version(self.python), *self.pip_arguments):
            key.update(part.encode() + b"\0")
        for file in self.requirement_files:
            key.update(file.read_bytes() + b"\0")
        return cache_directory() / "venvs" / f"{self.name}-{key.hexdigest()[:12]}"

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.directory / "bin"

    def build(self) -> None:
        """Build it unless it is there and whole; safe beside another process that does the same."""
        complete = self.directory / ".complete"
        if complete.exists():
            return
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with self.directory.with_name(self.directory.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if complete.exists():
                return
            print(f"building {self.directory} ({' '.join(self.pip_arguments)})", flush=True)
            shutil.rmtree(self.directory, ignore_errors=True)
            subprocess.run([self.python, "-m", "venv", self.directory], check=True)
            subprocess.run(
                [self.bin / "pip", "install", "--quiet", *self.pip_arguments], check=True, cwd=ROOT
            )
            complete.touch()


def cache_directory() -> Path:
    """Return where everything that is made once is kept."""
    chosen = os.environ.get("EDGEFLEET_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(chosen or f"{base}/edgefleet-crio").absolute()


def tools() -> Environment:
    """Return the environment with every tool of the gates, on the Python that runs this."""
    if sys.version_info < TOOLS_PYTHON:
        wanted = ".".join(map(str, TOOLS_PYTHON))
        sys.exit(
            f"Python {wanted} or newer is needed; {sys.executable} is {sys.version.split()[0]}."
        )
    return Environment(
        "tools",
        running_python(),
        ("-r", "test-requirements.txt"),
        (ROOT / "test-requirements.txt", ROOT / "tests/unit/requirements.txt"),
    )


def matrix() -> tuple[list[tuple[str, Path]], dict[str, str]]:
    """Return the matrix as (version of ansible-core, bin directory), and why versions are missing."""
    present, missing = [], {}
    for core in MATRIX:
        environment = environment_of(core)
        if environment:
            present.append((core.version, environment.bin))
        else:
            oldest, newest = (".".join(map(str, bound)) for bound in (core.oldest, core.newest))
            missing[core.version] = f"no Python {oldest} to {newest} here"
    return present, missing


def environment_of(core: Core) -> Environment | None:
    """Return the environment for a release of ansible-core, or None without a Python for it."""
    for version, python in sorted(interpreters().items()):
        if core.oldest <= version <= core.newest:
            return Environment(
                f"core-{core.version}",
                python,
                (f"ansible-core=={core.version}", "-r", "tests/unit/requirements.txt"),
                (ROOT / "tests/unit/requirements.txt",),
            )
    return None


@functools.cache
def interpreters() -> dict[tuple[int, int], Path]:
    """Return every Python 3 that really runs, by version; version managers' shims are looked through."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    directories = [Path(entry) for entry in os.environ["PATH"].split(os.pathsep) if entry]
    directories += sorted(pyenv.glob("versions/*/bin"))
    directories += sorted(Path.home().glob(".local/share/uv/python/*/bin"))
    found: dict[tuple[int, int], Path] = {}
    for minor in range(7, 20):
        for directory in directories:
            python = real_python(directory / f"python3.{minor}")
            if python:
                found.setdefault((3, minor), python)
                break
    return found


def real_python(candidate: Path) -> Path | None:
    """Return the interpreter behind ``candidate``: itself, what a shim starts, or None."""
    if not os.access(candidate, os.X_OK):
        return None
    say = "import os, sys, venv, ensurepip; print(os.path.realpath(sys.executable))"
    try:
        answer = subprocess.run(
            [candidate, "-c", say], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(answer.stdout.strip()) if answer.returncode == 0 else None


def running_python() -> Path:
    """Return the interpreter that runs this, and from within an environment the one below it."""
    return Path(os.path.realpath(sys.executable))


@functools.cache
def python_version(python: Path) -> str:
    """Return the full version of an interpreter."""
    command = [str(python), "-c", "import platform; print(platform.python_version())"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def main(arguments: list[str]) -> int:
    """Do what the first argument says; see the top of this file."""
    match arguments:
        case ["path"]:
            print(tools().bin)
        case ["tools"]:
            tools().build()
        case ["matrix"]:
            for core in MATRIX:
                if environment := environment_of(core):
                    environment.build()
            for version, reason in matrix()[1].items():
                print(f"ansible-core {version} is left out: {reason}")
        case _:
            sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
