# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look into layers, and clear what is damaged: in which order, and what stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions import content, stall
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.content import (
    clear_corrupt,
    look_into,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.image_outcome import (
    ImageOutcome,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import (
    Completed,
    HostError,
)
from unit.content_host import FakeContentHost
from unit.fake_host import JOURNAL, LAYERS_JSON, containers, crictl, daemon_down, status_config

WANTED = ["a", "b"]
REFUSED = 'level=fatal msg="pinging container registry: dial tcp: connect: connection refused"'


@pytest.fixture
def node() -> Iterator[FakeContentHost]:
    """Give a node with a and b on one base and o, which we pinned once, on another; c is absent."""
    host = FakeContentHost(
        {"a": "a1", "b": "b1", "o": "o1"}, {"base": "", "a1": "base", "b1": "base", "o1": ""}
    )
    host.files[JOURNAL] = '{"event": "pin", "phase": "before", "added": ["a", "b", "o"]}\n'
    yield host.expect(status_config())
    host.assert_all_called()


def damage(node: FakeContentHost, layer: str) -> None:
    """Truncate the file of a layer."""
    node.trees[layer][f"file of {layer}"] = 2


def journal(node: FakeContentHost) -> list[tuple[str, str]]:
    """Return what the journal got."""
    return [(one["event"], one["phase"]) for one in node.journal()[1:]]


def test_whole(node: FakeContentHost) -> None:
    """Nothing is asked beside the configuration; an image that is not there is no matter of this."""
    assert look_into(node, [*WANTED, "c"]).corrupt == ()


def test_what_is_not_wanted_is_not_looked_at(node: FakeContentHost) -> None:
    damage(node, "o1")
    assert look_into(node, WANTED).corrupt == ()


def test_damaged(node: FakeContentHost) -> None:
    damage(node, "base")
    (a, b) = look_into(node.expect(containers()), WANTED).corrupt
    assert (a.reference, b.reference) == ("a", "b")
    assert a.detail == b.detail == "layer sha256:base: file of base has 2 bytes of 5"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ('{"type": 1, "name": "file of a1", "siz', "it is no JSON"),
        (None, "the store's record of it is not there"),
        ("", ""),
    ],
)
def test_records(node: FakeContentHost, record: str | None, said: str) -> None:
    """A torn or lost record is damage; one without files is that of an empty layer."""
    path = node.record_of("a1")
    if record is None:
        del node.files[path]
    else:
        node.files[path] = record
    if said:
        node.expect(containers())
    assert [said in one.damage for one in look_into(node, WANTED).corrupt] == (
        [True] if said else []
    )


def test_a_layer_that_never_was_a_blob_needs_no_record(node: FakeContentHost) -> None:
    del node.files[node.record_of("a1")]
    node.files[LAYERS_JSON] = node.files[LAYERS_JSON].replace("sha256:a1", "")
    assert look_into(node, WANTED).corrupt == ()


def test_lost_files_and_lost_layers(node: FakeContentHost) -> None:
    del node.trees["a1"]
    node.files[LAYERS_JSON] = node.files[LAYERS_JSON].replace('"id": "b1"', '"id": "other"')
    a, b = look_into(node.expect(containers()), WANTED).corrupt
    assert "No such file or directory" in a.damage
    assert b.damage == "layer b1: the store has no such layer"


def test_a_path_that_stands_in_a_layer_twice(node: FakeContentHost) -> None:
    """The last one counts, as it is unpacked."""
    path = node.record_of("a1")
    whole = node.files[path] + "\n"
    other = whole.replace("5", "6")
    node.files[path] = other + whole
    assert look_into(node, WANTED).corrupt == ()
    node.files[path] = whole + other
    (damaged,) = look_into(node.expect(status_config(), containers()), WANTED).corrupt
    assert damaged.damage == "layer sha256:a1: file of a1 has 5 bytes of 6"


class MuteHost(FakeContentHost):
    """A registry that takes connections, and says nothing, or only when ``answers`` is set."""

    def __init__(self, images: dict[str, str], layers: dict[str, str]) -> None:
        """Take them as they are whole."""
        super().__init__(images, layers)
        self.answers = threading.Event()
        self.asked = 0

    def run_until(
        self, argv: Sequence[str], stop: threading.Event, settings: Mapping[str, str]
    ) -> Completed:
        """See Host."""
        del settings
        self.asked += 1
        for _moment in range(1000):
            if self.answers.wait(0.005):
                return Completed(tuple(argv), 0, "", "")
            if stop.is_set():
                return Completed(tuple(argv), 124, "", "")
        raise AssertionError("nobody ended it")


