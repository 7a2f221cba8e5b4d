#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crio_pinned_file
short_description: Own the drop-in that pins images in CRI-O
version_added: 0.1.0
description:
  - Writes or removes the drop-in in one step, after CRI-O itself has read a copy of its whole configuration with the new content.
  - The diff shows a line for each image; the file has them in one, byte for byte as OpenShift writes it.
  - Does not make CRI-O take it; M(edgefleet.crio.crio_reload) does.
  - Refuses nodes that OpenShift's Machine Config Operator manages, and CRI-O before 1.28.
options:
  state:
    description:
      - V(staged) keeps what the drop-in pins and adds O(references), so that nothing loses its pin before its replacement is there.
      - V(present) pins O(references) and nothing else.
      - V(absent) removes the drop-in.
    type: str
    choices: [staged, present, absent]
    default: present
  references:
    description:
      - The images, by digest. Required unless O(state=absent).
  on_conflict:
    description:
      - What to do where the drop-in would replace the pins of a file that CRI-O reads earlier.
      - V(fail) refuses and names the file, V(merge) keeps those pins in the drop-in as well. The other file is never edited.
    type: str
    choices: [fail, merge]
    default: fail
extends_documentation_fragment:
  - edgefleet.crio.attributes
  - edgefleet.crio.node
  - edgefleet.crio.node.references
  - edgefleet.crio.node.path
attributes:
  diff_mode:
    support: full
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Stage the new pins beside the old ones
  edgefleet.crio.crio_pinned_file:
    state: staged
    references: "{{ references }}"

- name: Commit the new pins
  edgefleet.crio.crio_pinned_file:
    state: present
    references: "{{ references }}"

- name: Pin nothing any more
  edgefleet.crio.crio_pinned_file:
    state: absent
"""

RETURN = r"""
path:
  description: Path of the drop-in.
  returned: always
  type: str
references:
  description: What the drop-in pins now (in check mode, would pin), without RV(merged).
  returned: always
  type: list
  elements: str
merged:
  description: What it pins only because an earlier file does, with O(on_conflict=merge).
  returned: always
  type: list
  elements: str
kept:
  description: Those of them that are only there because the pins are staged.
  returned: always
  type: list
  elements: str
withdrawn:
  description: What it pinned before and does not now.
  returned: always
  type: list
  elements: str
overridden_by:
  description: Files that CRI-O reads later and whose pins replace these.
  returned: always
  type: list
  elements: str
overrides:
  description: Files that CRI-O reads earlier and whose pins these replace.
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.actions.pin_files import FAIL, MERGE
from ..module_utils.actions.pins import DropInResult, write_drop_in
from ..module_utils.documents.drop_in import DEFAULT_PATH, comparable_drop_ins
from ..module_utils.documents.reference import parse_digest_references
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.host import LocalHost


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["staged", "present", "absent"],
                "default": "present",
            },
            "references": {"type": "list", "elements": "str"},
            "on_conflict": {"type": "str", "choices": [FAIL, MERGE], "default": FAIL},
            "path": {"type": "path", "default": DEFAULT_PATH},
        },
        required_if=[("state", "staged", ["references"]), ("state", "present", ["references"])],
        supports_check_mode=True,
    )
    path, state = module.params["path"], module.params["state"]
    try:
        references = parse_digest_references(module.params["references"] or [], "references")
        written = write_drop_in(
            LocalHost(),
            path,
            state,
            references,
            module.params["on_conflict"],
            module.check_mode,
        )
    except EdgefleetError as error:
        empty = {
            "references": [],
            "merged": [],
            "kept": [],
            "withdrawn": [],
            "overridden_by": [],
            "overrides": [],
        }
        module.fail_json(msg=str(error), path=path, **empty, **error.details())
    # Ansible shows what a task returned, also of one that was told not to.
    diff = {"diff": _diff(path, written)} if module._diff else {}
    module.exit_json(path=path, **_result(written), **diff)


def _diff(path: str, written: DropInResult) -> dict[str, str]:
    before, after = comparable_drop_ins(written.before or "", written.plan.text or "")
    return {"before_header": path, "after_header": path, "before": before, "after": after}


def _result(written: DropInResult) -> dict[str, Any]:
    plan = written.plan
    return {
        "changed": plan.changed,
        "references": [one for one in plan.references if one not in written.merged],
        "merged": list(written.merged),
        "kept": list(plan.kept),
        "withdrawn": list(plan.withdrawn),
        "overridden_by": list(written.files.overriding),
        "overrides": list(written.files.overridden),
    }


if __name__ == "__main__":
    main()
