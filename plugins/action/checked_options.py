# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check once what all nodes of a play are set to, before any of them is touched."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.options import ARGUMENTS, play_settings, refuse_options


class ActionModule(ActionBase):
    """See the documentation of edgefleet.crio.checked_options."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Check the options of all nodes of the play, each that differs once."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        play = play_settings(task_vars or {}, arguments)
        return {**result, "changed": False, **refuse_options(play, arguments)}
