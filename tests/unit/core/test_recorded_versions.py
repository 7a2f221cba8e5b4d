# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of versions against what those versions really answered (tests/data/crio)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.convergence import (
    left_over_pins,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.versions import (
    CUTS_SLOW_PULLS,
    CUTS_UNLESS_TOLD,
    MAY_UNPIN,
    MISREPORTS,
    NO_PINS,
    STARTS_ONLY,
    TABLE,
    Quirk,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.crio import (
    parse_crio_version,
    parse_running_config,
    parse_runtime_version,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.failure import failure_of
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.images import (
    parse_crictl_images,
)

RECORDS = Path(__file__).parents[2] / "data/crio"
VERSIONS = sorted(path.stem for path in RECORDS.glob("*.json"))
# The first and the last version of each range, and the next one after it; and the newest.
EDGES = {
    *("1.27.8", "1.28.0", "1.28.11", "1.29.0", "1.29.3", "1.29.4", "1.29.6", "1.29.7", "1.30.0"),
    *("1.30.2", "1.30.3", "1.30.5", "1.30.6", "1.30.10", "1.30.11", "1.30.13", "1.30.14", "1.31.0"),
    *("1.31.2", "1.31.3", "1.31.8", "1.31.9", "1.32.0", "1.32.3", "1.32.4", "1.36.3"),
}


def answers_of(version: str) -> dict[str, Any]:
    """Return what a version answered."""
    answers: dict[str, Any] = json.loads((RECORDS / f"{version}.json").read_text())
    return answers


def pinned(listed: dict[str, Any]) -> set[str]:
    """Return the names of the images that were reported pinned."""
    images = parse_crictl_images(json.dumps(listed["answer"]))
    assert len(images) == 3
    return {name for image in images if image.pinned for name in image.names}


def seen_quirks(answers: dict[str, Any]) -> set[Quirk]:
    """Return the rows of the table that these answers show."""
    started, reloaded = (
        [one for one in answers["lists"] if one["taken_by"] == by] for by in ("start", "reload")
    )
    taken = [pinned(one) == set(one["pinned_images"]) for one in reloaded]
    quirks = set()
    if not pinned(started[-1]):
        quirks.add(NO_PINS)
    elif not any(pinned(one) for one in reloaded):
        quirks.add(STARTS_ONLY)
    elif not all(taken):
        quirks.add(MAY_UNPIN)
    if pinned(started[-1]) and not answers["inspected"].get("pinned"):
        quirks.add(MISREPORTS)
    if answers["stalled_pull"]["exit_code"] != 0:
        has_setting = "pull_progress_timeout" in answers["running_config"]
        quirks.add(CUTS_UNLESS_TOLD if has_setting else CUTS_SLOW_PULLS)
    return quirks


def test_both_sides_of_every_edge_were_recorded() -> None:
    """The table's ranges begin and end between two of them."""
    assert set(VERSIONS) >= EDGES


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_does_what_its_rows_say(version: str) -> None:
    """No more and no less, after starts, reloads and a link that was silent for eleven seconds."""
    answers = answers_of(version)
    said = parse_crio_version(answers["version"])
    assert str(said) == version
    assert seen_quirks(answers) == {row for row in TABLE if row.is_in(said)}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_version_says_of_itself(version: str) -> None:
    """We read its version and its configuration in whatever words it has for them."""
    answers = answers_of(version)
    assert str(parse_runtime_version(answers["runtime_version"])) == version
    config = parse_running_config(answers["running_config"])
    assert config.graph_root == "/var/lib/containers/storage"
    # With the pause image, which CRI-O adds itself.
    own = left_over_pins(config.pinned_images, (), config.pause_image)
    knows_pins = not NO_PINS.is_in(parse_crio_version(answers["version"]))
    assert own == tuple(sorted(answers["lists"][-1]["pinned_images"]) if knows_pins else ())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_pull_that_a_version_ended_is_tried_again(version: str) -> None:
    """Whatever it says of it is taken for a link that broke."""
    stalled = answers_of(version)["stalled_pull"]
    if stalled["exit_code"]:
        assert failure_of(stalled["said"])[0] in {"timeout", "unreachable"}
