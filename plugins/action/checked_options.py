# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check once what all nodes of a play are set to, before any of them is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..plugin_utils.settings import Play


class ActionModule(ActionBase):
    """See the documentation of edgefleet.crio.checked_options."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Check the options of all nodes of the play, each that differs once."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "options": {"type": "dict", "required": True},
                "defaults": {"type": "dict", "required": True},
                "spec": {"type": "dict", "required": True},
                "least": {"type": "dict", "default": {}},
            },
        )
        play = Play.of_task(task_vars or {}, arguments["defaults"])
        groups = play.settings(arguments["options"])
        validator = ArgumentSpecValidator(arguments["spec"])
        for group in groups:
            problems = _problems(validator, group.settings, arguments["least"])
            if problems:
                said = "; ".join(" ".join(one.split()) for one in problems)
                return {**result, **group.refuse(groups, f"{said}. No node was touched.")}
        return {**result, "changed": False}


def _problems(
    validator: ArgumentSpecValidator, options: Mapping[str, Any], least: Mapping[str, int]
) -> list[str]:
    """Say what is wrong with options: their types and choices first, then numbers that are too small."""
    validated = validator.validate(dict(options))
    numbers = validated.validated_parameters
    return list(validated.error_messages) or [
        f"{name} is {numbers[name]}, at least {number} is needed"
        for name, number in least.items()
        if numbers[name] < number
    ]