def test_a_registry_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not waited for for ever, and for one image only; what it may not give back stays."""
    monkeypatch.setattr(content, "_WATCH_SECONDS", 0.01)
    monkeypatch.setattr(content, "_STILL_SECONDS", 0.0)
    node = MuteHost({"r/a": "a1", "r/b": "b1"}, {"a1": "", "b1": ""})
    damage(node, "a1")
    damage(node, "b1")
    node.expect(status_config(), containers())
    outcomes = clear_corrupt(node, ["r/a", "r/b"], check_mode=False)
    assert [(one.outcome, one.cause) for one in outcomes] == [("failed", "timeout")] * 2
    assert all("nothing came for 0 s" in one.message for one in outcomes)
    assert node.asked == 1
    node.assert_all_called()


@pytest.mark.parametrize("spoilt", [False, True])
def test_a_layer_that_comes_slowly(monkeypatch: pytest.MonkeyPatch, spoilt: bool) -> None:
    """The store had lost it: as long as it grows, or nobody can tell, nobody ends its pull."""
    monkeypatch.setattr(content, "_WATCH_SECONDS", 0.01)
    node = MuteHost({"a": "a1"}, {"a1": ""})
    damage(node, "a1")
    looks: list[float] = []

    def grown(host: MuteHost, _config: object) -> frozenset[tuple[str, int]]:
        host.sleep(100)
        looks.append(host.monotonic())
        if len(looks) == 5:
            host.answers.set()
        if spoilt:
            raise HostError("reading it", "Input/output error")
        return frozenset({("layer", len(looks))})

    monkeypatch.setattr(stall, "read_marks", grown)
    node.expect(status_config(), containers(), crictl("rmi", "a"))
    (outcome,) = clear_corrupt(node, ["a"], check_mode=False)
    assert outcome == ImageOutcome("a", "cleared", attempts=1)
    assert len(looks) >= 5


def test_a_twin_is_looked_at_too(node: FakeContentHost) -> None:
    """O's layer comes from the blob of a damaged one and is damaged: all three go."""
    node.files[LAYERS_JSON] = node.files[LAYERS_JSON].replace("sha256:o1", "sha256:base")
    damage(node, "base")
    damage(node, "o1")
    node.expect(containers())
    look = look_into(node, WANTED)
    assert [one.reference for one in look.corrupt] == WANTED
    assert sorted(look.going) == ["a", "b", "o"]
    node.expect(
        status_config(), containers(), crictl("pull", "a"), crictl("pull", "b"),
        crictl("rmi", "a"), crictl("rmi", "b"), crictl("rmi", "o"),
    )  # fmt: skip
    outcomes = clear_corrupt(node, WANTED, check_mode=False)
    assert [(one.reference, one.outcome) for one in outcomes] == [
        ("a", "cleared"), ("b", "cleared"), ("o", "cleared"),
    ]  # fmt: skip
    assert "no set wants it, so it does not come again" in outcomes[-1].message


def test_cleared(node: FakeContentHost) -> None:
    """The registry is asked for all of a group before the first one goes."""
    damage(node, "base")
    node.expect(
        containers("o"), crictl("pull", "a"), crictl("pull", "b"),
        crictl("rmi", "a"), crictl("rmi", "b"),
    )  # fmt: skip
    outcomes = clear_corrupt(node, WANTED, check_mode=False)
    assert outcomes == [ImageOutcome(one, "cleared", attempts=1) for one in WANTED]
    assert journal(node) == [("clear", "before"), ("clear", "after")]
    assert node.turns[0] == "remove damaged images"


def test_check_mode(node: FakeContentHost) -> None:
    damage(node, "a1")
    outcomes = clear_corrupt(node.expect(containers()), WANTED, check_mode=True)
    assert outcomes == [ImageOutcome("a", "would_clear")]
    assert journal(node) == []


def test_a_container_uses_it(node: FakeContentHost) -> None:
    damage(node, "base")
    outcomes = clear_corrupt(node.expect(containers("b")), WANTED, check_mode=False)
    assert [(one.reference, one.outcome) for one in outcomes] == [("a", "left"), ("b", "left")]
    assert outcomes[0].message.endswith("has 2 bytes of 5; it stays: a container uses b")


def test_a_registry_that_would_not_give_it_back(node: FakeContentHost) -> None:
    """Not one image of the group goes; another group does."""
    damage(node, "a1")
    damage(node, "b1")
    node.expect(
        containers(), crictl("pull", "a", rc=1, stderr=REFUSED),
        crictl("pull", "b"), crictl("rmi", "b"),
    )  # fmt: skip
    failed, cleared = clear_corrupt(node, WANTED, check_mode=False)
    assert (failed.reference, failed.outcome, failed.cause) == ("a", "failed", "unreachable")
    assert failed.message.startswith("it is damaged, and stays until it can be pulled again: ")
    assert cleared == ImageOutcome("b", "cleared", attempts=1)


def test_an_image_that_cri_o_does_not_remove(node: FakeContentHost) -> None:
    damage(node, "base")
    said = 'level=fatal msg="image is in use by a container"'
    node.expect(
        containers(), crictl("pull", "a"), crictl("pull", "b"),
        crictl("rmi", "a"), crictl("rmi", "b", rc=1, stderr=said),
    )  # fmt: skip
    outcomes = clear_corrupt(node, WANTED, check_mode=False)
    assert [one.outcome for one in outcomes] == ["failed", "failed"]
    assert "in use by a container" in outcomes[0].message
    assert journal(node) == [("clear", "before"), ("clear-failed", "after")]


def test_refusals() -> None:
    silent = FakeContentHost({}, {}).expect(daemon_down())
    with pytest.raises(EdgefleetError, match="connection error"):
        look_into(silent, WANTED)
    silent.root = False
    for act in (look_into, lambda *given: clear_corrupt(*given, check_mode=False)):
        with pytest.raises(HostError, match="this needs root"):
            act(silent, WANTED)
