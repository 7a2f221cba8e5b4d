# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of a role's options, once for all nodes of a play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .settings import PlaySettings

#: What a task that checks options is given, as an argument spec.
ARGUMENTS: dict[str, Any] = {
    "options": {"type": "dict", "required": True},
    "defaults": {"type": "dict", "required": True},
    "spec": {"type": "dict", "required": True},
    "least": {"type": "dict", "default": {}},
}


def refuse_options(play: PlaySettings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task fails with when options of a node are wrong; empty when none are.

    :param arguments: those of the task, of :data:`ARGUMENTS`.
    """
    validator = ArgumentSpecValidator(arguments["spec"])
    groups = play.alike(arguments["options"])
    for group in groups:
        problems = _problems(validator, group.settings, arguments["least"])
        if problems:
            said = "; ".join(" ".join(one.split()) for one in problems)
            return group.refuse(groups, f"{said}. No node was touched.")
    return {}


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
