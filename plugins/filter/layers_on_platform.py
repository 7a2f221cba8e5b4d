# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a lock that one node needs to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.documents.lock import layers_on_platform
from ..module_utils.documents.lock_file import parse_lock
from ..module_utils.documents.locked_images import locked_images_document
from ..module_utils.errors import EdgefleetError


def _layers_on_platform(
    lock: Any, references: Iterable[str], platform: str
) -> dict[str, list[dict[str, Any]]]:
    try:
        locked = layers_on_platform(parse_lock([lock], "that was read"), references, platform)
    except EdgefleetError as error:
        raise AnsibleFilterError(str(error)) from error
    return locked_images_document(locked)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"layers_on_platform": _layers_on_platform}
