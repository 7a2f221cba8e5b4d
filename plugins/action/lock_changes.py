# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say on the control node what changed from one lock to another."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.actions.wanted import read_lock
from ..module_utils.documents.lock import Lock
from ..module_utils.documents.lock_changes import (
    change_lines,
    compare_locks,
    lock_totals,
    total_lines,
)
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.control_host import LocalControlHost
from ..plugin_utils.control import search_folders

# What the playbook takes the options from.
_VARIABLES = {
    "before": ("pin_images_lock_before", "the older lock"),
    "after": ("pin_images_lock", "the newer lock"),
}


class ActionModule(ActionBase):
    """See the documentation of edgefleet.crio.lock_changes."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Compare two locks, and print what changed and what the newer one amounts to."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "before": {"type": "path", "required": True},
                "after": {"type": "path", "required": True},
            },
        )
        try:
            before, after = self._locks(arguments)
        except EdgefleetError as error:
            result.update(failed=True, msg=str(error))
            return result
        changes, totals = compare_locks(before, after), lock_totals(after)
        for line in [*(change_lines(changes) or ["nothing changed"]), *total_lines(totals)]:
            Display().display(f"lock_changes: {line}")
        result.update(
            changed=False, changes=asdict(changes), totals=[asdict(one) for one in totals]
        )
        return result

    def _locks(self, arguments: dict[str, Any]) -> list[Lock]:
        """Read both locks; an empty path is a variable that nobody set."""
        for option, (variable, lock) in _VARIABLES.items():
            if not arguments[option]:
                raise EdgefleetError(
                    "comparing the locks", f"{variable} is not set", f"Name {lock} in it."
                )
        folders = search_folders(self._loader.get_basedir())
        host = LocalControlHost()
        return [read_lock(host, arguments[option], folders).lock for option in _VARIABLES]
