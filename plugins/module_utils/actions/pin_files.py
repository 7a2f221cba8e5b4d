# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that set pins, and whose pins are in force."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Iterable

from ..documents.drop_in import parse_drop_in
from ..errors import EdgefleetError
from ..node.crio import DROP_IN_DIRECTORY, Crio, DropIn
from ..node.reading_host import CommandFailed

# What is done about an earlier file's pins, which the drop-in would replace.
FAIL = "fail"
MERGE = "merge"


class WrongPlace(EdgefleetError):
    """A drop-in that would be written where it could not be checked, or not be read."""


@dataclass(frozen=True)
class PinFiles:
    """All files that set pins: those read after the drop-in win, those before it lose.

    ``ours`` is what the drop-in lists now, None where it is not there or CRI-O cannot read it.
    """

    overriding: tuple[str, ...]
    overridden: tuple[str, ...]
    overriding_pins: tuple[str, ...]
    earlier_pins: tuple[str, ...]
    ours: tuple[str, ...] | None

    def in_force(self) -> tuple[str, ...]:
        """Return the pins that CRI-O follows by these files."""
        if self.overriding:
            return self.overriding_pins
        return self.earlier_pins if self.ours is None else self.ours

    def foreign_in_force(self) -> tuple[str, ...]:
        """Return those of them that somebody else asked for, in our drop-in too."""
        if self.overriding:
            return self.overriding_pins
        return tuple(one for one in self.earlier_pins if self.ours is None or one in self.ours)

    def merged(self, wanted: Iterable[str], on_conflict: str) -> tuple[str, ...]:
        """Return what the drop-in must list beside ``wanted`` so that it replaces nothing."""
        foreign = self.earlier_pins if on_conflict == MERGE else ()
        return tuple(sorted(set(foreign) - set(wanted)))


def survey_pin_files(crio: Crio, path: str) -> PinFiles:
    """Find the files that set pins, in the order in which CRI-O reads them; ``path`` is ours.

    :raises WrongPlace: when it does not lie directly in the folder that CRI-O reads.
    """
    if posixpath.dirname(path) != DROP_IN_DIRECTORY:
        raise WrongPlace(
            "option path",
            f"{path} does not lie directly in {DROP_IN_DIRECTORY}",
            "A drop-in there is needed; it is checked with all others before it is in force.",
        )
    place = path.split("/")
    ours = None
    earlier: list[tuple[str, tuple[str, ...]]] = []
    later: list[tuple[str, tuple[str, ...]]] = []
    for drop_in in crio.files_with_pins():
        if drop_in.path == path:
            ours = _own_pins(crio, drop_in)
            continue
        pins = crio.pins_of(drop_in)
        if pins is not None:
            # /etc/crio/crio.conf sorts before every drop-in, and CRI-O reads it first.
            (later if drop_in.path.split("/") > place else earlier).append((drop_in.path, pins))
    return PinFiles(
        overriding=tuple(name for name, _pins in later),
        overridden=tuple(name for name, _pins in earlier),
        overriding_pins=later[-1][1] if later else (),
        earlier_pins=earlier[-1][1] if earlier else (),
        ours=ours,
    )


def _own_pins(crio: Crio, drop_in: DropIn) -> tuple[str, ...] | None:
    """Return what the drop-in pins, also when somebody else wrote it."""
    pins = parse_drop_in(drop_in.text)
    if pins is not None:
        return pins
    try:
        return crio.pins_of(drop_in)
    except CommandFailed:
        # Torn or edited into what CRI-O cannot read: it is refused at the next check.
        return None
