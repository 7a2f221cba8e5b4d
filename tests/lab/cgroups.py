"""A cgroup per node in every hierarchy, so that nodes do not share one and nothing stays behind.

Without it, `systemd-nspawn --keep-unit` puts each machine into the same `payload` cgroup.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def create(name: str) -> list[Path]:
    """Make this cgroup in every hierarchy and return the folders."""
    folders = []
    for parent in _parents():
        folder = parent / name
        folder.mkdir(exist_ok=True)
        _inherit_cpuset(parent, folder)
        folders.append(folder)
    return folders


def remove(prefix: str) -> bool:
    """Remove every cgroup of that prefix with all below it; whether none is left."""
    left = False
    for top in _named(prefix):
        for folder, _below, _files in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        left = left or top.exists()
    return not left


def _parents() -> list[Path]:
    """Our own cgroup in each hierarchy; with version 2 alone its root.

    There a cgroup that holds processes, as ours does, cannot hand controllers down.
    """
    mounts = list(_mounts())
    if len(mounts) == 1 and not mounts[0][1]:
        return [mounts[0][0]]
    parents = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        wanted = set(filter(None, controllers.split(",")))
        parents += [
            point / path.lstrip("/")
            for point, offered in mounts
            if offered & wanted or offered == wanted
        ]
    return parents


def _mounts() -> Iterator[tuple[Path, set[str]]]:
    """Mount point and controllers of each hierarchy; version 2 names no controllers."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _dash, after = line.partition(" - ")
        kind, _source, options = after.split()
        point = Path(before.split()[4])
        if kind == "cgroup2" and _ROOT in (point, *point.parents):
            yield point, set()
        elif kind == "cgroup" and _ROOT in point.parents:
            yield point, set(options.split(",")) - {"rw"}


def _inherit_cpuset(parent: Path, folder: Path) -> None:
    """A new cgroup of the version 1 cpuset controller takes no process before it has both."""
    for setting in ("cpuset.cpus", "cpuset.mems"):
        target = folder / setting
        if target.exists() and not target.read_text().strip():
            target.write_text((parent / setting).read_text())


def _named(prefix: str) -> list[Path]:
    found = []
    for folder, below, _files in os.walk(_ROOT):
        ours = [name for name in below if name.startswith(prefix)]
        found += [Path(folder, name) for name in ours]
        below[:] = [name for name in below if name not in ours]
    return found
