# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A row of the bench: one figure, its bar, and what today's way makes of the same work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The names of other ways: OpenShift's five workers with and without their pause, the playbook that
# people write, the order in 40 lines that ours has to be better than, and OpenShift's storage rule.
BLIND = "blind"
BLIND_PAUSED = "blind, 1 s pause"
NAIVE = "naive playbook"
SKETCH = "sketch"
TWICE_COMPRESSED = "2 x compressed"


@dataclass(frozen=True)
class Row:
    """One figure; it meets its bar when `value` is at most `most`, and at least `least` if that is set.

    `today` has the same figure for other ways, measured in the same run, by their names.
    """

    key: str
    payload: str
    seed: int
    value: float
    most: float
    today: Mapping[str, float]
    unit: str = "ratio"
    least: float | None = None

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.within(0)

    def within(self, tolerance: float) -> bool:
        """Whether the bar is met but for a tolerance, a fraction of the bar; `least` has none."""
        enough = self.least is None or self.value >= self.least
        return enough and self.value <= self.most * (1 + tolerance)
