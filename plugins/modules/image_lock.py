#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of the action plugin of the same name, which runs on the control side.

from __future__ import annotations

DOCUMENTATION = r"""
module: image_lock
short_description: Lock sets of images, with their layers and sizes
version_added: 0.1.0
description:
  - Asks the registries, through C(skopeo) and so with the user's usual configuration of registries, what every reference is on each
    platform, and writes a lock for review and version control. The same input gives the same bytes.
  - Runs on the control node.
  - When images cannot be resolved, all of them are named in one error and the old lock stays as it was.
requirements:
  - skopeo on the control node
options:
  path:
    description:
      - Path of the lock to write, relative to the current directory.
      - Without it nothing is written and RV(lock) has the content.
    type: str
  sets:
    description: The sets, as for M(edgefleet.crio.wanted_images).
    type: list
    elements: raw
    required: true
  platforms:
    description: The platforms to lock, each as C(os/architecture) or C(os/architecture/variant).
    type: list
    elements: str
    default: [linux/amd64]
  registry_auth:
    description: Path of an auth file for the registries. Without it, C(skopeo) uses the user's own.
    type: str
  partial:
    description: Whether to leave images that could not be resolved out of the lock instead of failing.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    support: full
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Lock the sets of this site
  edgefleet.crio.image_lock:
    sets: [sets/]
    path: site.lock.yml
    platforms: [linux/amd64, linux/arm64]
"""

RETURN = r"""
lock:
  description: The lock's content.
  returned: success
  type: dict
images:
  description: How many references the lock has.
  returned: success
  type: int
layers:
  description: How many distinct layers they have.
  returned: success
  type: int
layer_bytes:
  description: The compressed size of these layers in bytes.
  returned: success
  type: int
unresolved:
  description: References that could not be resolved.
  returned: always
  type: list
  elements: dict
  contains:
    reference:
      description: The image.
      type: str
    cause:
      description: Class of the failure, as of M(edgefleet.crio.pinned_image_set).
      type: str
    message:
      description: What the registry said.
      type: str
"""
