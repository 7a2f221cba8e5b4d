#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of the action plugin of the same name, which runs on the control side.

from __future__ import annotations

DOCUMENTATION = r"""
module: checked_options
short_description: Check once what all nodes of a play are set to
version_added: 0.1.0
description:
  - Checks the options of a role on the control node, for all nodes of the play, before any node is touched. It is meant to run once
    for all of them.
  - Says in one line what is wrong and for which nodes, where Ansible's own check of a role's arguments says it for each node, with
    the whole specification.
options:
  options:
    description:
      - What the node at hand is set to, by the names of the variables. Those of the other nodes are taken from their inventory;
        one that is another one here than the inventory says, as a variable of the play is, holds for all.
    type: dict
    default: {}
extends_documentation_fragment:
  - edgefleet.crio.attributes
  - edgefleet.crio.checks
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Check how many pulls are tried
  edgefleet.crio.checked_options:
    options:
      pull_retries: "{{ pull_retries }}"
    defaults:
      pull_retries: 4
    spec:
      pull_retries:
        type: int
    least:
      pull_retries: 0
    prefix: pull_
  run_once: true
"""

RETURN = r"""
msg:
  description: What is wrong, and for which nodes where not for all.
  returned: failure
  type: str
  sample: "pin_images_retries is -1, at least 0 is needed. No node was touched."
"""
