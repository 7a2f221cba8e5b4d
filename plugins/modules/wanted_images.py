#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of the action plugin of the same name, which runs on the control side.

from __future__ import annotations

DOCUMENTATION = r"""
module: wanted_images
short_description: Read which images the nodes of a play want, from locks or from sets
version_added: 0.1.0
description:
  - Checks options, then reads and checks locks or sets on the control node, before any node is touched. It is meant to run once for all
    nodes of the play, and reads once what nodes share.
  - Contacts neither nodes nor registries.
options:
  options:
    description:
      - What the node at hand is set to, by the names of the variables. Those of the other nodes are taken from their inventory;
        one that is another one here than the inventory says, as a variable of the play is, holds for all.
      - C(pin_images_lock) is the path of a lock that M(edgefleet.crio.image_lock) wrote. It counts, and
        sets are only compared with it, with a warning for what they want and it lacks. Empty for none.
      - C(pin_images_lock_checksum) is what the lock's content must be, as a SHA-256 value, or as the path of a file that C(sha256sum)
        wrote. It is checked before anything of the lock is used. Empty to take any; without a lock it is an error.
      - C(pin_images_sets) is the sets. An entry is the path of a YAML file or folder with PinnedImageSet documents, such a document
        itself, or a plain set with C(name), C(images) and, unless it is for every pool, C(pool). A string of YAML, or of
        paths, separated by commas or line breaks, stands for a list. A relative path is looked for in the current directory, then
        beside the playbook.
      - C(pin_images_pool) is the pool of the node, empty for none. Where sets name pools, that none names it is an error, as nodes
        would lose the pins of the pool that was meant; without a pool a node takes the sets for every pool alone.
    type: dict
    default: {}
  settings:
    description:
      - The names of those options that tell what is wanted, or how a lock of it is made, all but C(pin_images_pool). Nodes with the same
        values of them are read for once.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - edgefleet.crio.attributes
  - edgefleet.crio.checks
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Read what is wanted
  edgefleet.crio.wanted_images:
    options:
      pin_images_lock: "{{ pin_images_lock }}"
      pin_images_lock_checksum: ""
      pin_images_sets: []
      pin_images_pool: "{{ pin_images_pool }}"
    settings: [pin_images_lock, pin_images_lock_checksum, pin_images_sets]
    defaults:
      pin_images_lock: site.lock.yml
      pin_images_pool: edge
    spec:
      pin_images_lock: {type: str}
      pin_images_lock_checksum: {type: str}
      pin_images_sets: {type: raw}
      pin_images_pool: {type: str}
    prefix: pin_images_
  register: read
  run_once: true
"""

RETURN = r"""
wanted:
  description: What nodes want, once for each of the settings that differ.
  returned: success
  type: list
  elements: dict
  contains:
    settings:
      description: What the nodes are set to of O(settings).
      type: dict
    nodes:
      description: Their names.
      type: list
      elements: str
    references:
      description: For each of their pools, the references that its nodes want, sorted.
      type: dict
      sample:
        edge: ["registry.example.com/edge/app@sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1"]
    lock:
      description: The lock's content, C(null) when sets were read.
      type: dict
    wanted_by:
      description: What the references were read from, the lock with its SHA-256 value, or the first sets, each with where it stands.
      type: str
      sample: "sets base (/srv/sets/base.yml), site (/srv/sets/site.yml)"
"""
