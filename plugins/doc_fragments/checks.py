# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of the modules that check a role's options has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """What options of a role are held against."""

    DOCUMENTATION = r"""
options:
  defaults:
    description: What holds for a node whose inventory says nothing, by the names of the variables.
    type: dict
    default: {}
  spec:
    description: What the options must be, as the C(options) of an entry point in a role's C(meta/argument_specs.yml).
    type: dict
    default: {}
  least:
    description: The least that numbers may be, by the names of the variables.
    type: dict
    default: {}
  prefix:
    description:
      - What the names of the options begin with. A variable of a node or of the play that begins so, or is very near to an option, and is
        neither an option nor one of O(others) is refused, as it is most likely a misspelt option.
    type: str
    required: true
  others:
    description: Variables that begin with O(prefix) too, and are meant for others.
    type: list
    elements: str
    default: []
"""
