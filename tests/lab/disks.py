"""Filesystems of a chosen size, each on a sparse file of its own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from .commands import LabError, run

MIB = 1024 * 1024
GIB = 1024 * MIB

# _IOR('X', 125, __u32), EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN alike; the flag says that not
# even the journal is flushed.
_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2

_MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "nodiscard"],
    "xfs": ["mkfs.xfs", "-q", "-f", "-K"],
}


@dataclass(frozen=True)
class Disk:
    """An image file and the folder where it is mounted."""

    image: Path
    folder: Path

    def create(self, filesystem: str, size: int) -> None:
        """Make the file, with an empty filesystem in it, and the folder."""
        if filesystem not in _MKFS:
            raise LabError(f"no filesystem {filesystem!r} in the lab: ext4 or xfs")
        self.image.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(parents=True)
        with self.image.open("wb") as image:
            image.truncate(size)
        run([*_MKFS[filesystem], self.image])

    def mount(self) -> None:
        """Mount it; the loop device lets go by itself when it is unmounted."""
        run(["mount", "-o", "loop", self.image, self.folder])

    def cut(self) -> None:
        """Lose what was not yet written, as when the power goes."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(folder)


def mounted_below(folder: Path) -> list[Path]:
    """Mount points in this folder, the last one made first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if folder in point.parents:
            points.append(point)
    return points[::-1]


def unmount_below(folder: Path) -> bool:
    """Unmount what can be unmounted now; whether nothing is left."""
    for point in mounted_below(folder):
        run(["umount", point], check=False)
    return not mounted_below(folder)


def detach_loops_below(folder: Path) -> bool:
    """Detach loop devices that an interrupted mount left; whether none is left."""
    listed = run(["losetup", "--list", "--json", "--output", "NAME,BACK-FILE"]).stdout
    devices = json.loads(listed)["loopdevices"] if listed.strip() else []
    ours = [dev["name"] for dev in devices if folder in Path(dev["back-file"] or "/").parents]
    for device in ours:
        with contextlib.suppress(LabError):
            run(["losetup", "--detach", device])
    return not ours
