# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which staging folders are of pulls that died, and may go.

A pull of CRI-O that is killed with it leaves its folder, for good. Folders of pulls that live, of
podman, buildah and skopeo too, have the same name and owner, and a pull may have no file of its
folder open for a while: between two layers, or while a registry is silent. So a folder goes only
when all of this holds:

1. it is root's, a folder itself and no link, and has exactly the name that such folders have: no
   others are given;
2. no process has anything in it open;
3. nothing in it has changed since the running CRI-O began, so no pull of that one can have made it.
   CRI-O's beginning is the earlier of two times. One is that of its process on the clock as it goes
   now, which stays right when the clock was set back meanwhile; the other is that of its socket on
   the clock as it went then, which stays right when the clock was set forward;
4. none of the other programs that make such folders lives since before the running CRI-O began, by
   the order in which the kernel started them, which no clock changes. One that began later did not
   make what is older than CRI-O.

Where no CRI-O runs, or its socket is not where it is by default, nothing goes.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ..observed.process import OpenFile, RunningProcess
from ..observed.staging import OTHER_PULLERS, StagingFolder

_CRIO = "crio"
# Times of files lag by a tick of the kernel, those of processes are rounded to one. A CRI-O that died
# is started again after 10 s by its own unit, after 0.1 s at the earliest by systemd. In seconds.
_ROUNDING = 0.05


def dead_folders(
    folders: Iterable[StagingFolder],
    open_files: Sequence[OpenFile],
    processes: Sequence[RunningProcess],
    socket_made: float | None,
) -> tuple[StagingFolder, ...]:
    """Return the folders that may go.

    :param open_files: those with such folders in their paths.
    :param socket_made: when CRI-O's socket was made, None when it is not there.
    """
    crios = [one.started for one in processes if one.name == _CRIO]
    if not crios or socket_made is None:
        return ()
    # The earliest, where several run: the fewest folders are older than that.
    oldest = min(crios)
    others = [one.started for one in processes if one.name in OTHER_PULLERS]
    if any(started <= oldest + _ROUNDING for started in others):
        return ()
    began = min(oldest, socket_made) - _ROUNDING
    return tuple(
        one
        for one in folders
        if one.changed < began
        and not any(file.path.startswith(f"{one.path}/") for file in open_files)
    )
