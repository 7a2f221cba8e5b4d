# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nodes of a play are set to, for tasks that run once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleUndefinedVariable
from jinja2 import Undefined, UndefinedError


@dataclass(frozen=True)
class SameSettings:
    """Nodes that are set to the same; settings go by the names of their variables."""

    settings: dict[str, Any]
    nodes: list[str]


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

    def settings(self, own: Mapping[str, Any], nodes: Iterable[str]) -> list[SameSettings]:
        """Return what nodes are set to, each that differs once.

        Variables of the play or of the role's caller are not in ``hostvars``. They hold for every
        node, and a setting of which the node at hand has another value is one of them.

        :param own: the settings of the node at hand, as its task has them.
        """
        mine = plain(own)
        seen = self._seen(mine, self.node)
        for_all = {name: one for name, one in mine.items() if name not in seen or seen[name] != one}
        found: list[SameSettings] = []
        for name in nodes:
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
