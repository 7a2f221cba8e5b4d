# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what we had pinned, nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.image_outcome import (
    ImageOutcome,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.remove import (
    remove_unwanted,
)
from unit.fake_host import (
    CONF_D,
    IMAGES_JSON,
    JOURNAL,
    STORE,
    FakeHost,
    containers,
    crictl,
    images,
    images_json,
    pins_of,
    status_config,
)


@pytest.fixture
def node(host: FakeHost) -> FakeHost:
    """Give a node with a to d and f; we once pinned a, b, c and e, and d is still wanted."""
    host.files[IMAGES_JSON] = images_json("abcdf")
    host.files[JOURNAL] = (
        '{"event": "pin", "phase": "before", "added": ["a", "b", "c", "d", "e"]}\n'
    )
    return host.expect(status_config(), images("abcdf", pinned="bd"))


LEFT = [
    ImageOutcome("b", "left", message="CRI-O reports it pinned"),
    ImageOutcome("c", "left", message="a container uses it"),
]


def test_removed(node: FakeHost) -> None:
    """What nothing holds goes, what stays has its reason, what is gone is forgotten."""
    node.expect(containers("c"), crictl("rmi", "a"))
    outcomes = remove_unwanted(node, ["d"], check_mode=False)
    assert outcomes == [*LEFT, ImageOutcome("a", "removed", attempts=1)]
    lines = [(one["event"], one["phase"], one.get("references")) for one in node.journal()[1:]]
    assert lines == [
        ("forget", "after", ["e"]),
        ("remove", "before", ["a"]),
        ("remove", "after", ["a"]),
    ]


@pytest.mark.parametrize("kept", ["containers", "volatile-containers"])
def test_a_sandbox_uses_it(node: FakeHost, kept: str) -> None:
    """``crictl ps`` lists none, nor what podman runs from the same store."""
    node.files[f"{STORE}/overlay-containers/{kept}.json"] = '[{"image": "id of a"}]'
    node.expect(containers("c"))
    outcomes = remove_unwanted(node, ["d"], check_mode=False)
    assert outcomes == [ImageOutcome("a", "left", message="a container uses it"), *LEFT]


def test_check_mode(node: FakeHost) -> None:
    """It says what it would remove, once the drop-in does not hold it any more."""
    node.expect(containers("c"))
    outcomes = remove_unwanted(node, ["d"], check_mode=True)
    would = [ImageOutcome(name, "would_remove") for name in "ab"]
    assert outcomes == [LEFT[1], *would]
    assert len(node.journal()) == 1


def test_check_mode_with_a_pin_of_somebody_else(node: FakeHost) -> None:
    """A file that is read later holds it whatever we withdraw."""
    node.files[f"{CONF_D}/60-x"] = 'pinned_images = ["b"]'
    node.expect(pins_of(f"{CONF_D}/60-x", ["b"]), containers("c"))
    assert remove_unwanted(node, ["d"], check_mode=True)[:1] == LEFT[:1]


def test_failed(node: FakeHost) -> None:
    """A removal that CRI-O refuses is told, and the reference stays known."""
    node.expect(
        containers("c"), crictl("rmi", "a", rc=1, stderr='level=fatal msg="image is in use"')
    )
    outcomes = remove_unwanted(node, ["d"], check_mode=False)
    assert outcomes[-1] == ImageOutcome("a", "failed", "unknown", "image is in use", attempts=1)
    assert node.journal()[-1]["event"] == "remove-failed"
