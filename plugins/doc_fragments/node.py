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
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: none
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    support: full
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
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

    PATH = r"""
options:
  path:
    description: Path of the drop-in that pins.
    type: path
    default: /etc/crio/crio.conf.d/50-pinned-images
"""
