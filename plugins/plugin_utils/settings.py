# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nodes of a play are set to, for tasks that run once for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleUndefinedVariable
from jinja2 import Undefined, UndefinedError

from ..module_utils.documents.readable import readable_names

# How many of the nodes that are set to the same are worth the screen.
_SHOWN = 3
# How many letters of a setting's name even a slip has right.
_BEGINNING = 3


@dataclass(frozen=True)
class SameSettings:
    """Nodes that are set to the same; settings go by the names of their variables."""

    settings: dict[str, Any]
    nodes: list[str]

    def refuse(self, others: Collection[SameSettings], problem: str) -> dict[str, Any]:
        """Return what a task fails with, and for which nodes where not all are set to the same.

        :param others: all that nodes are set to, these among them.
        :param problem: one or more sentences.
        """
        whose = f"for {readable_names(self.nodes, _SHOWN)}: " if len(others) > 1 else ""
        return {"failed": True, "msg": f"{whose}{problem} No node was touched."}


@dataclass(frozen=True)
class PlaySettings:
    """What the nodes of a play are set to, by their names and those of the variables.

    Of a node, ``of_nodes`` lacks what only that node can tell: what variables of the play make of a
    setting, node by node. ``names`` has the names of a node's variables that begin as those of
    settings do, or nearly.
    """

    of_nodes: Mapping[str, Mapping[str, Any]]
    names: Mapping[str, AbstractSet[str]]

    @classmethod
    def of_task(
        cls,
        variables: Mapping[str, Any],
        own: Mapping[str, Any],
        defaults: Mapping[str, Any],
        prefix: str,
    ) -> PlaySettings:
        """Return what the task of one node sees of all nodes.

        Variables of the play or of the role's caller are not in ``hostvars``. They hold for every
        node, and a setting of which the node at hand has another value is one of them.

        :param variables: those of the task.
        :param own: the settings of the node at hand, as its task has them.
        :param defaults: what holds for a node for which the inventory says nothing.
        :param prefix: what the names of settings begin with.
        """
        mine, told, names, beginning = plain(own), {}, {}, prefix[:_BEGINNING]
        for node in variables["ansible_play_hosts_all"]:
            # Ansible puts a node's variables together each time it is asked for them.
            of_node = variables["hostvars"][node]
            told[node] = _told(mine, of_node, defaults)
            names[node] = _beginning(of_node, beginning)
        seen = told[variables["inventory_hostname"]]
        for_all = {name: one for name, one in mine.items() if name not in seen or seen[name] != one}
        of_play = _beginning(variables, beginning) - names[variables["inventory_hostname"]]
        return cls(
            {node: {**settings, **for_all} for node, settings in told.items()},
            {node: found | of_play for node, found in names.items()},
        )

    def alike(self, names: Collection[str]) -> list[SameSettings]:
        """Return what nodes are set to under these names, each that differs once."""
        return alike(
            (node, {name: told[name] for name in names})
            for node, told in self.of_nodes.items()
            if told.keys() >= set(names)
        )


def _beginning(variables: Iterable[Any], letters: str) -> set[str]:
    # A file of variables may have a key that is no text: `on:` is a boolean.
    return {name for name in variables if isinstance(name, str) and name.startswith(letters)}


def alike(of_nodes: Iterable[tuple[str, dict[str, Any]]]) -> list[SameSettings]:
    """Return what is said of nodes, each that differs once."""
    found: list[SameSettings] = []
    for node, settings in of_nodes:
        known = next((one for one in found if one.settings == settings), None)
        if known is None:
            known = SameSettings(settings, [])
            found.append(known)
        known.nodes.append(node)
    return found


def _told(
    names: Iterable[str], variables: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return those settings of a node that its variables, or the defaults, tell."""
    found = {}
    for name in names:
        # What names a variable of the play, these do not tell.
        with suppress(AnsibleUndefinedVariable, UndefinedError):
            found[name] = plain(variables[name] if name in variables else defaults[name])
    return found


def plain(value: Any) -> Any:
    """Return a variable's value in plain containers, which compare: Ansible's template when read.

    :raises UndefinedError: when it names a variable that is undefined where it was read.
    """
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    # Before ansible-core 2.19 hostvars give the template itself.
    if isinstance(value, Undefined) or (isinstance(value, str) and "{{" in value):
        raise UndefinedError("a setting names an undefined variable")
    return value
