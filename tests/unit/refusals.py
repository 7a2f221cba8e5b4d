# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a parser says to input that may be anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError


def refusal(parse: Callable[..., Any], *arguments: Any) -> str:
    """Return what ``parse`` says against its input, empty when it takes it."""
    try:
        parse(*arguments)
    except EdgefleetError as error:
        return str(error)
    return ""
