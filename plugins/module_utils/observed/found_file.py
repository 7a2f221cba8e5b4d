# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies at a path, without following links: a file is more than its text."""

from __future__ import annotations

from dataclasses import dataclass

ABSENT = "absent"
FILE = "file"
LINK = "symbolic link"
DIRECTORY = "directory"
OTHER = "special file"


@dataclass(frozen=True)
class Entry:
    """One entry of a folder, itself: ``kind`` is one of the constants above, but not absent.

    ``owner`` is the numeric user, ``changed`` when its content changed last, as seconds since the
    epoch on the clock of that moment.
    """

    name: str
    kind: str
    owner: int
    bytes: int
    changed: float


@dataclass(frozen=True)
class FoundFile:
    """``kind`` is one of the constants above; the rest is known of a :data:`FILE` only.

    ``mode`` has the permission bits, ``owner`` the numeric user.
    """

    kind: str = ABSENT
    text: str | None = None
    mode: int = 0
    owner: int = 0

    def oddity(self, mode: int) -> str:
        """Say what is wrong with it beside its text; empty for root's file of that mode."""
        if self.kind == ABSENT:
            return ""
        if self.kind != FILE:
            return f"it is a {self.kind}"
        if self.owner != 0:
            return f"it belongs to user {self.owner}, not to root"
        return f"its mode is {self.mode:04o}, not {mode:04o}" if self.mode != mode else ""
