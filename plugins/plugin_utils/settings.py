# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nodes of a play are set to, for tasks that run once for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleUndefinedVariable
from jinja2 import Undefined, UndefinedError

from ..module_utils.documents.readable import readable_names

# How many of the nodes that are set to the same are worth the screen.
_SHOWN = 3


@dataclass(frozen=True)
class SameSettings:
    """Nodes that are set to the same; settings go by the names of their variables."""

    settings: dict[str, Any]
    nodes: list[str]

    def refuse(self, others: Collection[SameSettings], problem: str) -> dict[str, Any]:
        """Return what a task fails with, and for which nodes where not all are set to the same.

        :param others: all that nodes are set to, these among them.
        """
        whose = f"for {readable_names(self.nodes, _SHOWN)}: " if len(others) > 1 else ""
        return {"failed": True, "msg": f"{whose}{problem}"}


@dataclass(frozen=True)
class Play:
    """The nodes of a play, as the task of one of them sees the others.

    :param node: the node at hand.
    :param hostvars: the variables of the inventory, node by node.
    :param defaults: what holds for a node for which they say nothing.
    """

    node: str
    hostvars: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Any]

    @classmethod
    def of_task(cls, variables: Mapping[str, Any], defaults: Mapping[str, Any]) -> Play:
        """Return the play of a task that has these variables."""
        # Ansible puts a node's variables together each time it is asked for them.
        nodes = variables["ansible_play_hosts_all"]
        hostvars = {name: variables["hostvars"][name] for name in nodes}
        return cls(variables["inventory_hostname"], hostvars, defaults)

    def settings(
        self, own: Mapping[str, Any], nodes: Iterable[str] | None = None
    ) -> list[SameSettings]:
        """Return what nodes are set to, each that differs once.

        Variables of the play or of the role's caller are not in ``hostvars``. They hold for every
        node, and a setting of which the node at hand has another value is one of them.

        :param own: the settings of the node at hand, as its task has them.
        :param nodes: those that are asked about, by default all.
        """
        mine = plain(own)
        seen = self._seen(mine, self.node)
        for_all = {name: one for name, one in mine.items() if name not in seen or seen[name] != one}
        found: list[SameSettings] = []
        for name in self.hostvars if nodes is None else nodes:
            settings = {**self._seen(mine, name), **for_all}
            # What variables of the play make of one, node by node, only that node can tell.
            if len(settings) < len(mine):
                continue
            known = next((one for one in found if one.settings == settings), None)
            if known is None:
                known = SameSettings(settings, [])
                found.append(known)
            known.nodes.append(name)
        return found

    def _seen(self, names: Iterable[str], node: str) -> dict[str, Any]:
        """Return those settings of a node that can be told without the variables of the play."""
        variables = self.hostvars[node]
        return {name: one for name in names for one in self._told(variables, name)}

    def _told(self, variables: Mapping[str, Any], name: str) -> tuple[Any, ...]:
        try:
            return (plain(variables[name] if name in variables else self.defaults[name]),)
        except (AnsibleUndefinedVariable, UndefinedError):
            return ()


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
