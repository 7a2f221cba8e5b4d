# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and counts as people read them, in every line and message."""

from __future__ import annotations

from typing import Sequence

_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def readable_bytes(count: int, beside: int | None = None) -> str:
    """Return a number of bytes as people read it: 1000 bytes are a kilobyte.

    :param beside: other bytes, a difference as a rule; no coarser unit than theirs is taken.
    """
    told = count if beside is None else min(count, beside)
    for size, unit in _UNITS:
        # What would be rounded to 1000 of a unit is 1 of the next.
        if round(told / (size / 1000), 1) >= 1000:
            return f"{count / size:.1f} {unit}"
    return readable_count(count, "byte")


def readable_count(count: int, noun: str) -> str:
    """Return so many of a thing; ``noun`` is a single one, and takes an s for more."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def readable_names(names: Sequence[str], shown_max: int) -> str:
    """Return the first ``shown_max`` names, and how many there are beside them."""
    more = f" and {len(names) - shown_max} more" if len(names) > shown_max else ""
    return f"{', '.join(names[:shown_max])}{more}"
