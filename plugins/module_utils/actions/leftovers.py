# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give back what pulls and runs have left that died: find it, name it, remove it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace

from ..decisions.leftovers import dead_folders
from ..errors import EdgefleetError
from ..node.crio import DROP_IN_DIRECTORY
from ..node.crio_service import VALIDATION
from ..node.host import Host
from ..node.reading_host import HostError
from ..node.staging import read_going, read_staging, temporary_directory
from ..observed.crio import RunningConfig
from ..observed.found_file import DIRECTORY, FILE, Entry
from ..observed.staging import GOING, PREFIX
from .journal import SCRATCH, Journal

FOUND = "found"
REMOVED = "removed"
LEFT = "left"

# Where CRI-O's socket lies unless told otherwise; /var/run is /run.
_SOCKET = "/run/crio/crio.sock"
# Where a new drop-in is written first (scratch_for), and under which names.
_SCRATCH_FOLDER = DROP_IN_DIRECTORY.rpartition("/")[0]
_SCRATCH_PATTERN = re.compile(r"\..+\.edgefleet-new")
# Where copies of the configuration are checked (check_with), and under which names.
_COPY_FOLDER = VALIDATION.rpartition("/")[0]
_COPY_PATTERN = re.compile(r"edgefleet-crio(-check-[0-9]+)?")
# A copy of the configuration is also made in check mode, by runs that take no turn: a young one may
# be in use. In seconds, and longer than CRI-O may take to read it.
_COPY_AGE = 600.0


@dataclass(frozen=True)
class Leftover:
    """A file or folder that was left behind, what it takes in bytes, and what became of it.

    ``outcome`` is one of the constants above, ``message`` why it could not be removed.
    """

    path: str
    bytes: int
    outcome: str = FOUND
    message: str = ""


def find_leftovers(host: Host, config: RunningConfig) -> tuple[Leftover, ...]:
    """Return what was left behind, changing nothing: folders of dead pulls and files of ours.

    A node whose folders or processes cannot be read keeps it, and is no worse off otherwise.
    """
    try:
        going = [Leftover(one.path, one.bytes) for one in read_going(host, config)]
        return (*find_dead_pulls(host, config), *going, *_scratch_files(host))
    except EdgefleetError as error:
        return (Leftover(temporary_directory(config), 0, LEFT, str(error)),)


def find_dead_pulls(host: Host, config: RunningConfig) -> tuple[Leftover, ...]:
    """Return the staging folders of dead pulls, in CRI-O's temporary directory.

    :raises EdgefleetError: when the node's processes or folders cannot be read.
    """
    folders = read_staging(host, config)
    if not folders:
        return ()
    made = [one.changed for one in _at(host, _SOCKET)]
    # The folders come first: one that a pull makes after that is not among them.
    processes, open_files = host.processes(), host.open_files((f"/{PREFIX}",))
    socket_made = made[0] if made else None
    dead = dead_folders(folders, open_files, processes, socket_made)
    return tuple(Leftover(one.path, one.bytes) for one in dead)


def remove_leftovers(host: Host, config: RunningConfig) -> tuple[Leftover, ...]:
    """Remove what was left behind, in a turn of ours; what cannot be removed costs nothing else."""
    found = find_leftovers(host, config)
    if any(one.outcome == LEFT for one in found) or not found:
        return found
    journal = Journal(host)
    # A disk so full that the journal cannot be written is one more reason to go on.
    with contextlib.suppress(HostError):
        journal.before("clean", paths=[one.path for one in found])
    cleaned = tuple(_removed(host, one) for one in found)
    gone = [one for one in cleaned if one.outcome == REMOVED]
    with contextlib.suppress(HostError):
        journal.after(
            "clean", paths=[one.path for one in gone], bytes=sum(one.bytes for one in gone)
        )
    return cleaned


def _removed(host: Host, one: Leftover) -> Leftover:
    path = _set_aside(host, one.path)
    try:
        host.remove(path)
    except HostError as error:
        return replace(one, path=path, outcome=LEFT, message=str(error))
    return replace(one, outcome=REMOVED)


def _set_aside(host: Host, path: str) -> str:
    """Give a dead pull's folder a name of ours; returns where it lies then.

    What is removed from it makes it young, and a run that is killed meanwhile must know it again.
    Where that cannot be, as on a disk without room for a longer name, it is removed all the same.
    """
    name = path.rpartition("/")[2]
    if not name.startswith(PREFIX) or name.endswith(GOING):
        return path
    try:
        host.rename(path, f"{name}{GOING}")
    except HostError:
        return path
    return f"{path}{GOING}"


def _scratch_files(host: Host) -> list[Leftover]:
    """Return files of ours that a killed run left: each is whole or gone when a run ends."""
    found = [
        Leftover(f"{_SCRATCH_FOLDER}/{one.name}", one.bytes)
        for one in host.entries(_SCRATCH_FOLDER)
        if one.kind == FILE and _SCRATCH_PATTERN.fullmatch(one.name)
    ]
    found += [Leftover(SCRATCH, one.bytes) for one in _at(host, SCRATCH) if one.kind == FILE]
    old = host.now() - _COPY_AGE
    copies = [
        f"{_COPY_FOLDER}/{one.name}"
        for one in host.entries(_COPY_FOLDER)
        if one.kind == DIRECTORY and _COPY_PATTERN.fullmatch(one.name) and one.changed < old
    ]
    found += [Leftover(path, sum(one.bytes for one in host.entries(path))) for path in copies]
    return found


def _at(host: Host, path: str) -> list[Entry]:
    """Return what lies at a path itself, in a list of none or one."""
    folder, _slash, name = path.rpartition("/")
    return [one for one in host.entries(folder) if one.name == name]
