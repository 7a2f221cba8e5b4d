# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One at a time: runs of two controllers that meet on a node take turns, step by step."""

from __future__ import annotations

from contextlib import nullcontext
from typing import ContextManager

from ..node.host import Host
from ..node.reading_host import STATE_DIRECTORY

PATH = STATE_DIRECTORY + "/turn"
# Steps that only write files or reload are over by then; a pull may go on for hours, and whoever
# waits for it is told so. In seconds.
_PATIENCE = 60.0


def take_turn(host: Host, doing: str, check_mode: bool) -> ContextManager[None]:
    """Hold the node for one step; it is let go of when the process ends, however it ends.

    :param doing: what the step does, as in ``pull images``.
    :param check_mode: nothing will be changed, so nobody needs to wait.
    :raises HostError: when another step still holds it after a minute, saying whose, since when.
    """
    if check_mode:
        return nullcontext()
    return host.exclusive(PATH, doing, _PATIENCE, f"waiting to {doing}")
