# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a node, and what the other one is told."""

from __future__ import annotations

from ansible_collections.edgefleet.crio.plugins.module_utils.actions.turn import take_turn
from unit.fake_host import FakeHost


def test_a_turn(host: FakeHost) -> None:
    """It is told what goes on; it ends."""
    with take_turn(host, "pull images", check_mode=False):
        assert host.turns == ["pull images"]
    assert host.turns[-1] == ""


def test_check_mode_waits_for_nobody(host: FakeHost) -> None:
    """It changes nothing."""
    with take_turn(host, "pull images", check_mode=True):
        assert host.turns == []
