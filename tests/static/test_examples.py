# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example fleet is one that can be started from."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from ansible_collections.edgefleet.crio.plugins.module_utils.actions.wanted import read_sets
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.pinned_image_set import (
    references_for_pool,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.host import LocalHost

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_every_node_gets_images() -> None:
    """Ansible reads the inventory without a warning, and its sets are for all its pools."""
    listed = subprocess.run(
        ["ansible-inventory", "-i", "edge-inventory", "--list"],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stderr == ""
    inventory = json.loads(listed.stdout)
    assert set(inventory["edge"]["children"]) == {"site_017", "site_018"}
    variables = list(inventory["_meta"]["hostvars"].values())
    assert len(variables) == 4
    for one in variables:
        sets = read_sets(LocalHost(), one["pin_images_sets"], [str(EXAMPLES)])
        assert references_for_pool(sets, one["pin_images_pool"])
