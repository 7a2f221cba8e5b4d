# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception family: whatever a user must be told, in one line."""

from __future__ import annotations

from typing import Any


class EdgefleetError(Exception):
    """A failure that a user can act on: *what failed on what: cause. What is needed.*

    :param problem: what failed on what, e.g. ``reading the lock site.lock.yml``.
    :param cause: why, without a trailing full stop; line breaks are folded into spaces.
    :param needed: what would make it work; a sentence, or empty when the cause says it all.
    """

    def __init__(self, problem: str, cause: str, needed: str = "") -> None:
        self.problem = problem
        self.cause = " ".join(cause.split()).rstrip(".")
        self.needed = needed
        super().__init__(f"{problem}: {self.cause}." + (f" {needed}" if needed else ""))

    def details(self) -> dict[str, Any]:
        """Return what a module adds to its failure beside ``msg``."""
        return {}
