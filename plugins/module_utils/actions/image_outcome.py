# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of one image in a step."""

from __future__ import annotations

from dataclasses import dataclass

FAILED = "failed"


@dataclass(frozen=True)
class ImageOutcome:
    """What became of one image; ``cause`` is a class of failure, empty unless it failed.

    ``bytes`` are those that it adds to the download, compressed: a layer that several images need
    counts with the first one in the plan.
    """

    reference: str
    outcome: str
    cause: str = ""
    message: str = ""
    attempts: int = 0
    seconds: float = 0.0
    bytes: int = 0
