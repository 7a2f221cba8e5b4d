# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of a node that are full, out of inodes, read-only or broken."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from lab import Node
from lab.commands import run

STORE = "/var/lib/containers"
TEMPORARY = "/var/tmp"
# On the root filesystem, as /etc and our journal.
ROOT = "/var"
_FILL = "fault-fill"

# Takes every block, those that are reserved for root too.
_FILL_BLOCKS = """
blocks=$(stat -f -c %f "$1"); size=$(stat -f -c %S "$1"); touch "$0"
fallocate -l $((blocks * size)) "$0" || true; dd if=/dev/zero bs=4k >>"$0" || true
"""
# Makes empty files until so many inodes are left, or none.
_FILL_INODES = """
import errno, os, sys
folder, left = sys.argv[1], int(sys.argv[2])
os.makedirs(folder, exist_ok=True)
try:
    for number in range(max(0, os.statvfs(folder).f_ffree - left) + (0 if left else 1000)):
        os.close(os.open(f"{folder}/{os.getpid()}-{number}", os.O_CREAT | os.O_WRONLY))
except OSError as error:
    assert error.errno == errno.ENOSPC
"""


def fill_blocks(node: Node, place: str) -> None:
    """Leave no block on the filesystem of a place."""
    node.exec(["sh", "-c", _FILL_BLOCKS, f"{place}/{_FILL}", place])


def fill_inodes(node: Node, place: str, left: int = 0) -> None:
    """Leave so many inodes on the filesystem of a place."""
    node.exec(["python3", "-c", _FILL_INODES, f"{place}/{_FILL}", str(left)])


def inodes_free(node: Node, place: str) -> int:
    """How many inodes are left there."""
    return int(node.exec(["stat", "-f", "-c", "%d", place]).stdout)


def free(node: Node, place: str) -> None:
    """Give back what was taken."""
    node.exec(["rm", "-rf", f"{place}/{_FILL}"])


@dataclass(frozen=True)
class NodeDisk:
    """A disk of a node, seen from this machine: a file on a loop device, mounted."""

    image: Path
    folder: Path

    def go_read_only(self) -> None:
        """Have an error of the filesystem, on which it goes read-only as errors=remount-ro says."""
        run(["mount", "-o", "remount,errors=remount-ro", self.folder])
        device = Path(self._device).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")

    def shorten(self, size: int) -> None:
        """Cut the file below the loop device: whatever lies behind `size` bytes is an I/O error."""
        os.truncate(self.image, size)
        run(["losetup", "--set-capacity", self._device])

    def check(self) -> None:
        """Let the filesystem be repaired; it must not be mounted."""
        done = run(["e2fsck", "-fy", self.image], check=False)
        assert done.returncode in (0, 1, 2), done.stdout

    def exchange(self, size: int) -> None:
        """Put in a new disk of so many bytes; the old one must not be mounted."""
        self.image.unlink()
        with self.image.open("wb") as image:
            image.truncate(size)
        run(["mkfs.ext4", "-q", "-F", "-E", "nodiscard", self.image])

    @property
    def _device(self) -> str:
        listed = run(["losetup", "--json", "--output", "NAME", "--associated", self.image]).stdout
        device: str = json.loads(listed)["loopdevices"][0]["name"]
        return device


def disk_of(state_dir: Path, node: Node, name: str) -> NodeDisk:
    """A disk of a node: `store`, `var-tmp` or `root`."""
    folder = state_dir / "nodes" / node.name
    return NodeDisk(folder / "disks" / f"{name}.img", folder / "mounted" / name)
