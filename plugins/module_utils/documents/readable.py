# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and counts as people read them, in every line and message."""

from __future__ import annotations

_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def readable_bytes(count: int) -> str:
    """Return a number of bytes as people read it: 1000 bytes are a kilobyte."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return readable_count(count, "byte")


def readable_count(count: int, noun: str) -> str:
    """Return so many of a thing; ``noun`` is a single one, and takes an s for more."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
