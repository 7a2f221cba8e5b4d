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
USES = (
    ("ansible-doc", "--type", "module", "edgefleet.crio.pinned_image_set"),
    ("ansible-doc", "--type", "role", "edgefleet.crio.pin_images"),
    ("ansible-doc", "--type", "filter", "edgefleet.crio.layers_on_platform"),
    ("ansible-playbook", "edgefleet.crio.pin_images", "--list-tasks", "-i", "localhost,"),
    ("ansible-playbook", "edgefleet.crio.verify_images", "--list-tasks", "-i", "localhost,"),
    ("ansible-playbook", "edgefleet.crio.unpin_images", "--list-tasks", "-i", "localhost,"),
    ("ansible-playbook", "edgefleet.crio.lock_images", "--list-tasks", "-i", "localhost,"),
)


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
        for command in USES:
            run(command, empty, installed)
        print(f"{tarball.name}: built, installed, {len(USES)} ways of use")
        return 1 if top != PROMISED else 0


if __name__ == "__main__":
    sys.exit(main())
