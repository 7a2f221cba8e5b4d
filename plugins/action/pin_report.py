# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what became of each node of a pin_images run, and keep it as one document."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.errors import EdgefleetError
from ..module_utils.node.host import LocalHost
from ..plugin_utils.control import folder_to_write
from ..plugin_utils.report import node_lines, node_report, wanted_lines

_MODE = 0o644


class ActionModule(ActionBase):
    """See the documentation of edgefleet.crio.pin_report."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Report on every host that the play was for."""
        variables: dict[str, Any] = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "path": {"type": "path"},
                "steps": {"type": "list", "elements": "str", "required": True},
                "failure": {"type": "str"},
                "wanted": {"type": "str", "default": ""},
            }
        )
        hostvars, in_play = variables["hostvars"], set(variables["ansible_play_hosts"])
        look = arguments["steps"][0]
        # With serial, the turn of nodes that nobody looked at yet is still to come.
        nodes = {
            name: self._report(hostvars[name], arguments, name in in_play)
            for name in variables["ansible_play_hosts_all"]
            if name not in in_play or look in hostvars[name]
        }
        held_against = _held_against(variables.get(arguments["wanted"]) or {})
        for line in [*wanted_lines(held_against), *node_lines(nodes)]:
            Display().display(line)
        document = {
            "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "check_mode": self._task.check_mode,
            "held_against": held_against,
            "nodes": nodes,
        }
        if arguments["path"]:
            try:
                _write(arguments["path"], document)
            except EdgefleetError as error:
                result.update(failed=True, msg=str(error))
        result.update(changed=False, **document)
        return result

    def _report(
        self, host: Mapping[str, Any], arguments: dict[str, Any], is_in_play: bool
    ) -> dict[str, Any]:
        steps = {name: host.get(name) or {} for name in arguments["steps"]}
        name = arguments["failure"]
        failure = host.get(name) if name else steps[arguments["steps"][0]].get("ended_by")
        return node_report(steps, failure or {}, is_in_play, self._task.check_mode)


def _held_against(read: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the nodes of each lock, or group of sets, from the result of wanted_images."""
    nodes: dict[str, list[str]] = {}
    for one in read.get("wanted", ()):
        # Nodes of one lock may differ in what else they are set to.
        nodes.setdefault(one["wanted_by"], []).extend(one["nodes"])
    return [{"wanted_by": wanted_by, "nodes": sorted(names)} for wanted_by, names in nodes.items()]


def _write(path: str, document: dict[str, Any]) -> None:
    folder = folder_to_write(path, f"writing {path}", "Make it first.")
    name = os.path.basename(path)
    text = json.dumps(document, indent=2) + "\n"
    LocalHost().write_atomic(
        os.path.join(folder, name), text, _MODE, os.path.join(folder, f".{name}.new")
    )
