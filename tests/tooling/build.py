# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection, install the tarball where nothing else is, and use it from there.

That the installed collection pins images on real nodes is shown by tests/integration.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tooling import tree

PROMISED = {
    "CHANGELOG.md", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "bindep.txt",
    "changelogs", "docs", "examples", "meta", "playbooks", "plugins", "requirements.txt", "requirements.yml", "roles",
}  # fmt: skip
PLAYBOOKS = ("compare_locks", "lock_images", "pin_images", "unpin_images", "verify_images")


def uses(collection: Path) -> list[tuple[str, ...]]:
    """Return the commands that must work: the documentation of all there is, and each playbook by its name."""
    named = {
        "module": [path.stem for path in (collection / "plugins/modules").glob("*.py")],
        "filter": [path.stem for path in (collection / "plugins/filter").glob("*.py")],
        "role": [path.name for path in (collection / "roles").iterdir()],
    }
    documents = [
        ("ansible-doc", "--type", kind, *(f"edgefleet.crio.{name}" for name in sorted(names)))
        for kind, names in named.items()
    ]
    return documents + [
        ("ansible-playbook", f"edgefleet.crio.{name}", "--list-tasks", "-i", "localhost,")
        for name in PLAYBOOKS
    ]


def install(directory: Path) -> tuple[Path, Path]:
    """Build and install below ``directory``; return the tarball and the path to install into."""
    galaxy = ("ansible-galaxy", "collection")
    source, installed = tree.copy_to(directory / "source"), directory / "installed"
    run((*galaxy, "build", "--output-path", str(directory), str(source)), directory)
    (tarball,) = directory.glob("edgefleet-crio-*.tar.gz")
    run((*galaxy, "install", "--offline", "-p", str(installed), str(tarball)), directory)
    return tarball, installed


def run(command: tuple[str, ...], directory: Path, collections: Path | None = None) -> None:
    """Run a command in ``directory`` without this checkout's configuration; end when it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "ANSIBLE_CONFIG"}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(collections or directory / "installed")
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}: ended with {done.returncode}\n{done.stdout}{done.stderr}")


def main() -> int:
    """Do it; 1 when the tarball holds something else than it should."""
    with tempfile.TemporaryDirectory(prefix="edgefleet-crio-build-") as name:
        directory = Path(name)
        tarball, installed = install(directory)
        with tarfile.open(tarball) as packed:
            top = {member.name.removeprefix("./").split("/")[0] for member in packed}
        for odd in sorted(top ^ PROMISED):
            print(f"{tarball.name}: {odd} {'should not be' if odd in top else 'is not'} in it")
        empty = directory / "empty"
        empty.mkdir()
        commands = uses(installed / "ansible_collections/edgefleet/crio")
        for command in commands:
            run(command, empty, installed)
        print(f"{tarball.name}: built, installed, {len(commands)} ways of use")
        return 1 if top != PROMISED else 0


if __name__ == "__main__":
    sys.exit(main())
