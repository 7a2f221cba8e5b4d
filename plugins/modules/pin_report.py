#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of the action plugin of the same name, which runs on the control side.

from __future__ import annotations

DOCUMENTATION = r"""
module: pin_report
short_description: Print one line for each node of a pin_images run, and keep the run as one document
version_added: 0.1.0
description:
  - Runs on the control node, once for all nodes of the play, and reads what the steps of P(edgefleet.crio.pin_images#role)
    registered for each.
  - Unreachable nodes have their line too.
options:
  path:
    description: Path, relative to the current directory, of a JSON document to write. Without it none is written.
    type: path
  steps:
    description:
      - Names of the variables in which the steps registered their results, in the order in which they are taken.
      - The first one is a result of M(edgefleet.crio.pinned_image_set_info).
    type: list
    elements: str
    required: true
  failure:
    description:
      - Name of the variable with the result that ended the run for a node; not defined, empty or that of a skipped task where nothing did.
    type: str
    required: true
  wanted:
    description:
      - Name of the variable with the result of M(edgefleet.crio.wanted_images), of which is said what the nodes were held against. Empty
        for nothing.
    type: str
    default: ""
extends_documentation_fragment:
  - edgefleet.crio.attributes
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Report
  edgefleet.crio.pin_report:
    path: build/run.json
    steps: [look, image_pull_result]
    failure: failed_step
    wanted: read
  run_once: true
"""

RETURN = r"""
wanted:
  description: What nodes were held against, C(wanted_by), and which (C(nodes)), once for each that differs.
  returned: always
  type: list
  elements: dict
  sample:
    - nodes: [site-001, site-002]
      wanted_by: sets base, site
nodes:
  description:
    - For each node, what became of it, with the images that are not simply present and how the node deviates.
    - In check mode C(plan), C(would_pin) and C(would_unpin) say what would be pulled, pinned and let go, and C(stays_free) how many
      bytes of the image store the pulls would leave free, and whether their need is guessed.
    - C(cause) says why a node failed, V(login), V(disk), V(unreachable), V(killed), V(python), V(busy), V(deviates) or V(other).
    - C(needs) says who or what mends it, V(person), V(run) for the same run once more, V(pin_images), or nothing.
  returned: always
  type: dict
"""
