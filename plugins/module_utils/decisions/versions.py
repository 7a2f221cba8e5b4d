# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the versions of CRI-O can do with pins.

From CRI-O's changelogs and source: no ``pinned_images`` before 1.28.0; 1.28.x and 1.29.0-3 read
them at start only; 1.29.4-6 and 1.30.0-2 reload them, but may silently unpin entries that stay in
the list and never unpin a list that becomes empty; good from 1.29.7, 1.30.3 and 1.31.
"""

from __future__ import annotations

from ..observed.crio import CrioVersion

OLDEST = CrioVersion(1, 28, 0)
# The first good patch release of the minor versions that came without.
_GOOD_PATCH = {28: None, 29: 7, 30: 3}


def is_supported(version: CrioVersion) -> bool:
    """Say whether this CRI-O knows pins at all."""
    return version >= OLDEST


def needs_restart(version: CrioVersion) -> bool:
    """Say whether a reload is not enough for this CRI-O to take pins truly."""
    if version.minor not in _GOOD_PATCH:
        return False
    good = _GOOD_PATCH[version.minor]
    return good is None or version.patch < good
