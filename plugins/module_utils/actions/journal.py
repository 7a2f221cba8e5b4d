# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's own record of what we changed and of what we pinned: JSON lines, bounded."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from ..node.host import Host
from ..node.reading_host import STATE_DIRECTORY
from .pin_record import PATH, fold_pins

#: Where a shortened journal is written before it takes the journal's place.
SCRATCH = STATE_DIRECTORY + "/.journal.new"
# Enough for years of changes at one site; past it the older half goes. In characters.
_HISTORY_MAX = 1_000_000
_HISTORY_KEPT = _HISTORY_MAX // 2


class Journal:
    """The journal of one node. Safe to use from several threads."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._whole = False

    def before(self, event: str, **details: Any) -> None:
        """Record that an effect is about to happen."""
        self._append({"event": event, "phase": "before", **details})

    def after(self, event: str, **details: Any) -> None:
        """Record that an effect has happened, and how it ended."""
        self._append({"event": event, "phase": "after", **details})

    def shorten(self) -> None:
        """Keep the journal within its bound: newest lines, and all that is known about pins."""
        text = self._host.read(PATH) or ""
        if len(text) <= _HISTORY_MAX:
            return
        record = fold_pins(text)
        snapshot = self._line(
            {
                "event": "snapshot",
                "phase": "after",
                "pinned": sorted(record.pinned),
                "known": sorted(record.known),
            }
        )
        newest = text[-_HISTORY_KEPT:].partition("\n")[2]
        self._host.write_atomic(PATH, newest + snapshot, 0o600, SCRATCH)

    def _append(self, entry: dict[str, Any]) -> None:
        with self._lock:
            self._mend()
            self._host.append(PATH, self._line(entry))

    def _mend(self) -> None:
        """Drop a last line that a crash left torn, once for each journal: each line is whole JSON.

        An effect begins once its line is on disk, so a torn one tells of none.
        """
        if self._whole:
            return
        self._whole = True
        text = self._host.read(PATH)
        if text and not text.endswith("\n"):
            whole = text[: text.rfind("\n") + 1]
            self._host.write_atomic(PATH, whole, 0o600, SCRATCH)

    def _line(self, entry: dict[str, Any]) -> str:
        return json.dumps({"time": stamp(self._host.now()), **entry}, sort_keys=False) + "\n"


def stamp(seconds: float) -> str:
    """Return an epoch second as the journal writes it: later ones sort after earlier ones."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
