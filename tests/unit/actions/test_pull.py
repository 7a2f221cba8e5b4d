# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pull what is missing: order of effects, tries, what one failure means for the others."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions import pull as pull_action
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pull import (
    ImageOutcome,
    PullPolicy,
    pull_missing,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from unit.fake_host import (
    IMAGES_JSON,
    JOURNAL,
    Call,
    FakeHost,
    crictl,
    images,
    images_json,
    status_config,
)

A, B, C, D = (f"example.com/{name}@sha256:{name * 64}" for name in "abcd")
ELSEWHERE = "example.org/e@sha256:" + "e" * 64
ONE_BY_ONE = PullPolicy(retries=2, retry_delay=1.0, max_parallel=1)


def pull(reference: str, failure: str = "") -> Call:
    """Return a pull; ``failure`` is what crictl ends with."""
    said = f'time="x" level=fatal msg="pulling image: {failure}"\n'
    return crictl("pull", reference, rc=1 if failure else 0, stderr=said if failure else "")


def look(present: list[str]) -> list[Call]:
    """Return the questions for what is there."""
    return [status_config(), images(present)]


def test_nothing_missing(host: FakeHost) -> None:
    """No registry is asked, nothing is written."""
    host.files[IMAGES_JSON] = images_json([A, B])
    host.expect(*look([A, B]))
    outcomes = pull_missing(host, [B, A], ONE_BY_ONE, check_mode=False)
    assert outcomes == [ImageOutcome(B, "present"), ImageOutcome(A, "present")]
    assert host.journal() == []


def test_pulled(host: FakeHost) -> None:
    """Only what is missing, with a line in the journal before and after each."""
    host.files[IMAGES_JSON] = images_json([A, B, C])
    host.expect(*look([A]), pull(B), pull(C), images([A, B, C]))
    outcomes = pull_missing(host, [A, B, C], ONE_BY_ONE, check_mode=False)
    assert [one.outcome for one in outcomes] == ["present", "pulled", "pulled"]
    assert [one.attempts for one in outcomes] == [0, 1, 1]
    assert [event for event in host.events if "status" not in event[1]] == [
        ("run", " ".join(images().argv)),
        ("journal", "before pull"), ("run", " ".join(pull(B).argv)), ("journal", "after pull"),
        ("journal", "before pull"), ("run", " ".join(pull(C).argv)), ("journal", "after pull"),
        ("run", " ".join(images().argv)),
    ]  # fmt: skip
    assert [one["reference"] for one in host.journal()] == [B, B, C, C]
    assert (host.journal()[1]["outcome"], host.journal()[1]["cause"]) == ("pulled", "")


def test_the_journal_is_kept_short(host: FakeHost) -> None:
    """Once, after the last pull."""
    host.files.update({IMAGES_JSON: images_json([A]), JOURNAL: "x" * 1_000_001})
    host.expect(*look([]), pull(A), images([A]))
    pull_missing(host, [A], ONE_BY_ONE, check_mode=False)
    assert host.events[-3:-1] == [("journal", "after pull"), ("write", f"{JOURNAL} 600")]


def test_check_mode(host: FakeHost) -> None:
    """It says what it would pull."""
    host.expect(*look([]))
    outcomes = pull_missing(host, [A], ONE_BY_ONE, check_mode=True)
    assert outcomes == [ImageOutcome(A, "would_pull")]
    assert host.files == {}


def test_several_at_once(host: FakeHost, pool_sizes: Callable[[ModuleType], list[int]]) -> None:
    """As many as allowed; outcomes come in the order asked for, whichever pull ends first."""
    sizes = pool_sizes(pull_action)
    host.files[IMAGES_JSON] = images_json([A, B, C, D])
    host.expect(*look([])).expect_in_any_order(*map(pull, (A, B, C, D))).expect(
        images([A, B, C, D])
    )
    outcomes = pull_missing(host, [D, C, B, A], PullPolicy(0, 0, 4), check_mode=False)
    assert [(one.reference, one.outcome) for one in outcomes] == [
        (one, "pulled") for one in (D, C, B, A)
    ]
    assert sizes == [4]


def test_one_failure_costs_one_image(host: FakeHost) -> None:
    """A final cause is not tried again; the others are pulled."""
    host.files[IMAGES_JSON] = images_json([B])
    host.expect(*look([]), pull(A, "manifest unknown"), pull(B), images([B]))
    failed, pulled = pull_missing(host, [A, B], ONE_BY_ONE, check_mode=False)
    assert failed == ImageOutcome(A, "failed", "not_found", "manifest unknown", attempts=1)
    assert pulled.outcome == "pulled"
    assert host.slept == []
    assert host.journal()[1]["cause"] == "not_found"


def test_tries_double_their_delay(host: FakeHost) -> None:
    """A broken link is tried again; the seconds spent are counted."""
    host.files[IMAGES_JSON] = images_json([A])
    broken = pull(A, "connection reset by peer")
    host.expect(*look([]), broken, broken, pull(A), images([A]))
    (outcome,) = pull_missing(host, [A], ONE_BY_ONE, check_mode=False)
    assert (outcome.outcome, outcome.attempts, outcome.seconds) == ("pulled", 3, 3.0)
    assert host.slept == [1.0, 2.0]


def test_seconds_are_told_to_the_millisecond(host: FakeHost) -> None:
    """No more of them, and no fewer."""
    host.files[IMAGES_JSON] = images_json([A])
    host.expect(*look([]), pull(A, "connection reset by peer"), pull(A), images([A]))
    (outcome,) = pull_missing(host, [A], PullPolicy(1, 1.23456, 1), check_mode=False)
    assert outcome.seconds == 1.235


def test_a_silent_registry_is_asked_in_full_once(host: FakeHost) -> None:
    """After all tries for one image, the next of that registry gets one; other registries theirs."""
    down = "dial tcp: connection refused"
    host.files[IMAGES_JSON] = images_json([C])
    host.expect(
        *look([]),
        pull(A, down), pull(A, down), pull(A, down),
        pull(B, down),
        pull(ELSEWHERE, down), pull(ELSEWHERE, down), pull(ELSEWHERE, down),
        # It is back: from here on it gets all tries again.
        pull(C), pull(D, down), pull(D, down), pull(D, down),
        images([C]),
    )  # fmt: skip
    outcomes = pull_missing(host, [A, B, ELSEWHERE, C, D], ONE_BY_ONE, check_mode=False)
    assert [one.attempts for one in outcomes] == [3, 1, 3, 1, 3]
    assert [one.cause for one in outcomes] == ["unreachable"] * 3 + ["", "unreachable"]


def test_a_full_disk_ends_it(host: FakeHost) -> None:
    """What was not begun is not begun."""
    host.expect(*look([]), pull(A, "write: no space left on device"), images([]))
    full, not_tried = pull_missing(host, [A, B], ONE_BY_ONE, check_mode=False)
    assert (full.cause, full.attempts) == ("no_space", 1)
    assert not_tried == ImageOutcome(B, "failed", "no_space", "not tried: the disk was full")


def test_success_that_is_not_there(host: FakeHost) -> None:
    """The daemon's list counts, not the return code."""
    host.expect(*look([]), pull(A), images([]))
    (outcome,) = pull_missing(host, [A], ONE_BY_ONE, check_mode=False)
    assert (outcome.outcome, outcome.cause) == ("failed", "unknown")
    assert outcome.message == "crictl reported success, CRI-O does not list the image"


def test_not_root(host: FakeHost) -> None:
    """It is said what is needed."""
    host.root = False
    with pytest.raises(EdgefleetError, match=r"pulling images: this needs root\. Set become: true"):
        pull_missing(host, [A], ONE_BY_ONE, check_mode=False)


def test_no_crictl(host: FakeHost) -> None:
    """It is said what is missing."""
    del host.programs["crictl"]
    with pytest.raises(EdgefleetError, match="looking for crictl: it is not installed"):
        pull_missing(host, [A], ONE_BY_ONE, check_mode=False)
