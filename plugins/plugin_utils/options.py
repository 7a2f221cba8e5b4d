# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of a role's options, once for all nodes of a play."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.documents.shape import shown
from .settings import PlaySettings, alike

#: What a task that checks options is given, as an argument spec.
ARGUMENTS: dict[str, Any] = {
    "options": {"type": "dict", "default": {}},
    "defaults": {"type": "dict", "default": {}},
    "spec": {"type": "dict", "default": {}},
    "least": {"type": "dict", "default": {}},
    "prefix": {"type": "str", "required": True},
    "others": {"type": "list", "elements": "str", "default": []},
}
# From where on another name is a slip (difflib's ratio): pinned_images_lock for pin_images_lock.
_VERY_NEAR = 0.9
# What the filter bool understands; Ansible's check of arguments takes more for one, as 'y'.
_BOOLEANS = {"true", "yes", "on", "1", "false", "no", "off", "0"}


def play_settings(variables: Mapping[str, Any], arguments: Mapping[str, Any]) -> PlaySettings:
    """Return what the nodes of the play are set to.

    :param variables: those of the task.
    :param arguments: those of the task, of :data:`ARGUMENTS`.
    """
    return PlaySettings.of_task(
        variables, arguments["options"], arguments["defaults"], arguments["prefix"]
    )


def refuse_options(play: PlaySettings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task fails with when options of a node are wrong; empty when none are.

    :param arguments: those of the task, of :data:`ARGUMENTS`.
    """
    named = alike((node, _misnamed(names, arguments)) for node, names in play.names.items())
    for group in named:
        if group.settings:
            return group.refuse(named, _sentence(group.settings.values()))
    groups = play.alike(arguments["options"])
    for group in groups:
        problems = _problems(group.settings, arguments)
        if problems:
            return group.refuse(groups, _sentence(problems))
    return {}


def _sentence(problems: Iterable[str]) -> str:
    return "; ".join(" ".join(one.split()) for one in problems) + "."


def _misnamed(names: AbstractSet[str], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return what is said of variables that are most likely misspelt options, by their names."""
    prefix, known = arguments["prefix"], [*arguments["options"], *arguments["others"]]
    own = [one[len(prefix) :] for one in known]
    found = {}
    for name in sorted(names - set(known)):
        if name.startswith(prefix):
            # With what all of them begin with, each would be near.
            near = [prefix + one for one in get_close_matches(name[len(prefix) :], own, n=1)]
        else:
            near = get_close_matches(name, known, n=1, cutoff=_VERY_NEAR)
        if near or name.startswith(prefix):
            meant = "".join(f", {one} may be meant" for one in near)
            found[name] = f"there is no option {name}{meant}"
    return found


def _problems(options: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with options: their types and choices first, then what else means nothing."""
    validated = ArgumentSpecValidator(arguments["spec"]).validate(dict(options))
    numbers = validated.validated_parameters
    return (
        list(validated.error_messages)
        or list(_odd(options, arguments["spec"]))
        or [
            f"{name} is {numbers[name]}, at least {number} is needed"
            for name, number in arguments["least"].items()
            if numbers[name] < number
        ]
    )


def _odd(options: Mapping[str, Any], spec: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """Say which values Ansible's check takes, and the tasks that use them take for something else."""
    for name, value in options.items():
        kind = spec[name].get("type", "str")
        if kind == "bool" and str(value).lower() not in _BOOLEANS:
            yield f"{name} is {shown(value)}, true or false is needed"
        if kind == "str" and not isinstance(value, str):
            yield f"{name} is {shown(value)}, text is needed, in quotes"
        if kind == "int" and value is None:
            yield f"{name} is {shown(value)}, a number is needed"
