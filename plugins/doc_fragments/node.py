# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of the node-side modules has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Requirements and attributes of modules that run on a CRI-O node."""

    DOCUMENTATION = r"""
requirements:
  - CRI-O 1.28 or newer, crictl and systemd on the node
  - Python 3.8 or newer on the node, its standard library only
  - root on the node (use C(become))
options: {}
"""

    REFERENCES = r"""
options:
  references:
    description:
      - The images, by digest, as C(registry/name@sha256:...).
      - A reference with a tag and a digest counts without its tag, as CRI-O takes it.
    type: list
    elements: str
"""

    LOCKED = r"""
options:
  locked:
    description:
      - What the lock says of the images, on the node's platform.
      - The filter P(edgefleet.crio.layers_on_platform#filter) takes it from there.
    type: dict
    suboptions:
      images:
        description: The images.
        type: list
        elements: dict
        required: true
        suboptions:
          reference:
            description: The image, by digest.
            type: str
            required: true
          layers:
            description: Digests of its compressed layers, the lowest first.
            type: list
            elements: str
            required: true
      layers:
        description: Those layers, each once.
        type: list
        elements: dict
        required: true
        suboptions:
          digest:
            description: The compressed layer's digest.
            type: str
            required: true
          size:
            description: The compressed layer's size in bytes.
            type: int
            required: true
          blocks:
            description: How many blocks of 4096 bytes its files take, where the layer was measured.
            type: int
          directories:
            description: How many directories it has, its top among them, where the layer was measured.
            type: int
          inodes:
            description: How many inodes it takes, directories among them, where the layer was measured.
            type: int
          ext4_blocks:
            description: How many blocks ext4 adds for directories, long symbolic links and extended attributes, where measured.
            type: int
          xfs_blocks:
            description: How many blocks XFS adds for directories, long symbolic links and extended attributes, where measured.
            type: int
          tar_split:
            description: How many bytes of tar headers the store keeps beside it, where the layer was measured.
            type: int
"""

    PATH = r"""
options:
  path:
    description: Path of the drop-in that pins, directly in C(/etc/crio/crio.conf.d).
    type: path
    default: /etc/crio/crio.conf.d/50-pinned-images
"""
