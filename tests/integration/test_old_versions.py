# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CRI-O that takes pins only at its start, as 1.28 does: the newest, made to say and do so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleet import DROP_IN, Fleet, has_file, taking_pins_at_starts
from lab import Node, payload


@pytest.fixture
def old(fleet: Fleet) -> Iterator[Node]:
    """Have node2's CRI-O be so."""
    node = fleet.node("node2")
    with taking_pins_at_starts(node):
        yield node


def process_of_crio(node: Node) -> str:
    """Return the number of CRI-O's process."""
    return node.exec(["systemctl", "show", "--value", "--property=MainPID", "crio"]).stdout


def test_it_is_restarted_only_where_that_is_allowed(
    fleet: Fleet, images: list[payload.PushedImage], old: Node
) -> None:
    """Else the run says what it needs; with it pins are in force, pods go on, and that is all."""
    pod = old.run_pod(images[0].reference)
    try:
        wanted = {one.reference for one in images[:3]}
        before = process_of_crio(old)
        sets = [str(fleet.set_file("few", images[:3]))]
        run = fleet.pin("--limit", "node2", pin_images_sets=sets)
        assert run.rc != 0
        said = run.node("node2")["message"]
        assert "version 1.28.4 takes pins truly only at its start" in said
        assert "pin_images_allow_restart" in said
        assert process_of_crio(old) == before
        assert not old.pinned() & wanted

        run = fleet.pin("--limit", "node2", pin_images_sets=sets, pin_images_allow_restart=True)
        assert run.rc == 0
        assert process_of_crio(old) != before
        assert old.pinned() >= wanted
        assert pod.running

        restarted = process_of_crio(old)
        run = fleet.pin("--limit", "node2", pin_images_sets=sets, pin_images_allow_restart=True)
        assert (run.rc, run.changed()) == (0, {"node2": 0})
        assert process_of_crio(old) == restarted
    finally:
        pod.stop()
    assert has_file(old, DROP_IN)


def test_it_lets_go_at_a_restart(
    fleet: Fleet, images: list[payload.PushedImage], old: Node
) -> None:
    """What a set no longer wants is unpinned by a restart as well, and what stays is pinned."""
    for wanted in (images[:3], images[1:3]):
        sets = [str(fleet.set_file("few", wanted))]
        run = fleet.pin("--limit", "node2", pin_images_sets=sets, pin_images_allow_restart=True)
        assert run.rc == 0
        references = {one.reference for one in wanted}
        assert old.pinned() & {one.reference for one in images[:3]} == references
