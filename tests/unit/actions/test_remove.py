# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what we had pinned, nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pull import ImageOutcome
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.remove import (
    remove_unwanted,
)
from unit.fake_host import (
    IMAGES_JSON,
    JOURNAL,
    FakeHost,
    containers,
    crictl,
    images,
    images_json,
    status_config,
)


@pytest.fixture
def node(host: FakeHost) -> FakeHost:
    """Give a node with a to d and f; we once pinned a, b, c and e, and d is still wanted."""
    host.files[IMAGES_JSON] = images_json("abcdf")
    host.files[JOURNAL] = (
        '{"event": "pin", "phase": "before", "added": ["a", "b", "c", "d", "e"]}\n'
    )
    return host.expect(status_config(), images("abcdf", pinned="bd"), containers("c"))


LEFT = [
    ImageOutcome("b", "left", message="CRI-O reports it pinned"),
    ImageOutcome("c", "left", message="a container uses it"),
]


def test_removed(node: FakeHost) -> None:
    """What nothing holds goes, what stays has its reason, what is gone is forgotten."""
    node.expect(crictl("rmi", "a"))
    outcomes = remove_unwanted(node, ["d"], check_mode=False)
    assert outcomes == [*LEFT, ImageOutcome("a", "removed", attempts=1)]
    lines = [(one["event"], one["phase"], one.get("references")) for one in node.journal()[1:]]
    assert lines == [
        ("forget", "after", ["e"]),
        ("remove", "before", ["a"]),
        ("remove", "after", ["a"]),
    ]


def test_check_mode(node: FakeHost) -> None:
    """It says what it would remove."""
    outcomes = remove_unwanted(node, ["d"], check_mode=True)
    assert outcomes == [*LEFT, ImageOutcome("a", "would_remove")]
    assert len(node.journal()) == 1


def test_failed(node: FakeHost) -> None:
    """A removal that CRI-O refuses is told, and the reference stays known."""
    node.expect(crictl("rmi", "a", rc=1, stderr='level=fatal msg="image is in use"'))
    outcomes = remove_unwanted(node, ["d"], check_mode=False)
    assert outcomes[-1] == ImageOutcome("a", "failed", "unknown", "image is in use", attempts=1)
    assert node.journal()[-1]["event"] == "remove-failed"
