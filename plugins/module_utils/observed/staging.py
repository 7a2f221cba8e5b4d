# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders in which pulls stage layers, and what is seen of pulls from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Tuple

#: What shows how far pulls have come: names with amounts that only grow while a pull moves.
Marks = FrozenSet[Tuple[str, int]]

#: Where containers/image stages blobs unless big_files_temporary_dir is set.
DEFAULT_TEMPORARY = "/var/tmp"  # nosec B108 # its room is measured, no file of ours lies there
#: How it names a pull's folder there, before a random number (internal/tmpdir/tmpdir.go and
#: storage/storage_dest.go of containers/image; os.MkdirTemp).
PREFIX = "container_images_storage"
#: What we append to the name of such a folder before we remove it: its times are then new.
GOING = ".edgefleet-going"

#: What else pulls into stores of this kind, and makes such folders (the README of containers/image).
OTHER_PULLERS = frozenset({"podman", "buildah", "skopeo"})


@dataclass(frozen=True)
class StagingFolder:
    """The folder of one pull, alive or dead, of CRI-O or of podman, buildah or skopeo.

    ``sizes`` are those of its files by their names. ``changed`` is the newest time of all of it, in
    seconds since the epoch.
    """

    path: str
    changed: float
    sizes: tuple[tuple[str, int], ...]

    @property
    def bytes(self) -> int:
        """What its files take."""
        return sum(size for _name, size in self.sizes)
