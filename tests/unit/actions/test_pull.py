# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pull what is missing: order of effects, tries, what one failure means for the others."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions import pull_run
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.image_outcome import (
    ImageOutcome,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.journal import stamp
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.leftovers import Leftover
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pull import (
    PullResult,
    pull_missing,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pull_record import (
    read_own_pulls,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pull_run import (
    PullPolicy,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.pull_order import (
    NOTHING_LOCKED,
    Start,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.versions import (
    CUTS_SLOW_PULLS,
    CUTS_UNLESS_TOLD,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedImages,
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import (
    Completed,
    HostError,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.found_file import Entry
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.process import (
    OpenFile,
    RunningProcess,
)
from unit.fake_host import (
    IMAGES_JSON,
    JOURNAL,
    JOURNALCTL,
    LAYERS_JSON,
    Call,
    FakeHost,
    crictl,
    crio_log,
    images,
    images_json,
    running_version,
    status_config,
)

A, B, C, D = (f"example.com/{name}@sha256:{name * 64}" for name in "abcd")
ELSEWHERE = "example.org/e@sha256:" + "e" * 64
ONE_BY_ONE = PullPolicy(retries=2, retry_delay=1.0, max_parallel=1, stall_timeout=0)


class Disks:
    """Disks that are never short, unless told otherwise; ``settled`` has what was asked, and how."""

    def __init__(
        self,
        lacking_for: Callable[[Mapping[str, LockedLayer]], str] = lambda _layers: "",
        breach: Callable[[], str] = lambda: "",
    ) -> None:
        """Answer as these do."""
        self._lacking_for = lacking_for
        self._breach = breach
        self.settled: list[bool] = []

    def __call__(self, _config: object) -> Disks:
        """Be what makes it."""
        return self

    def lacking_for(self, layers: Mapping[str, LockedLayer], settled: bool) -> str:
        """See DiskWatch."""
        self.settled.append(settled)
        return self._lacking_for(layers)

    def breach(self) -> str:
        """See DiskWatch."""
        return self._breach()


def pull(reference: str, failure: str = "") -> Call:
    """Return a pull; ``failure`` is what crictl ends with."""
    said = f'time="x" level=fatal msg="pulling image: {failure}"\n'
    return crictl("pull", reference, rc=1 if failure else 0, stderr=said if failure else "")


def pulling(
    host: FakeHost, references: list[str], policy: PullPolicy, **options: Any
) -> PullResult:
    """Pull without a lock, on disks that are never short, unless told otherwise."""
    unless_told = {"locked": NOTHING_LOCKED, "watch": Disks()}
    return pull_missing(host, references, policy, **{**unless_told, **options})


def pulled(
    host: FakeHost, references: list[str], policy: PullPolicy = ONE_BY_ONE, **options: Any
) -> list[ImageOutcome]:
    """Pull for real; return the outcomes."""
    return list(pulling(host, references, policy, check_mode=False, **options).images)


def look(present: list[str]) -> list[Call]:
    """Return the questions for what is there."""
    return [status_config(), images(present)]


def test_nothing_missing(host: FakeHost) -> None:
    """No registry is asked, nothing is written."""
    host.files[IMAGES_JSON] = images_json([A, B])
    host.expect(*look([A, B]))
    outcomes = pulled(host, [B, A])
    assert outcomes == [ImageOutcome(B, "present"), ImageOutcome(A, "present")]
    assert host.journal() == []


def test_pulled(host: FakeHost) -> None:
    """Only what is missing, with a line in the journal before and after each."""
    host.files[IMAGES_JSON] = images_json([A, B, C])
    host.expect(*look([A]), pull(B), pull(C), images([A, B, C]))
    outcomes = pulled(host, [A, B, C])
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


LONG = '{"event": "x"}\n' * 80_000


def test_the_journal_is_kept_short(host: FakeHost) -> None:
    """Once, after the last pull."""
    host.files.update({IMAGES_JSON: images_json([A]), JOURNAL: LONG})
    host.expect(*look([]), pull(A), images([A]))
    pulled(host, [A])
    assert host.events[-3:-1] == [("journal", "after pull"), ("write", f"{JOURNAL} 600")]


def test_check_mode(host: FakeHost) -> None:
    """It says what it would pull."""
    host.expect(*look([]))
    result = pulling(host, [A], ONE_BY_ONE, check_mode=True)
    assert result == PullResult((ImageOutcome(A, "would_pull"),), (Start(A, {}),))
    assert host.files == {}


def test_several_at_once(host: FakeHost, pool_sizes: Callable[[ModuleType], list[int]]) -> None:
    """As many as allowed; outcomes come in the order asked for, whichever pull ends first."""
    sizes = pool_sizes(pull_run)
    host.files[IMAGES_JSON] = images_json([A, B, C, D])
    host.expect(*look([])).expect_in_any_order(*map(pull, (A, B, C, D))).expect(
        images([A, B, C, D])
    )
    outcomes = pulled(host, [D, C, B, A], PullPolicy(0, 0, 4, 0))
    assert [(one.reference, one.outcome) for one in outcomes] == [
        (one, "pulled") for one in (D, C, B, A)
    ]
    assert sizes == [4]


def test_one_failure_costs_one_image(host: FakeHost) -> None:
    """A final cause is not tried again; the others are pulled."""
    host.files[IMAGES_JSON] = images_json([B])
    host.expect(*look([]), pull(A, "manifest unknown"), pull(B), images([B]))
    failed, done = pulled(host, [A, B])
    assert failed == ImageOutcome(A, "failed", "not_found", "manifest unknown", attempts=1)
    assert done.outcome == "pulled"
    assert host.slept == []
    assert host.journal()[1]["cause"] == "not_found"


def test_tries_double_their_delay(host: FakeHost) -> None:
    """A broken link is tried again; the seconds spent are counted."""
    host.files[IMAGES_JSON] = images_json([A])
    broken = pull(A, "connection reset by peer")
    host.expect(*look([]), broken, broken, pull(A), images([A]))
    (outcome,) = pulled(host, [A])
    assert (outcome.outcome, outcome.attempts, outcome.seconds) == ("pulled", 3, 3.0)
    assert host.slept == [1.0, 2.0]


def test_seconds_are_told_to_the_millisecond(host: FakeHost) -> None:
    """No more of them, and no fewer."""
    host.files[IMAGES_JSON] = images_json([A])
    host.expect(*look([]), pull(A, "connection reset by peer"), pull(A), images([A]))
    (outcome,) = pulled(host, [A], PullPolicy(1, 1.23456, 1, 0))
    assert outcome.seconds == 1.235


def test_a_failed_image_goes_behind_the_others(host: FakeHost) -> None:
    """Its delay passes while they are pulled; no place sleeps."""
    host.files[IMAGES_JSON] = images_json([A, B, C])
    host.expect(*look([]), pull(A, "i/o error"), pull(B), pull(C), pull(A), images([A, B, C]))
    outcomes = pulled(host, [A, B, C])
    assert [one.attempts for one in outcomes] == [2, 1, 1]
    assert host.slept == [1.0]
    # As often as CRI-O was asked, so that the next run knows these requests for ours.
    assert read_own_pulls(host, 0) == (A, B, C, A)
    assert [(one["phase"], one["reference"]) for one in host.journal()] == [
        ("before", A), ("before", B), ("after", B), ("before", C), ("after", C), ("before", A),
        ("after", A),
    ]  # fmt: skip


def test_a_silent_registry_is_left_alone(host: FakeHost) -> None:
    """For longer each time, while others are asked; when it answers, all goes on."""
    down = "dial tcp: connection refused"
    host.files[IMAGES_JSON] = images_json([A, B, C, ELSEWHERE])
    host.expect(
        *look([]), pull(A, down), pull(ELSEWHERE), pull(B, down), pull(C), pull(A), pull(B),
        images([A, B, C, ELSEWHERE]),
    )  # fmt: skip
    outcomes = pulled(host, [A, B, C, ELSEWHERE])
    assert [one.attempts for one in outcomes] == [2, 2, 1, 1]
    assert {one.outcome for one in outcomes} == {"pulled"}
    assert sum(host.slept) == 3.0


@pytest.mark.parametrize(
    ("down", "cause"),
    [
        ("dial tcp: connection refused", "unreachable"),
        ("toomanyrequests: slow down", "rate_limited"),
        ("context deadline exceeded", "timeout"),
    ],
)
def test_a_registry_that_is_down_is_asked_once_for_each_image(
    host: FakeHost, down: str, cause: str
) -> None:
    """When it stayed silent as often as an image is tried, whatever images that were."""
    host.expect(
        *look([]), pull(A, down), pull(B, down), pull(C, down), pull(D, down),
        pull(A, down), pull(B, down), images([]),
    )  # fmt: skip
    outcomes = pulled(host, [A, B, C, D])
    assert [one.attempts for one in outcomes] == [2, 2, 1, 1]
    assert {one.cause for one in outcomes} == {cause}
    # No more time passes than one image would have been given.
    assert sum(host.slept) == 3.0


def test_a_full_disk_ends_it(host: FakeHost) -> None:
    """What was not begun is not begun."""
    host.expect(*look([]), pull(A, "write: no space left on device"), images([]))
    full, not_tried = pulled(host, [A, B])
    assert (full.cause, full.attempts) == ("no_space", 1)
    assert not_tried == ImageOutcome(B, "failed", "no_space", "not tried: the disk was full")


def layers_json(digests: Iterable[str]) -> str:
    """Return the store's file for layers that are there."""
    return json.dumps([{"id": one, "compressed-diff-digest": one} for one in digests])


LOCKED = LockedImages(
    {A: ("base", "a"), B: ("base", "b"), C: ("c",)},
    {"base": LockedLayer(50), "a": LockedLayer(7), "b": LockedLayer(9), "c": LockedLayer(1)},
)


def test_the_plan(host: FakeHost) -> None:
    """Layers that are there are not in it; bytes are each image's own part of the download."""
    host.files.update({IMAGES_JSON: images_json([C]), LAYERS_JSON: layers_json("b")})
    host.expect(*look([C]))
    result = pulling(host, [A, B, C], ONE_BY_ONE, check_mode=True, locked=LOCKED)
    assert [(one.reference, one.bytes) for one in result.plan] == [(A, 57), (B, 0)]
    assert [(one.outcome, one.bytes) for one in result.images] == [
        ("would_pull", 57), ("would_pull", 0), ("present", 0),
    ]  # fmt: skip


def test_what_is_there_is_asked_in_the_turn(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run may have brought it while this one waited."""
    run, turns = host.run, list[bool]()

    def in_turn(argv: Sequence[str], timeout: float | None = None, stdin: str = "") -> Completed:
        turns.append(bool(host.turns))
        return run(argv, timeout, stdin)

    monkeypatch.setattr(host, "run", in_turn)
    host.files[IMAGES_JSON] = images_json([A])
    host.expect(*look([A]))
    assert [one.outcome for one in pulled(host, [A])] == ["present"]
    assert turns == [True, True]


def test_what_somebody_waits_for_goes_first(host: FakeHost) -> None:
    """CRI-O's log of ten minutes tells, also of a pod that names its image by a tag.

    What an earlier run asked for is there too, and nobody waits for that.
    """
    host.programs["journalctl"] = JOURNALCTL
    tries = [("before", 399, B), ("before", 401, A), ("after", 402, A)]
    own = [
        {"time": stamp(at), "event": "pull", "phase": phase, "reference": name}
        for phase, at, name in tries
    ]
    host.files[JOURNAL] = "".join(json.dumps(one) + "\n" for one in own)
    asked = [f'level=info msg="Pulling image: {one}" id=1' for one in ("example.com/c:v1", B, A)]
    host.expect(
        *look([]), crio_log(400, "\n".join(asked)), *map(pull, (B, C, A)), images([A, B, C])
    )
    host.files[IMAGES_JSON] = images_json([A, B, C])
    result = pulling(host, [A, B, C], ONE_BY_ONE, check_mode=False)
    assert [one.reference for one in result.plan] == [B, C, A]
    assert [one["reference"] for one in host.journal()[len(own) :]] == [B, B, C, C, A, A]


class SlowHost(FakeHost):
    """The store lists what A and B share at the fourth look, and B ends after A began."""

    looks = 0
    looks_before_a = 0

    def __init__(self) -> None:
        """Start with an empty store."""
        super().__init__({LAYERS_JSON: layers_json(())})
        self._a_began = threading.Event()

    def run(self, argv: Sequence[str], timeout: float | None = None, stdin: str = "") -> Completed:
        """See Host."""
        if argv[-1] == A:
            self.looks_before_a = self.looks
            self._a_began.set()
        if argv[-1] == B:
            assert self._a_began.wait(60)
        return super().run(argv, timeout, stdin)

    def read(self, path: str) -> str | None:
        """See Host."""
        if path == LAYERS_JSON:
            self.looks += 1
            self.files[path] = layers_json(["base"] if self.looks > 3 else [])
        return super().read(path)


def test_a_layer_in_flight_is_awaited_in_the_store() -> None:
    """An image starts as soon as what it shares is there, beside the one that fetched it."""
    host = SlowHost()
    host.files[IMAGES_JSON] = images_json([A, B])
    host.expect(*look([])).expect_in_any_order(*map(pull, (A, B))).expect(images([A, B]))
    outcomes = pulled(host, [A, B], PullPolicy(0, 0, 3, 0), locked=LOCKED)
    assert [one.outcome for one in outcomes] == ["pulled"] * 2
    assert (host.looks_before_a, host.looks) == (4, 4)
    host.assert_all_called()


def test_layers_of_a_failed_image(host: FakeHost) -> None:
    """What arrived is kept; the rest is for the next, and the image comes again."""
    asked: list[dict[str, int]] = []
    host.files.update({IMAGES_JSON: images_json([A, B]), LAYERS_JSON: layers_json("b")})
    host.expect(*look([]), pull(A, "i/o timeout"), pull(B), pull(A), images([A, B]))

    def lacking_for(layers: Mapping[str, LockedLayer]) -> str:
        asked.append({digest: layer.size for digest, layer in layers.items()})
        if len(asked) == 1:
            host.files[LAYERS_JSON] = layers_json(["a", "b"])
        return ""

    pulled(host, [A, B], locked=LOCKED, watch=Disks(lacking_for))
    assert asked == [{"base": 50, "a": 7}, {"base": 50}, {}]


def test_no_room_in_the_middle(host: FakeHost) -> None:
    """Nothing more is begun, what is complete stays, and what failed before keeps its cause."""
    said = ["", "", "have 5 bytes"]
    host.files.update({IMAGES_JSON: images_json([A])})
    host.expect(*look([]), pull(B, "Digest did not match"), pull(A), images([A]))
    outcomes = pulled(host, [A, B, C], locked=LOCKED, watch=Disks(lambda _layers: said.pop(0)))
    assert [(one.outcome, one.cause, one.message, one.attempts) for one in outcomes] == [
        ("pulled", "", "", 1),
        ("failed", "corrupt", "Digest did not match", 1),
        ("failed", "no_space", "not tried: have 5 bytes", 0),
    ]
    assert [(one["phase"], one["reference"]) for one in host.journal()] == [
        ("before", B), ("before", A), ("after", A), ("after", B),
    ]  # fmt: skip


def test_no_room_beside_what_is_in_flight(host: FakeHost) -> None:
    """It waits until that has ended, and is asked for again alone."""
    asked = []

    def lacking_for(layers: Mapping[str, LockedLayer]) -> str:
        asked.append(set(layers))
        return "too much" if len(layers) > 2 else ""

    disks = Disks(lacking_for)
    host.files[IMAGES_JSON] = images_json([A, B, C])
    host.expect(*look([]), pull(B)).expect_in_any_order(pull(A), pull(C)).expect(images([A, B, C]))
    outcomes = pulled(host, [A, B, C], PullPolicy(0, 0, 2, 0), locked=LOCKED, watch=disks)
    assert [one.outcome for one in outcomes] == ["pulled"] * 3
    assert asked[:3] == [{"base", "b"}, {"base", "b", "c"}, {"a"}]
    # Writing out takes time: only where nothing else would bring room.
    assert disks.settled[:3] == [True, False, True]


def test_a_journal_that_cannot_be_written(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs what is not begun yet; outcomes of the others are kept."""
    appended = host.append

    def append(path: str, text: str) -> None:
        if B in text:
            raise HostError(f"writing {path}", "No space left on device")
        appended(path, text)

    monkeypatch.setattr(host, "append", append)
    host.files[IMAGES_JSON] = images_json([A])
    host.expect(*look([]), pull(A), images([A]))
    outcomes = pulled(host, [A, B, C], PullPolicy(0, 0, 1, 0))
    full = f"writing {JOURNAL}: No space left on device."
    assert [(one.outcome, one.cause, one.message) for one in outcomes] == [
        ("pulled", "", ""), ("failed", "no_space", full),
        ("failed", "no_space", f"not tried: {full}"),
    ]  # fmt: skip


def test_an_end_that_cannot_be_recorded(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was pulled was pulled; nothing more is begun."""
    appended = host.append

    def append(path: str, text: str) -> None:
        if '"after"' in text:
            raise HostError(f"writing {path}", "Read-only file system")
        appended(path, text)

    monkeypatch.setattr(host, "append", append)
    host.files[IMAGES_JSON] = images_json([A])
    host.expect(*look([]), pull(A), images([A]))
    outcomes = pulled(host, [A, B], PullPolicy(0, 0, 1, 0))
    assert [(one.outcome, one.cause) for one in outcomes] == [
        ("pulled", ""), ("failed", "io_error"),
    ]  # fmt: skip


def test_disks_that_cannot_be_looked_at(host: FakeHost) -> None:
    """What was done is kept, and what is left is told why."""
    asked: list[str] = []

    def lacking_for(_layers: Mapping[str, LockedLayer]) -> str:
        asked.append("")
        if len(asked) > 1:
            raise HostError("measuring the filesystem of /x", "Input/output error")
        return ""

    host.files[IMAGES_JSON] = images_json([A])
    host.expect(*look([]), pull(A), images([A]))
    outcomes = pulled(host, [A, B], PullPolicy(0, 0, 1, 0), watch=Disks(lacking_for))
    assert [(one.outcome, one.cause) for one in outcomes] == [
        ("pulled", ""), ("failed", "io_error"),
    ]  # fmt: skip


def test_a_store_that_cannot_be_looked_at(host: FakeHost) -> None:
    """Whoever waits for a layer is told why it is not waited for any longer."""
    host.files.update({IMAGES_JSON: images_json([A]), LAYERS_JSON: "[]"})
    host.expect(*look([]), pull(B, "i/o timeout"), images([]))

    def spoil(_layers: Mapping[str, LockedLayer]) -> str:
        host.files[LAYERS_JSON] = "torn"
        return ""

    outcomes = pulled(host, [A, B], PullPolicy(1, 0, 2, 0), locked=LOCKED, watch=Disks(spoil))
    assert {one.outcome for one in outcomes} == {"failed"}
    assert any("layers.json" in one.message for one in outcomes)


STAGED = "/var/tmp/container_images_storage1"


class HangingHost(FakeHost):
    """The first pull of each of ``hanging`` comes to nothing until it is ended, or comes to its end.

    Time is real. ``moves`` is called at each look at what is staged.
    """

    def __init__(self, *hanging: str) -> None:
        """Start with an empty store."""
        super().__init__()
        self.hanging = set(hanging)
        self.moves: Callable[[], None] = lambda: None
        self.done = threading.Event()
        self.ended: list[str] = []

    def monotonic(self) -> float:
        """See Host."""
        return time.monotonic()

    def run_until(
        self, argv: Sequence[str], stop: threading.Event, settings: Mapping[str, str]
    ) -> Completed:
        """See Host."""
        assert not stop.is_set()
        if argv[-1] not in self.hanging:
            return super().run_until(argv, stop, settings)
        self.hanging.discard(argv[-1])
        while not stop.wait(0.001):
            if self.done.is_set():
                return super().run_until(argv, stop, settings)
        self.ended.append(argv[-1])
        return Completed(tuple(argv), 124, "", "")

    def entries(self, directory: str) -> tuple[Entry, ...]:
        """See Host."""
        if directory == "/var/tmp":
            self.moves()
        return super().entries(directory)


def impatient(retries: int = 1, max_parallel: int = 2) -> PullPolicy:
    """Return a policy that ends pulls soon."""
    return PullPolicy(retries, 0, max_parallel, 0.05)


def test_pulls_that_all_stand_still_are_ended_and_tried_again() -> None:
    """Each as an attempt of its image."""
    host = HangingHost(A, B)
    host.files[IMAGES_JSON] = images_json([A, B, C])
    host.expect(*look([])).expect_in_any_order(*map(pull, (A, B, C))).expect(images([A, B, C]))
    outcomes = pulled(host, [A, B, C], impatient())
    assert [(one.outcome, one.attempts) for one in outcomes] == [
        ("pulled", 2), ("pulled", 2), ("pulled", 1),
    ]  # fmt: skip
    assert sorted(host.ended) == [A, B]
    # CRI-O may have given them pulls that a killed run left standing still.
    assert set(host.ends) == {"EDGEFLEET_CRIO=pull"}
    host.assert_all_called()


def test_what_stands_still_to_the_end() -> None:
    """The cause is a timeout, and it is said of what."""
    host = HangingHost(A)
    host.expect(*look([]), images([]))
    (outcome,) = pulled(host, [A], impatient(retries=0))
    assert (outcome.outcome, outcome.cause, outcome.attempts) == ("failed", "timeout", 1)
    still = "timed out: nothing came for 0.05 s, for this image or any other of the node"
    assert outcome.message == still
    assert host.journal()[-1]["cause"] == "timeout"
    assert outcome.seconds >= 0.05


class MuteHost(HangingHost):
    """No pull ever comes to anything."""

    def run_until(
        self, argv: Sequence[str], stop: threading.Event, settings: Mapping[str, str]
    ) -> Completed:
        """See Host."""
        self.hanging.add(argv[-1])
        return super().run_until(argv, stop, settings)


def test_a_registry_that_takes_connections_and_says_nothing() -> None:
    """It costs minutes and not hours: once it has been silent often enough, one more round of tries."""
    host = MuteHost()
    many = [f"example.com/{number}@sha256:{'a' * 64}" for number in range(20)]
    host.expect(*look([]), images([]))
    outcomes = pulled(host, many, impatient(retries=2, max_parallel=4))
    assert {one.cause for one in outcomes} == {"timeout"}
    # Three times four that stand still, the last four of them for good, and four others once.
    assert sum(one.attempts for one in outcomes) <= 3 * 4 + 4
    left = [one for one in outcomes if not one.attempts]
    assert len(left) == 4
    assert left[0].message == (
        "not tried: example.com keeps everybody waiting: timed out: nothing came for 0.05 s, for"
        " this image or any other of the node"
    )


def test_one_that_moves_keeps_all_alive() -> None:
    """However slowly: a byte at each look, for longer than pulls may stand still."""
    host = HangingHost(A, B)
    began = time.monotonic()

    def a_byte_more() -> None:
        host.files[f"{STAGED}/1"] = host.files.get(f"{STAGED}/1", "") + "x"
        if time.monotonic() - began > 0.3:
            host.done.set()

    host.moves = a_byte_more
    host.files[IMAGES_JSON] = images_json([A, B])
    host.expect(*look([])).expect_in_any_order(*map(pull, (A, B))).expect(images([A, B]))
    outcomes = pulled(host, [A, B], impatient(retries=0))
    assert [one.outcome for one in outcomes] == ["pulled"] * 2
    assert (host.ended, host.ends) == ([], [])
    host.assert_all_called()


@pytest.mark.parametrize("what", ["unpacked", "complete"])
def test_what_else_moves(what: str) -> None:
    """A staged layer that is read, and the list of the store."""
    host = HangingHost(A)
    began = time.monotonic()
    host.files[f"{STAGED}/1"] = "x"

    def go_on() -> None:
        step = int((time.monotonic() - began) * 1e6) + 1
        if what == "unpacked":
            host.opened = [OpenFile(f"{STAGED}/1", 46, 9, step)]
        else:
            host.files[LAYERS_JSON] = layers_json([str(step)])
        if time.monotonic() - began > 0.3:
            host.done.set()

    host.moves = go_on
    host.files[IMAGES_JSON] = images_json([A])
    host.expect(*look([]), pull(A), images([A]))
    (outcome,) = pulled(host, [A], impatient(retries=0))
    assert outcome.outcome == "pulled"
    host.assert_all_called()


def test_what_cannot_be_seen_is_not_still() -> None:
    """A node whose temporary directory cannot be read for a while loses no pull by that."""
    host = HangingHost(A)
    began = time.monotonic()

    def fail_for_a_while() -> None:
        if time.monotonic() - began < 0.3:
            raise HostError("reading /var/tmp", "Input/output error")
        # The first look that sees something sees nothing new, and has seen that for no time.
        host.done.set()

    host.moves = fail_for_a_while
    host.files[IMAGES_JSON] = images_json([A])
    host.expect(*look([]), pull(A), images([A]))
    (outcome,) = pulled(host, [A], impatient(retries=0))
    assert outcome.outcome == "pulled"
    host.assert_all_called()


@pytest.mark.parametrize("stall_timeout", [0, 60])
def test_disks_that_run_low_while_the_last_pulls_run(
    monkeypatch: pytest.MonkeyPatch, stall_timeout: float
) -> None:
    """Nobody starts any more, so nobody looks for that: the pulls end, and their room is given back."""
    monkeypatch.setattr(pull_run, "_ROOM_INTERVAL", 0.01)
    host = HangingHost(A, B)
    host.expect(*look([]), images([]))

    disks = Disks(breach=lambda: "" if host.hanging else "have 5 bytes")
    outcomes = pulled(host, [A, B], PullPolicy(3, 0, 2, stall_timeout), watch=disks)
    assert [(one.cause, one.message, one.attempts) for one in outcomes] == [
        ("no_space", "ended: have 5 bytes", 1)
    ] * 2
    assert sorted(host.ended) == [A, B]
    assert host.ends == ["EDGEFLEET_CRIO=pull"]


def test_disks_that_cannot_be_looked_at_while_pulls_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown is not full: what runs comes to its end, and the next start asks for itself."""
    monkeypatch.setattr(pull_run, "_ROOM_INTERVAL", 0.01)
    host = HangingHost(A)
    host.files[IMAGES_JSON] = images_json([A, B])
    host.expect(*look([]), pull(A), pull(B), images([A, B]))

    def breach() -> str:
        host.done.set()
        raise HostError("measuring the filesystem of /x", "Input/output error")

    outcomes = pulled(host, [A, B], PullPolicy(0, 0, 1, 0), watch=Disks(breach=breach))
    assert [one.outcome for one in outcomes] == ["pulled"] * 2
    assert host.done.is_set()


class LateHost(HangingHost):
    """Pulls succeed in the moment in which they are ended."""

    def run_until(
        self, argv: Sequence[str], stop: threading.Event, settings: Mapping[str, str]
    ) -> Completed:
        """See Host."""
        del settings
        assert stop.wait(60)
        return self.run(argv)


def test_a_pull_that_ends_as_it_is_ended() -> None:
    """Its success counts."""
    host = LateHost()
    host.files[IMAGES_JSON] = images_json([A])
    host.expect(*look([]), pull(A), images([A]))
    (outcome,) = pulled(host, [A], impatient(retries=0))
    assert (outcome.outcome, outcome.attempts) == ("pulled", 1)


@pytest.mark.parametrize(
    ("version", "more"),
    [
        ("1.30.10", f": CRI-O 1.30.10 {CUTS_SLOW_PULLS.says}"),
        ("1.32.3", f": CRI-O 1.32.3 {CUTS_UNLESS_TOLD.says}"),
        ("1.36.3", ""),
    ],
)
def test_a_pull_that_crio_ended(host: FakeHost, version: str, more: str) -> None:
    """It is said where that is the way of its version."""
    host.expect(
        *look([]), pull(A, "copying: context canceled"), images([]), running_version(version)
    )
    (outcome,) = pulled(host, [A], PullPolicy(0, 0, 1, 0))
    assert (outcome.cause, outcome.message) == ("timeout", f"copying: context canceled{more}")


DEAD = "/var/tmp/container_images_storage7"


def with_a_dead_pull(host: FakeHost, present: Iterable[str]) -> None:
    """Let a killed CRI-O have left a layer, and the running one be young."""
    host.files.update({f"{DEAD}/1": "12345", "/run/crio/crio.sock": ""})
    host.files[IMAGES_JSON] = images_json(present)
    host.times["/run/crio/crio.sock"] = 900.0
    host.running = [RunningProcess(46, "crio", 900.0)]


def test_what_dead_pulls_left_goes_first(host: FakeHost) -> None:
    """Before anything is pulled, in our turn, with a line in the journal before and after."""
    with_a_dead_pull(host, [A])
    host.expect(*look([]), pull(A), images([A]))
    result = pulling(host, [A], ONE_BY_ONE, check_mode=False)
    assert result.leftovers == (Leftover(DEAD, 5, "removed"),)
    kinds = [event for event in host.events if event[0] != "run"]
    assert kinds[:5] == [
        ("journal", "before clean"), ("rename", DEAD), ("remove", f"{DEAD}.edgefleet-going"),
        ("journal", "after clean"), ("journal", "before pull"),
    ]  # fmt: skip
    assert host.turns[0].startswith("pull images")
    assert host.journal()[1]["paths"] == [DEAD]
    assert host.journal()[1]["bytes"] == 5


def test_what_dead_pulls_left_goes_also_when_nothing_is_missing(host: FakeHost) -> None:
    """In our turn as well; in check mode it is named only."""
    with_a_dead_pull(host, [A])
    host.expect(*look([A]))
    named = pulling(host, [A], ONE_BY_ONE, check_mode=True)
    assert named.leftovers == (Leftover(DEAD, 5, "found"),)
    assert (host.turns, host.journal()) == ([], [])
    host.expect(*look([A]))
    assert pulling(host, [A], ONE_BY_ONE, check_mode=False).leftovers[0].outcome == "removed"
    assert host.turns[-1] == ""
    host.expect(*look([A]))
    assert pulling(host, [A], ONE_BY_ONE, check_mode=False).leftovers == ()


@pytest.mark.parametrize("retries", [0, 1])
def test_what_is_left_by_a_crio_that_died_meanwhile(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, retries: int
) -> None:
    """It goes at the end, whether another try succeeded or not; after pulls without a failure, no look."""
    run_until, scanned = host.run_until, host.entries
    looks: list[str] = []

    def die(argv: Sequence[str], stop: threading.Event, settings: Mapping[str, str]) -> Completed:
        with_a_dead_pull(host, [A])
        return run_until(argv, stop, settings)

    def look_into(directory: str) -> tuple[Entry, ...]:
        looks.append(directory)
        return scanned(directory)

    monkeypatch.setattr(host, "run_until", die)
    monkeypatch.setattr(host, "entries", look_into)
    tries = [pull(A, "EOF"), *[pull(A)] * retries]
    host.expect(*look([]), *tries, images([A] * retries))
    result = pulling(host, [A], PullPolicy(retries, 0, 1, 0), check_mode=False)
    assert result.leftovers == (Leftover(DEAD, 5, "removed"),)
    assert host.journal()[-1]["paths"] == [DEAD]
    monkeypatch.setattr(host, "run_until", run_until)
    looks.clear()
    host.files[IMAGES_JSON] = images_json([B])
    host.expect(*look([]), pull(B), images([B]))
    assert pulling(host, [B], ONE_BY_ONE, check_mode=False).leftovers == ()
    assert looks.count("/etc/crio") == 1


def test_a_daemon_that_goes_after_the_pull(host: FakeHost) -> None:
    """What it does not list is not believed, and nothing else is lost."""
    gone = crictl("images", "-o", "json", rc=1, stderr='level=fatal msg="no such file"')
    host.expect(*look([]), pull(A), gone)
    (outcome,) = pulled(host, [A])
    assert (outcome.outcome, outcome.cause) == ("failed", "unknown")
    said = "asking CRI-O with 'crictl images': no such file. CRI-O must be running."
    assert outcome.message == said


def test_success_that_is_not_there(host: FakeHost) -> None:
    """The daemon's list counts, not the return code."""
    host.expect(*look([]), pull(A), images([]))
    (outcome,) = pulled(host, [A])
    assert (outcome.outcome, outcome.cause) == ("failed", "unknown")
    assert outcome.message == "crictl reported success, CRI-O does not list the image"


def test_not_root(host: FakeHost) -> None:
    """It is said what is needed."""
    host.root = False
    with pytest.raises(EdgefleetError, match=r"pulling images: this needs root\. Set become: true"):
        pulled(host, [A])


def test_no_crictl(host: FakeHost) -> None:
    """It is said what is missing."""
    del host.programs["crictl"]
    with pytest.raises(EdgefleetError, match="looking for crictl: it is not installed"):
        pulled(host, [A])
