# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A filesystem that pulls write to: what they need there, what must stay free, and what is lacking."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..documents.readable import readable_bytes
from ..observed.filesystem import Filesystem
from .footprint import Footprint

# What is measured was at most so far off on real pulls (tests/integration/test_storage.py).
MARGIN_PERCENT = 2

IMAGES = "images"
# The records of layers' tars lie in the graph root, also where images have a store of their own.
RECORDS = "records"
TEMPORARY = "temporary"


@dataclass(frozen=True)
class Reserve:
    """What must stay free on a filesystem, and who says so, the file included."""

    bytes: int
    inodes: int
    source: str


@dataclass(frozen=True)
class Place:
    """Where something is written to.

    ``use`` is one of :data:`IMAGES`, :data:`RECORDS` (whose part goes to the images where they have
    no place of their own) and :data:`TEMPORARY`. ``filesystems`` are that of the path itself and
    that of its mount point, which differ in size where the path has a project quota: both must
    have room.
    """

    use: str
    filesystems: tuple[Filesystem, ...]

    @property
    def kind(self) -> str:
        """The filesystem's type."""
        return self.filesystems[0].kind


@dataclass(frozen=True)
class Room:
    """One filesystem's part of the answer, for some of the uses that :class:`Place` has.

    ``store`` is what the images will take of it, ``staged`` what their compressed blobs take at
    most while they are in flight.
    """

    filesystem: Filesystem
    uses: tuple[str, ...]
    store: Footprint
    staged: Footprint
    reserves: tuple[Reserve, ...]

    @property
    def margin_bytes(self) -> int:
        """What is added to the measured part; what is guessed has its own in the factor."""
        return -(-(self.store.bytes - self.store.guessed_bytes) * MARGIN_PERCENT // 100)

    @property
    def need_bytes(self) -> int:
        """The bytes that must be there beside the reserve."""
        return self.store.bytes + self.margin_bytes + self.staged.bytes

    @property
    def need_inodes(self) -> int:
        """The inodes that must be there beside the reserve."""
        return (
            self.store.inodes + -(-self.store.inodes * MARGIN_PERCENT // 100) + self.staged.inodes
        )

    @property
    def keep_bytes(self) -> Reserve:
        """The reserve that asks for most bytes."""
        return max(self.reserves, key=lambda one: one.bytes, default=_NO_RESERVE)

    @property
    def keep_inodes(self) -> Reserve:
        """The reserve that asks for most inodes."""
        return max(self.reserves, key=lambda one: one.inodes, default=_NO_RESERVE)

    @property
    def missing_bytes(self) -> int:
        """How many bytes are lacking; 0 when it fits."""
        wanted = self.need_bytes + self.keep_bytes.bytes
        return max(0, wanted - self.filesystem.available_bytes) if self.need_bytes else 0

    @property
    def missing_inodes(self) -> int:
        """How many inodes are lacking; 0 when it fits or the filesystem does not count them."""
        if not self.filesystem.inodes_total or not self.need_inodes:
            return 0
        wanted = self.need_inodes + self.keep_inodes.inodes
        return max(0, wanted - self.filesystem.inodes_free)


_NO_RESERVE = Reserve(0, 0, "nothing")


def describe_shortage(room: Room) -> str:
    """Say in words what a filesystem lacks; empty when it lacks nothing."""
    filesystem = room.filesystem
    parts = []
    if room.missing_bytes:
        size = partial(readable_bytes, beside=room.missing_bytes)
        guess = room.store.guessed_bytes
        guessed = f", {size(guess)} of it guessed" if guess else ""
        parts.append(
            f"have {size(filesystem.available_bytes)}, need {size(room.need_bytes)}"
            f" ({size(room.store.bytes)} for images{guessed}, {size(room.margin_bytes)} of margin,"
            f" {size(room.staged.bytes)} for blobs in flight)"
            f" and must keep {size(room.keep_bytes.bytes)} free"
            f" ({room.keep_bytes.source}), missing {size(room.missing_bytes)}"
        )
    if room.missing_inodes:
        parts.append(
            f"have {filesystem.inodes_free} inodes, need {room.need_inodes} and must keep"
            f" {room.keep_inodes.inodes} free ({room.keep_inodes.source}),"
            f" missing {room.missing_inodes}"
        )
    return f"{_where(room)} {' and '.join(parts)}" if parts else ""


def describe_breach(room: Room) -> str:
    """Say in words what must stay free on a filesystem and is not; empty when all is."""
    parts = []
    free, keep = room.filesystem.available_bytes, room.keep_bytes
    if free < keep.bytes:
        missing = keep.bytes - free
        size = partial(readable_bytes, beside=missing)
        parts.append(
            f"have {size(free)} and must keep {size(keep.bytes)} free ({keep.source}),"
            f" missing {size(missing)}"
        )
    free, keep = room.filesystem.inodes_free, room.keep_inodes
    if room.filesystem.inodes_total and free < keep.inodes:
        parts.append(
            f"have {free} inodes and must keep {keep.inodes} free ({keep.source}),"
            f" missing {keep.inodes - free}"
        )
    return f"{_where(room)} {' and '.join(parts)}" if parts else ""


def _where(room: Room) -> str:
    kind = f"{room.filesystem.kind} filesystem" if room.filesystem.kind else "filesystem"
    return f"on the {kind} of {room.filesystem.path} ({', '.join(room.uses)})"
