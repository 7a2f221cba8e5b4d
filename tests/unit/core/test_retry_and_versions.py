# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries, and what versions of CRI-O can do."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.retry import (
    RegistryState,
    delay_before,
    is_final,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.versions import (
    is_supported,
    needs_restart,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.crio import (
    parse_crio_version,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.failure import CAUSES


def test_what_is_tried_again() -> None:
    """Links that break are worth another try; a registry's no and a full disk are not."""
    assert {cause for cause in CAUSES if not is_final(cause)} == {
        "unreachable", "rate_limited", "timeout", "corrupt", "io_error", "unknown",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("first", "delays"),
    [
        (2.0, [2, 4, 8, 16, 32, 60, 60]),
        (0.0, [0, 0, 0]),
        (90.0, [90, 90]),
    ],
)
def test_delays_double_up_to_a_minute(first: float, delays: list[float]) -> None:
    """A first delay that is longer stays."""
    assert [delay_before(retry, first) for retry in range(1, len(delays) + 1)] == delays


@pytest.mark.parametrize(
    ("version", "supported", "restart"),
    [
        ("1.27.9", False, False),
        ("0.99.9", False, False),
        ("1.28.0", True, True),
        ("1.28.11", True, True),
        ("1.29.0", True, True),
        ("1.29.6", True, True),
        ("1.29.7", True, False),
        ("1.30.0", True, True),
        ("1.30.2", True, True),
        ("1.30.3", True, False),
        ("1.31.0", True, False),
        ("1.36.3", True, False),
    ],
)
def test_versions(version: str, supported: bool, restart: bool) -> None:
    """No pins before 1.28, true reloads from 1.29.7, 1.30.3 and 1.31."""
    parsed = parse_crio_version(f"crio version {version}\n")
    assert str(parsed) == version
    assert (is_supported(parsed), needs_restart(parsed)) == (supported, restart)


def test_many_retries() -> None:
    """The delay has a maximum, whatever the count."""
    assert delay_before(5000, 2.0) == 60.0


def test_a_registry_that_is_silent() -> None:
    """It is left alone for longer each time, until it counts as down; then each image asks once."""
    state = RegistryState()
    closed = []
    for moment in (10.0, 20.0, 30.0):
        state = state.after_silence(moment - 1, moment, retries=2, first_delay=2.0)
        closed.append(state.closed_until)
    assert closed == [12.0, 24.0, 30.0]
    assert (state.is_down(2), state.is_down(3)) == (True, False)


def test_pulls_under_way_together_are_one_silence() -> None:
    """What began before the last thing known says nothing new."""
    once = RegistryState().after_silence(1.0, 5.0, 4, 1.0)
    assert once.silences == 1
    assert once.after_silence(5.0, 6.0, 4, 1.0) == once
    assert once.after_silence(5.5, 6.0, 4, 1.0).silences == 2


def test_an_answer_makes_it_good() -> None:
    """At once, and also for pulls that began before it."""
    state = RegistryState().after_silence(1.0, 5.0, 4, 1.0).after_answer(7.0)
    assert state == RegistryState(0, 7.0)
    assert state.after_silence(6.0, 8.0, 4, 1.0) == state
