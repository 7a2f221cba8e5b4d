# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pulls have staged on a node, and how far they are."""

from __future__ import annotations

import re

from ..observed.crio import RunningConfig
from ..observed.found_file import DIRECTORY
from ..observed.staging import (
    DEFAULT_TEMPORARY,
    GOING,
    OTHER_PULLERS,
    PREFIX,
    Marks,
    StagingFolder,
)
from .host import Host
from .store import read_layers

# Where layers are put together that come in chunks (drivers/overlay of containers/storage).
_CHUNKS = "overlay/staging/"
_NAME_PATTERN = re.compile(re.escape(PREFIX) + "[0-9]+")
_GOING_PATTERN = re.compile(_NAME_PATTERN.pattern + re.escape(GOING))


def temporary_directory(config: RunningConfig) -> str:
    """Return where CRI-O stages what it pulls."""
    return config.big_files_temporary_dir or DEFAULT_TEMPORARY


def read_staging(host: Host, config: RunningConfig) -> tuple[StagingFolder, ...]:
    """Return the folders of all pulls of root; links, files and others' folders are none."""
    return _folders(host, config, _NAME_PATTERN)


def read_going(host: Host, config: RunningConfig) -> tuple[StagingFolder, ...]:
    """Return the folders of dead pulls that a killed run of ours began to remove."""
    return _folders(host, config, _GOING_PATTERN)


def _folders(
    host: Host, config: RunningConfig, pattern: re.Pattern[str]
) -> tuple[StagingFolder, ...]:
    parent = temporary_directory(config)
    found = []
    for entry in host.entries(parent):
        # Anybody may make a folder of such a name there, as a pull of theirs does: it tells nothing.
        if entry.kind == DIRECTORY and entry.owner == 0 and pattern.fullmatch(entry.name):
            path = f"{parent}/{entry.name}"
            files = host.entries(path)
            changed = max([entry.changed, *(one.changed for one in files)])
            sizes = tuple((one.name, one.bytes) for one in files)
            found.append(StagingFolder(path, changed, sizes))
    return tuple(found)


def pulls_in_flight(host: Host, config: RunningConfig) -> tuple[str, ...]:
    """Return the folders in which CRI-O, or a child that it pulls with, has a file open.

    A pull that waits between two layers, or for a registry's first answer, is not seen.
    """
    others = {one.pid for one in host.processes() if one.name in OTHER_PULLERS}
    open_files = [one for one in host.open_files((f"/{PREFIX}",)) if one.pid not in others]
    return tuple(
        folder.path
        for folder in read_staging(host, config)
        if any(one.path.startswith(f"{folder.path}/") for one in open_files)
    )


def read_marks(host: Host, config: RunningConfig) -> Marks:
    """Return how far the pulls of the node have come; the same twice when nothing has moved.

    A layer that is fetched grows in its staging folder. One that is unpacked is read from there, as
    the position in the open file shows, while its folder in the store grows, which would have to be
    walked through. One that is complete is in the store's list. The times of the store's folders
    tell nothing: containers that are made change them too.
    """
    folders = read_staging(host, config)
    marks = {
        (f"{folder.path}/{name}", size) for folder in folders for name, size in folder.sizes if size
    }
    places = (*(f"{folder.path}/" for folder in folders), f"{config.image_root}/{_CHUNKS}")
    marks.update(
        (f"{one.path} {one.pid} {one.descriptor}", one.position)
        for one in host.open_files(places)
        if one.position
    )
    return frozenset(marks).union((digest, 0) for digest in read_layers(host, config))
