# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the node's journal knows of pins."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Iterable

from ..node.reading_host import STATE_DIRECTORY, ReadingHost

PATH = STATE_DIRECTORY + "/journal.jsonl"


@dataclass(frozen=True)
class PinRecord:
    """What the journal knows of pins.

    ``pinned`` are the references that we last put into the drop-in, at ``pinned_at`` in the words of
    the journal, empty when it no longer tells; ``known`` are those that we ever put there and that
    may still be in the store.
    """

    pinned: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    pinned_at: str = ""

    def left_at(self, listed: Iterable[str] | None) -> str:
        """Say when a run of ours left a drop-in that lists these; empty when none did.

        :param listed: None for no drop-in, or one that cannot be read.
        """
        is_ours = listed is not None and self.pinned_at and set(listed) == self.pinned
        return f", as a run left it at {self.pinned_at}" if is_ours else ""


def read_pin_record(host: ReadingHost) -> PinRecord:
    """Return what the journal says about pins."""
    return fold_pins(host.read(PATH) or "")


def journal_entries(text: str) -> Iterable[dict[str, Any]]:
    """Return the entries of a journal; a line that a crash or a hand has torn is passed over."""
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry


def fold_pins(text: str) -> PinRecord:
    """Follow the journal's lines in their order; what may have happened counts as pinned."""
    pinned: set[str] = set()
    known: set[str] = set()
    pinned_at = ""
    for entry in journal_entries(text):
        event, phase = entry.get("event"), entry.get("phase")
        if event == "snapshot":
            pinned, known = _references(entry, "pinned"), _references(entry, "known")
        elif event == "pin" and phase == "before":
            added = _references(entry, "added")
            pinned, known = pinned | added, known | added
        elif event == "pin" and phase == "after":
            pinned = pinned - _references(entry, "withdrawn")
            pinned_at = str(entry.get("time") or "")
        elif event in ("remove", "forget") and phase == "after":
            gone = _references(entry, "references")
            pinned, known = pinned - gone, known - gone
    return PinRecord(frozenset(pinned), frozenset(known), pinned_at)


def _references(entry: dict[str, Any], key: str) -> set[str]:
    """Return a list of an entry; none where somebody has edited it into something else."""
    value = entry.get(key)
    return {one for one in value if isinstance(one, str)} if isinstance(value, list) else set()
