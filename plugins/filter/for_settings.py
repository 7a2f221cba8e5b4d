# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found once for all nodes with the same settings, for one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils.settings import plain


def _for_settings(found: Iterable[Mapping[str, Any]], own: Mapping[str, Any], pool: str) -> Any:
    mine, others, odd = plain(own), [], []
    for one in found:
        others.append(plain(one["settings"]))
        if others[-1] == mine:
            if pool in one["references"]:
                return one
            odd.append("pin_images_pool")
    odd += [name for name in mine if all(one[name] != mine[name] for one in others)]
    raise AnsibleFilterError(
        f"choosing the images of the node: its inventory does not tell {', '.join(odd or mine)} without"
        " variables of the play, which are not the same for every node. Give it in the inventory alone."
    )


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"for_settings": _for_settings}
