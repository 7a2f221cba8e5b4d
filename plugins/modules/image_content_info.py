#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_content_info
short_description: Say whether the layers of images are whole in a node's store
version_added: 0.1.0
description:
  - Compares what is unpacked of each layer with what the store recorded as it unpacked it, file by file. Names, kinds and sizes are
    compared. The content of files is not read.
  - Images that are not in the store are passed over. M(edgefleet.crio.pinned_image_set_info) names those.
  - Only reads, and needs no network. Takes about two seconds for each 100000 files.
options:
  references:
    required: true
extends_documentation_fragment:
  - edgefleet.crio.attributes
  - edgefleet.crio.node
  - edgefleet.crio.node.references
seealso:
  - module: edgefleet.crio.image_content
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: See whether a disk lost something of the images
  edgefleet.crio.image_content_info:
    references: "{{ references }}"
  register: content

- name: Show what
  ansible.builtin.debug:
    var: content.deviations
  when: not content.whole
"""

RETURN = r"""
whole:
  description: Whether nothing is missing from those images that are there.
  returned: always
  type: bool
deviations:
  description: The damaged images, as M(edgefleet.crio.pinned_image_set_info) names deviations.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: V(corrupt).
      type: str
    subject:
      description: The image.
      type: str
    detail:
      description: The layer, its first damaged file, and why the image cannot be removed and pulled again where that is so.
      type: str
removable:
  description: The damaged images that can be removed and pulled again.
  returned: always
  type: list
  elements: str
going:
  description: The names of all images that M(edgefleet.crio.image_content) would remove, those that only share a damaged layer among them.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.actions.content import look_into
from ..module_utils.decisions.healing import CORRUPT
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
        look = look_into(LocalContentHost(), references)
    except EdgefleetError as error:
        module.fail_json(
            msg=str(error), whole=False, deviations=[], removable=[], going=[], **error.details()
        )
    module.exit_json(
        whole=not look.corrupt,
        deviations=[
            {"kind": CORRUPT, "subject": one.reference, "detail": one.detail}
            for one in look.corrupt
        ],
        removable=[one.reference for one in look.corrupt if not one.stays],
        going=list(look.going),
    )


if __name__ == "__main__":
    main()
