#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pinned_image_set_info
short_description: Say whether a node holds its pinned images, and where it deviates
version_added: 0.1.0
description:
  - Compares a node with the references that its sets want on it, and names every deviation by its kind.
  - Only reads, needs no network, and asks the running CRI-O what is pinned. One call is enough for a node on which all is well.
options:
  references:
    required: true
  on_conflict:
    description: As M(edgefleet.crio.crio_pinned_file) was given it, which decides what the drop-in should hold.
    type: str
    choices: [fail, merge]
    default: fail
extends_documentation_fragment:
  - edgefleet.crio.attributes
  - edgefleet.crio.node
  - edgefleet.crio.node.references
  - edgefleet.crio.node.path
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: See whether the node is as its sets want it
  edgefleet.crio.pinned_image_set_info:
    references:
      - registry.example.com/edge/app@sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1
  register: look

- name: Show how it deviates
  ansible.builtin.debug:
    var: look.deviations
  when: not look.converged
"""

RETURN = r"""
converged:
  description:
    - Whether every reference is present under its name and reported pinned, the drop-in is committed, nothing overrides it, and CRI-O
      can start again.
  returned: always
  type: bool
deviations:
  description: Every way in which the node deviates.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description:
        - V(missing), V(unpinned) and V(stale_pin) are about an image; V(staged), V(file_differs) and V(overridden) about a file;
          V(daemon_unreachable) is about CRI-O's socket.
        - V(masked) is about CRI-O's unit; it may run, and would not start again.
      type: str
    subject:
      description: The reference, file or socket.
      type: str
    detail:
      description: What is wrong with it.
      type: str
wanted:
  description: How many references the node wants.
  returned: always
  type: int
missing:
  description: The references that are not in the store under their names.
  returned: always
  type: list
  elements: str
removable:
  description: References that this collection had pinned, that are not wanted now and that the store still has.
  returned: always
  type: list
  elements: str
platform:
  description: The node's platform as images name it, for example V(linux/amd64).
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.actions.look import look_at
from ..module_utils.actions.pin_files import FAIL, MERGE
from ..module_utils.decisions.convergence import MISSING
from ..module_utils.documents.drop_in import DEFAULT_PATH
from ..module_utils.documents.reference import parse_digest_references
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.reading_host import LocalReader


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "references": {"type": "list", "elements": "str", "required": True},
            "on_conflict": {"type": "str", "choices": [FAIL, MERGE], "default": FAIL},
            "path": {"type": "path", "default": DEFAULT_PATH},
        },
        supports_check_mode=True,
    )
    result = {
        "converged": False,
        "wanted": len(module.params["references"]),
        "deviations": [],
        "missing": [],
        "removable": [],
        "platform": "",
    }
    try:
        references = parse_digest_references(module.params["references"], "references")
        look = look_at(
            LocalReader(), module.params["path"], references, module.params["on_conflict"]
        )
    except EdgefleetError as error:
        module.fail_json(msg=str(error), **result, **error.details())
    module.exit_json(
        converged=not look.deviations,
        wanted=len(references),
        deviations=[
            {"kind": one.kind, "subject": one.subject, "detail": one.detail}
            for one in look.deviations
        ],
        missing=[one.subject for one in look.deviations if one.kind == MISSING],
        removable=list(look.removable),
        platform=look.platform,
    )


if __name__ == "__main__":
    main()
