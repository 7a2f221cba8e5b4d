#!/usr/bin/python
# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is the documentation of the action plugin of the same name, which runs on the control side.

from __future__ import annotations

DOCUMENTATION = r"""
module: image_lock
short_description: Lock images, with their layers and sizes
version_added: 0.1.0
description:
  - Asks the registries, through C(skopeo) and so with the user's usual configuration of registries, what every reference is on each
    platform, and writes a lock for review and version control. The same input gives the same bytes.
  - Runs on the control node.
  - When images cannot be resolved, all of them are named in one error and the old lock stays as it was.
  - Manifests are remembered by their digests below C($XDG_CACHE_HOME/edgefleet-crio), so that locking again asks registries for tags only.
  - In check mode nothing is taken from there. Every reference and every manifest of the lock at O(path), and of what would be locked, is
    asked for at its registry, and what does not answer is an error, unless it is in the lock and would be locked no more. Without O(sets)
    and O(sources) the lock at O(path) alone is verified. Layers are not asked for.
requirements:
  - skopeo on the control node
options:
  path:
    description:
      - Path of the lock to write, relative to the current directory.
      - Without it nothing is written and RV(lock) has the content.
    type: path
  sets:
    description: Sets, as for M(edgefleet.crio.wanted_images). Short for a source of the type C(pinned_image_set).
    type: raw
  sources:
    description:
      - What to lock. An entry is a mapping with one of C(pinned_image_set), C(images), C(release), C(microshift), C(catalog),
        C(manifests) and C(node), and may have C(pool), C(set) and C(exclude) beside it.
      - A string is read as YAML.
    type: raw
  platforms:
    description:
      - The platforms to lock, each as C(os/architecture) or C(os/architecture/variant); or a mapping of pools to such lists.
      - An image is locked for the platforms of all pools that want it. A set without pool is for every pool.
      - A string of platforms, separated by commas or line breaks, stands for a list.
    type: raw
    default: [linux/amd64]
  stores:
    description: For each node that is a source, the references that M(edgefleet.crio.image_store_info) returned there.
    type: dict
    default: {}
  registry_auth:
    description: Path of an auth file for the registries. Without it, C(skopeo) uses the user's own.
    type: path
  partial:
    description: Whether to leave images that could not be resolved out of the lock instead of failing.
    type: bool
    default: false
  measure:
    description:
      - Whether to read every distinct layer, once in its life, and to lock what its content takes on a node.
      - Without it nothing is read, and what the lock at O(path) or this control node knows of layers from before is locked all the same.
      - The storage check of nodes is exact then. Layers that are packed with zstd need C(zstd) on the control node.
    type: bool
    default: false
  keep_layers:
    description:
      - Path of a folder where layers that were fetched for measuring are kept, in the form of an OCI image layout.
      - Without it each is removed as soon as it was read.
    type: path
extends_documentation_fragment:
  - edgefleet.crio.attributes
attributes:
  diff_mode:
    support: full
author:
  - edgefleet.crio contributors (@edgefleet)
"""

EXAMPLES = r"""
- name: Lock the sets of this site
  edgefleet.crio.image_lock:
    sets: [sets/]
    path: site.lock.yml
    platforms: [linux/amd64, linux/arm64]

- name: Lock a release for the control pool and some images by tag for the edge
  edgefleet.crio.image_lock:
    sources:
      - release: quay.io/openshift-release-dev/ocp-release:4.16.3-x86_64
        pool: control
        exclude:
          - match: "*-aws-*"
            reason: no cloud here
      - images: [registry.example.com/edge/agent:1.4]
        pool: edge
    platforms:
      control: [linux/amd64]
      edge: [linux/arm64]
    path: site.lock.yml
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
changes:
  description: What changed from the lock that was there, V(null) where there was none to compare with.
  returned: success, when O(path) is given
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
    sets:
      description: The sets that ask for it.
      type: list
      elements: str
"""
