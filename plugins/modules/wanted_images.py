#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of the action plugin of the same name, which runs on the control side.

from __future__ import annotations

DOCUMENTATION = r"""
module: wanted_images
short_description: Read which images each pool of nodes wants, from a lock or from sets
version_added: 0.1.0
description:
  - Reads and checks a lock or sets on the control node, before any node is touched.
  - Contacts neither nodes nor registries.
options:
  lock:
    description: Path of a lock that M(edgefleet.crio.image_lock) wrote. With it, O(sets) are not read.
    type: str
  lock_checksum:
    description:
      - What the lock's content must be, as a SHA-256 value, or as the path of a file that C(sha256sum) wrote. It is checked before
        anything of the lock is used.
      - Without a lock it is an error.
    type: str
  sets:
    description:
      - The sets. An entry is the path of a YAML file or folder with PinnedImageSet documents, such a document itself, or a plain set
        with C(name), C(images) and, unless it is for every pool, C(pool).
      - A string stands for a list of paths, separated by commas or line breaks.
      - A relative path is looked for in the current directory, then beside the playbook.
    type: list
    elements: raw
  pools:
    description: The pools of the nodes at hand. A pool that no set names is an error.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - edgefleet.crio.attributes
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Read what is wanted
  edgefleet.crio.wanted_images:
    lock: site.lock.yml
    pools: [edge]
  register: wanted
  run_once: true
"""

RETURN = r"""
references:
  description: For each pool, the references that its nodes want, sorted.
  returned: success
  type: dict
  sample:
    edge: ["registry.example.com/edge/app@sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1"]
lock:
  description: The lock's content, C(null) when sets were read.
  returned: success
  type: dict
"""
