# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain set as people write it, and where its file is looked for."""

from __future__ import annotations

REFERENCE = "example.com/a@sha256:" + "a" * 64
FOLDERS = ["/play", "/here"]


def a_set(name: str) -> str:
    """Return a plain set as text."""
    return f"---\nname: {name}\nimages: [{REFERENCE}]\n"
