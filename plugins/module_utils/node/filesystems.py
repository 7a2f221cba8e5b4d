# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filesystems of this machine, measured for :class:`.host.LocalHost`."""

from __future__ import annotations

import os

from ..observed.filesystem import Filesystem, Mount, parse_mount_of
from .reading_host import HostError


def filesystem_of(path: str, mountinfo: str) -> Filesystem:
    """See :meth:`.host.Host.filesystem`; ``mountinfo`` is the kernel's table of mounts.

    :raises HostError: when it cannot be measured.
    """
    nearest = _nearest(path)
    return _measured(path, nearest, parse_mount_of(mountinfo, os.path.realpath(nearest)))


def remeasured(known: Filesystem) -> Filesystem:
    """See :meth:`.host.Host.remeasured`.

    :raises HostError: when it cannot be measured.
    """
    return _measured(known.path, _nearest(known.path), Mount(known.mount_point, known.kind))


def _nearest(path: str) -> str:
    """Return ``path``, or the nearest above it that is there."""
    while not os.path.exists(path) and path != "/":
        path = os.path.dirname(path)
    return path


def _measured(path: str, nearest: str, mount: Mount) -> Filesystem:
    try:
        room, device = os.statvfs(nearest), os.stat(nearest).st_dev
    except OSError as error:
        raise HostError(f"measuring the filesystem of {path}", str(error.strerror)) from None
    return Filesystem(
        path=path,
        device=device,
        total_bytes=room.f_blocks * room.f_frsize,
        available_bytes=room.f_bavail * room.f_frsize,
        inodes_total=room.f_files,
        inodes_free=room.f_ffree,
        kind=mount.kind,
        mount_point=mount.point,
    )
