# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look whether the pulls of a node move."""

from __future__ import annotations

from ..decisions.stall import Stillness
from ..errors import EdgefleetError
from ..node.host import Host
from ..node.staging import read_marks
from ..observed.crio import RunningConfig


def look_again(host: Host, config: RunningConfig, still: Stillness) -> Stillness:
    """Return the state after another look; what cannot be known is not still."""
    try:
        marks = read_marks(host, config)
    except EdgefleetError:
        return Stillness(frozenset(), host.monotonic())
    return still.after(marks, host.monotonic())
