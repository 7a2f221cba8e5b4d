#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crio_reload
short_description: Have the running CRI-O take its pins, shown by what it reports
version_added: 0.1.0
description:
  - Reloads CRI-O unless it already reports every present image of O(references) pinned, has all of them in its list, and nothing that
    this collection withdrew is still pinned.
  - Then waits until C(crictl images) says so, and fails when it does not, with which images and what CRI-O logged. C(systemctl reload)
    itself succeeds also when CRI-O rejected its configuration.
  - Checks the whole configuration first and never reloads into a broken file.
options:
  references:
    description: What the drop-in pins now, as RV(edgefleet.crio.crio_pinned_file#module:references) returned it.
    required: true
  allow_restart:
    description:
      - Whether to restart CRI-O where its version does not take pins truly on reload (before 1.29.7, 1.30.0 to 1.30.2).
      - A restart costs pulls in flight what they have fetched. Those of this collection end before; for others, the kubelet's and
        people's, it waits up to O(wait_timeout) and then fails. Of those, only such are seen as fetch or unpack a layer at that moment.
    type: bool
    default: false
  wait_timeout:
    description: How long CRI-O may take to report it, in seconds.
    type: int
    default: 60
extends_documentation_fragment:
  - edgefleet.crio.attributes
  - edgefleet.crio.node
  - edgefleet.crio.node.references
  - edgefleet.crio.node.path
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Have CRI-O take the pins
  edgefleet.crio.crio_reload:
    references: "{{ drop_in.references }}"
"""

RETURN = r"""
action:
  description: V(none), V(reload) or V(restart); in check mode, what would be done.
  returned: always
  type: str
unpinned:
  description: References that were present and not reported pinned before.
  returned: always
  type: list
  elements: str
stale:
  description: References that were reported pinned, or in CRI-O's list, before and that this collection had withdrawn.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.actions.reload import take_configuration
from ..module_utils.documents.drop_in import DEFAULT_PATH
from ..module_utils.documents.reference import parse_digest_references
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.host import LocalHost


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "references": {"type": "list", "elements": "str", "required": True},
            "path": {"type": "path", "default": DEFAULT_PATH},
            "allow_restart": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        taken = take_configuration(
            LocalHost(),
            module.params["path"],
            parse_digest_references(module.params["references"], "references"),
            module.params["allow_restart"],
            module.params["wait_timeout"],
            module.check_mode,
        )
    except EdgefleetError as error:
        module.fail_json(msg=str(error), action="none", unpinned=[], stale=[], **error.details())
    module.exit_json(
        changed=taken.action != "none",
        action=taken.action,
        unpinned=list(taken.before.unpinned),
        stale=list(taken.before.stale),
    )


if __name__ == "__main__":
    main()
