# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of programs, and files of stores: those that are not what they should be, and JSON."""

from __future__ import annotations

import json
from typing import Any

from ..errors import EdgefleetError


class UnreadableAnswer(EdgefleetError):
    """Output of a program, or a file of the store, that has not the form it should have."""


def load_answer(text: str, problem: str) -> Any:
    """Return what a text says that must be JSON.

    :param problem: what failed when it is none, as in :class:`.EdgefleetError`.
    :raises UnreadableAnswer: when it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswer(problem, f"it is no JSON, {error}") from None
