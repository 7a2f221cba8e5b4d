# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the node's journal knows of pulls."""

from __future__ import annotations

from ..node.reading_host import ReadingHost
from .journal import stamp
from .pin_record import PATH, journal_entries


def read_own_pulls(host: ReadingHost, seconds: float) -> tuple[str, ...]:
    """Return the reference of each pull that we began since an epoch second, once for each try."""
    since = stamp(seconds)
    return tuple(
        str(entry.get("reference"))
        for entry in journal_entries(host.read(PATH) or "")
        if (entry.get("event"), entry.get("phase")) == ("pull", "before")
        and str(entry.get("time")) >= since
    )
