#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of the action plugin of the same name, which runs on the control side.

from __future__ import annotations

DOCUMENTATION = r"""
module: lock_changes
short_description: Say what changed from one lock to another
version_added: 0.1.0
description:
  - Compares two locks that M(edgefleet.crio.image_lock) wrote, prints in plain words what came, what went and which tags moved, in
    the whole lock and for single pools, which sets have another pool or other exclusions, how many bytes that means for each pool and
    platform, and what the newer lock amounts to.
  - Runs on the control node. Contacts neither nodes nor registries.
options:
  before:
    description: Path of the older lock. A relative path is looked for in the current directory, then beside the playbook.
    type: path
    required: true
  after:
    description: Path of the newer lock.
    type: path
    required: true
extends_documentation_fragment:
  - edgefleet.crio.attributes
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: See what the new lock changes
  edgefleet.crio.lock_changes:
    before: site.lock.yml.old
    after: site.lock.yml
"""

RETURN = r"""
changes:
  description: What changed from one lock to the other.
  returned: success
  type: dict
  contains:
    images_in:
      description: References that came.
      type: list
      elements: str
    images_out:
      description: References that went.
      type: list
      elements: str
    names:
      description: For the images that came or went and have names at their sources, as components of a release do, these names.
      type: dict
    moved:
      description: Tags that lead to another digest now; their images are not named in the two lists before.
      type: list
      elements: dict
      contains:
        name:
          description: The tag, as C(registry/name:tag).
          type: str
        before:
          description: Its digest before.
          type: str
        after:
          description: Its digest now.
          type: str
    pools:
      description: For the pools where that is so, the images of both locks that their nodes take only by one of them.
      type: list
      elements: dict
      contains:
        pool:
          description: The pool, V(null) for all that no lock names.
          type: str
        images_in:
          description: References that such nodes take now.
          type: list
          elements: str
        images_out:
          description: References that they take no more.
          type: list
          elements: str
    sets:
      description: Sets of both locks that are for another pool now, or leave out by other patterns or for other reasons.
      type: list
      elements: dict
      contains:
        name:
          description: The set's name.
          type: str
        pool_before:
          description: Its pool before, V(null) for every pool.
          type: str
        pool_after:
          description: Its pool now.
          type: str
        patterns_in:
          description: Patterns that leave something out now.
          type: list
          elements: str
        patterns_out:
          description: Patterns that leave nothing out any more.
          type: list
          elements: str
        reasons:
          description: Patterns that leave something out for another reason.
          type: list
          elements: dict
          contains:
            pattern:
              description: The pattern.
              type: str
            before:
              description: The reason before.
              type: str
            after:
              description: The reason now.
              type: str
    sets_in:
      description: Sets that came; one that was renamed is here under its new name.
      type: list
      elements: dict
      contains:
        name:
          description: The set's name.
          type: str
        pool:
          description: Its pool, V(null) for every pool.
          type: str
    sets_out:
      description: Sets that went; one that was renamed is here under its old name.
      type: list
      elements: dict
      contains:
        name:
          description: The set's name.
          type: str
        pool:
          description: Its pool, V(null) for every pool.
          type: str
    transfers:
      description: What that means for the nodes of each pool, by platform.
      type: list
      elements: dict
      contains:
        pool:
          description: The pool, V(null) where no lock names one.
          type: str
        platform:
          description: The platform.
          type: str
        bytes_in:
          description: Compressed bytes of layers that such nodes fetch.
          type: int
        bytes_out:
          description: Compressed bytes of layers that they need no more.
          type: int
totals:
  description: What the nodes of each pool hold once all is there, by platform.
  returned: success
  type: list
  elements: dict
  contains:
    pool:
      description: The pool, V(null) where the lock names none.
      type: str
    platform:
      description: The platform.
      type: str
    images:
      description: How many references such nodes want.
      type: int
    layers:
      description: How many distinct layers these have.
      type: int
    compressed_bytes:
      description: What crosses the link of a node that has none of them, in bytes.
      type: int
    measured_layers:
      description: How many of the layers were measured.
      type: int
    unpacked_bytes:
      description: What the files of the measured layers take, in bytes.
      type: int
"""
