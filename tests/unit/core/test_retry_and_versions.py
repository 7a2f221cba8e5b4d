# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries, and what versions of CRI-O can do."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.retry import (
    Registries,
    RegistryState,
    delay_before,
    is_final,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.versions import (
    CUTS_SLOW_PULLS,
    CUTS_UNLESS_TOLD,
    MAY_UNPIN,
    MISREPORTS,
    NO_PINS,
    OLDEST,
    STARTS_ONLY,
    TABLE,
    Quirk,
    why_restart,
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


# What `crio --version` prints first, of each edge of each row, and which rows it is in.
VERSIONS = {
    "0.99.9": {NO_PINS},
    "1.27.9": {NO_PINS},
    "1.28.0": {STARTS_ONLY, MISREPORTS},
    "1.28.11": {STARTS_ONLY, MISREPORTS},
    "1.29.0": {STARTS_ONLY, MISREPORTS},
    "1.29.3": {STARTS_ONLY, MISREPORTS},
    "1.29.4": {MAY_UNPIN, MISREPORTS},
    "1.29.6": {MAY_UNPIN, MISREPORTS},
    "1.29.7": set(),
    "1.29.13": set(),
    "1.30.0": {MAY_UNPIN, MISREPORTS, CUTS_SLOW_PULLS},
    "1.30.2": {MAY_UNPIN, MISREPORTS, CUTS_SLOW_PULLS},
    "1.30.3": {MISREPORTS, CUTS_SLOW_PULLS},
    "1.30.5": {MISREPORTS, CUTS_SLOW_PULLS},
    "1.30.6": {CUTS_SLOW_PULLS},
    "1.30.10": {CUTS_SLOW_PULLS},
    "1.30.11": {CUTS_UNLESS_TOLD},
    "1.30.13": {CUTS_UNLESS_TOLD},
    "1.30.14": set(),
    "1.31.0": {CUTS_SLOW_PULLS},
    "1.31.2": {CUTS_SLOW_PULLS},
    "1.31.3": {CUTS_UNLESS_TOLD},
    "1.31.8": {CUTS_UNLESS_TOLD},
    "1.31.9": set(),
    "1.32.0": {CUTS_UNLESS_TOLD},
    "1.32.3": {CUTS_UNLESS_TOLD},
    "1.32.4": set(),
    "1.36.3": set(),
    "2.0.0": set(),
}


@pytest.mark.parametrize(("version", "rows"), VERSIONS.items())
def test_versions(version: str, rows: set[Quirk]) -> None:
    """Each row begins and ends where CRI-O's source changed."""
    parsed = parse_crio_version(f"crio version {version}\nGitCommit: 39e1d7\nGoVersion: go1.23\n")
    assert str(parsed) == version
    assert {row for row in TABLE if row.is_in(parsed)} == rows


def test_which_versions_need_a_restart() -> None:
    """Those that do not take a list, and those that do not take it whole."""
    needing = {
        version for version in VERSIONS if why_restart(parse_crio_version(f"version {version}"))
    }
    assert needing == {
        version for version, rows in VERSIONS.items() if rows & {STARTS_ONLY, MAY_UNPIN}
    }
    assert not NO_PINS.is_in(OLDEST)


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


def test_what_follows_for_the_images_of_a_registry() -> None:
    """One that is silent is closed for a while, then asked once for each image, then given up."""
    registries = Registries(retries=1, first_delay=2.0)
    assert registries.next_try("r", "unknown", attempts=1, now=9.0) == 11.0
    assert registries.next_try("r", "unknown", attempts=2, now=9.0) is None
    assert registries.next_try("r", "not_found", attempts=1, now=9.0) is None
    registries.failed("other", "unreachable", "refused", 9.0, 10.0)
    assert registries.openings(11.0) == {"other": 12.0}
    registries.answered("other", 11.0)
    assert registries.openings(11.0) == {}
    given_up = []
    for moment in (20.0, 30.0, 40.0):
        registries.failed("r", "timeout", "nothing came", moment - 1, moment)
        given_up.append(registries.given_up("r"))
    assert given_up == ["", "", "r keeps everybody waiting: nothing came"]
    assert registries.next_try("r", "timeout", attempts=1, now=40.0) is None
