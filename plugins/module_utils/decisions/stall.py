# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the pulls of a node move, or does all of them stand still?"""

from __future__ import annotations

from dataclasses import dataclass

from ..observed.staging import Marks


@dataclass(frozen=True)
class Stillness:
    """What was there at the last look, and since when nothing has come, as monotonic seconds."""

    marks: Marks
    since: float

    def after(self, marks: Marks, now: float) -> Stillness:
        """Return the state after another look; whatever is new there was a movement.

        What is gone was none: a pull that failed takes its files away.
        """
        return Stillness(marks, now if marks - self.marks else self.since)

    def has_lasted(self, seconds: float, started: float, now: float) -> bool:
        """Say whether a pull that began at ``started`` has stood still with all others so long."""
        return now - max(self.since, started) >= seconds
