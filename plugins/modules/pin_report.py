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
      - Without it, that result stands as V(ended_by) in the first step's.
    type: str
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
ended:
  description: When the report was made, in UTC. A run that was refused before any node was touched makes none.
  returned: always
  type: str
  sample: "2026-01-31T02:15:00+00:00"
check_mode:
  description: Whether the run only predicted.
  returned: always
  type: bool
held_against:
  description: What nodes were held against, once for each lock or group of sets.
  returned: always
  type: list
  elements: dict
  contains:
    wanted_by:
      description: The lock with its SHA-256 value, or the sets.
      type: str
      sample: "set base (/srv/sets/base.yml)"
    nodes:
      description: The names of the nodes.
      type: list
      elements: str
nodes:
  description: What became of each node, by its name.
  returned: always
  type: dict
  contains:
    state:
      description: One of V(converged), V(changed), V(would change), V(failed) and V(unreachable).
      type: str
    cause:
      description:
        - Why a node failed, V(login), V(disk), V(unreachable), V(killed), V(python), V(busy), V(deviates) or V(other); else empty.
      type: str
    message:
      description: What failed on what, the cause and what is needed, where the node failed.
      type: str
    needs:
      description: Who or what mends it, V(person), V(run) for the same run once more, V(pin_images), or empty.
      type: str
    wanted:
      description: How many images it should have.
      type: int
    pulled:
      description: How many images were pulled.
      type: int
    removed:
      description: How many images were removed, or would be.
      type: int
    bytes:
      description: The bytes of the images that were pulled, compressed.
      type: int
    staged:
      description: References whose old pins stay until a run can finish.
      type: list
      elements: str
    deviations:
      description: How a node that is not whole deviates, as M(edgefleet.crio.pinned_image_set_info) returns it.
      type: list
      elements: dict
    images:
      description: The images that are not simply present.
      type: list
      elements: dict
      contains:
        reference:
          description: The image.
          type: str
        outcome:
          description:
            - As M(edgefleet.crio.pinned_image_set) and M(edgefleet.crio.image_content) return it, and V(not_removed) for one whose
              removal failed.
          type: str
        cause:
          description: Class of the failure as for M(edgefleet.crio.pinned_image_set), empty when there was none.
          type: str
        message:
          description: What CRI-O said, or why it was left.
          type: str
        attempts:
          description: How often it was tried.
          type: int
        bytes:
          description: Its own part of the download, compressed.
          type: int
    plan:
      description: In check mode, each C(reference) that would be pulled and its C(bytes), in the order of the pulls.
      type: list
      elements: dict
    would_pin:
      description: In check mode, references of present images that would be pinned.
      type: list
      elements: str
    would_unpin:
      description: In check mode, references whose pins would be let go.
      type: list
      elements: str
    stays_free:
      description: In check mode with pulls, the C(bytes) of the image store that they leave free, and whether their need is C(guessed).
      type: dict
"""
