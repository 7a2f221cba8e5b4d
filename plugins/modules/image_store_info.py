#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_store_info
short_description: List the images that a node holds, by digest
version_added: 0.1.0
description:
  - Lists what a node holds now, for locking it with M(edgefleet.crio.image_lock).
  - Only reads, and needs no network.
options: {}
extends_documentation_fragment:
  - edgefleet.crio.attributes
  - edgefleet.crio.node
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: See what the golden node holds
  edgefleet.crio.image_store_info:
  register: golden
"""

RETURN = r"""
references:
  description:
    - Every image by digest, sorted, under the name by which it was pulled.
    - An image that was pulled by tag has the digests that CRI-O knows of it in that repository.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.actions.look import list_images
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.reading_host import LocalReader


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        references = list_images(LocalReader())
    except EdgefleetError as error:
        module.fail_json(msg=str(error), references=[], **error.details())
    module.exit_json(references=list(references))


if __name__ == "__main__":
    main()
