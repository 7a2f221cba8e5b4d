#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_content
short_description: Remove damaged images from a node's store, so that they can be pulled again
version_added: 0.1.0
description:
  - Finds damaged images as M(edgefleet.crio.image_content_info) does. What is whole is never touched.
  - A pull takes a layer that is in the store without looking into it, and CRI-O deletes a layer only with its last image. So all images
    that share a damaged layer go together, or none.
  - They stay while a container uses one of them, or where one has a name that this collection never pinned.
  - Before an image is removed, a pull of it asks its registry, which costs a manifest. An image that nobody could give back stays.
  - What was removed is missing then. Pull it with M(edgefleet.crio.pinned_image_set).
options:
  references:
    required: true
extends_documentation_fragment:
  - edgefleet.crio.attributes
  - edgefleet.crio.node
  - edgefleet.crio.node.references
seealso:
  - module: edgefleet.crio.image_content_info
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Remove what is damaged
  edgefleet.crio.image_content:
    references: "{{ references }}"

- name: Pull it again
  edgefleet.crio.pinned_image_set:
    references: "{{ references }}"
"""

RETURN = r"""
images:
  description: What became of each damaged image.
  returned: always
  type: list
  elements: dict
  contains:
    reference:
      description: The image.
      type: str
    outcome:
      description:
        - V(cleared) or V(would_clear) for one that went.
        - V(left) for one that must stay; V(failed) for one that its registry would not give back, or that CRI-O did not remove.
      type: str
    cause:
      description: Class of the failure as for M(edgefleet.crio.pinned_image_set), empty when there was none.
      type: str
    message:
      description: What is damaged and why it stays, or what CRI-O said.
      type: str
    attempts:
      description: How often it was tried.
      type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.actions.content import CLEARED, WOULD_CLEAR, clear_corrupt
from ..module_utils.actions.image_outcome import ImageOutcome
from ..module_utils.documents.reference import parse_digest_references
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.layer_content import LocalContentHost


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"references": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    try:
        references = parse_digest_references(module.params["references"], "references")
        outcomes = clear_corrupt(LocalContentHost(), references, module.check_mode)
    except EdgefleetError as error:
        module.fail_json(msg=str(error), images=[], **error.details())
    module.exit_json(
        changed=any(one.outcome in (CLEARED, WOULD_CLEAR) for one in outcomes),
        images=[_told(one) for one in outcomes],
    )


def _told(one: ImageOutcome) -> dict[str, Any]:
    return {
        key: getattr(one, key) for key in ("reference", "outcome", "cause", "message", "attempts")
    }


if __name__ == "__main__":
    main()
