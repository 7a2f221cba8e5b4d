# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal: what it knows of pins, and how it stays small and whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.journal import Journal
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pin_record import (
    PinRecord,
    fold_pins,
    read_pin_record,
)
from unit.fake_host import JOURNAL, FakeHost


def pin(phase: str, **details: Any) -> dict[str, Any]:
    """Return an entry about the drop-in."""
    return {"event": "pin", "phase": phase, **details}


def test_when_the_pins_were_written() -> None:
    """By the last run that came to its end; what a hand made of that is passed over."""
    lines = [
        json.dumps({"time": time, "event": "pin", "phase": phase})
        for time, phase in (("1", "after"), ("2", "after"), ("3", "before"))
    ]
    assert fold_pins("\n".join(lines)).pinned_at == "2"
    assert fold_pins(json.dumps(pin("after"))).pinned_at == ""


def test_who_left_the_drop_in() -> None:
    """A run, where it lists just what the journal says that one wrote."""
    record = PinRecord(frozenset("ab"), frozenset("abc"), "then")
    assert record.left_at("ba") == ", as a run left it at then"
    assert record.left_at("abc") == record.left_at(None) == ""
    assert replace(record, pinned_at="").left_at("ab") == ""


@pytest.mark.parametrize(
    ("entries", "pinned", "known"),
    [
        ([], "", ""),
        ([pin("before", added=["a"])], "a", "a"),
        ([pin("before", added=["a"]), pin("after", withdrawn=[])], "a", "a"),
        ([pin("before", added=["a", "b"]), pin("after", withdrawn=["a"])], "b", "ab"),
        # Killed before the file was written: what may still be pinned counts as pinned.
        ([pin("before", added=["a"]), pin("before", added=["b"])], "ab", "ab"),
        (
            [
                pin("before", added=["a", "b"]),
                {"event": "remove", "phase": "before", "references": ["a"]},
                {"event": "remove", "phase": "after", "references": ["b"]},
            ],
            "a",
            "a",
        ),
        (
            [
                pin("before", added=["a"]),
                {"event": "forget", "phase": "after", "references": ["a"]},
            ],
            "",
            "",
        ),
        (
            [
                pin("before", added=["a"]),
                {"event": "remove-failed", "phase": "after", "references": ["a"]},
            ],
            "a",
            "a",
        ),
        (
            [
                pin("before", added=["x"]),
                {"event": "snapshot", "phase": "after", "pinned": ["a"], "known": ["a", "b"]},
                pin("before", added=["c"]),
            ],
            "ac",
            "abc",
        ),
        ([{"event": "pull", "phase": "after", "reference": "a"}, 7, "text"], "", ""),
        # Edited into something that is JSON and no entry of ours.
        (
            [
                pin("before", added=["a", 7]),
                pin("before"),
                pin("after", withdrawn="a"),
                {"event": "remove", "phase": "after"},
                {"event": "forget", "phase": "after", "references": {"a": 1}},
            ],
            "a",
            "a",
        ),
        ([pin("before", added=["a"]), {"event": "snapshot", "phase": "after"}], "", ""),
    ],
)
def test_pin_record(host: FakeHost, entries: list[Any], pinned: str, known: str) -> None:
    """What we last pinned, and what we ever pinned that may still be there."""
    host.files[JOURNAL] = "".join(json.dumps(entry) + "\n" for entry in entries)
    record = read_pin_record(host)
    assert (record.pinned, record.known) == (frozenset(pinned), frozenset(known))


@pytest.mark.parametrize("line", ["[" * 100_000, '{"a": ' * 100_000, "no JSON", "\x00", "7"])
def test_a_line_that_a_hand_has_spoilt(host: FakeHost, line: str) -> None:
    """It costs that line only, whatever it is."""
    whole = json.dumps(pin("before", added=["a"]))
    host.files[JOURNAL] = f"{line}\n{whole}\n{line}\n"
    assert read_pin_record(host).pinned == {"a"}


def test_a_torn_line_is_passed_over_and_dropped(host: FakeHost) -> None:
    """A crash in the middle of a line costs that line only, and every line is whole again."""
    whole = json.dumps(pin("before", added=["a"]))
    host.files[JOURNAL] = f'{whole}\n{{"event": "pin", "pha'
    assert read_pin_record(host).pinned == {"a"}
    log = Journal(host)
    log.before("reload")
    log.after("reload", taken=True)
    events = [(one["event"], one["phase"]) for one in host.journal()]
    assert events == [("pin", "before"), ("reload", "before"), ("reload", "after")]
    host.files[JOURNAL] = '{"event"'
    Journal(host).before("reload")
    assert [one["event"] for one in host.journal()] == ["reload"]
    assert host.scratches == ["/var/lib/edgefleet-crio/.journal.new"] * 2


def test_it_stays_small(host: FakeHost) -> None:
    """Past a million characters the older half goes; what is known of pins stays."""
    log, names = Journal(host), [f"r{number}" for number in range(20)]
    log.before("pin", added=names)
    log.after("pin", withdrawn=names[:10])
    pins = host.files[JOURNAL]
    lines = [f'{{"event": "pull", "number": {number:5}, "padding": "{"x" * 50}"}}\n'
             for number in range(11_000)]  # fmt: skip
    text = (pins + "".join(lines))[:1_000_000]
    host.files[JOURNAL] = text
    log.shorten()
    assert host.files[JOURNAL] == text
    host.files[JOURNAL] = text = f"{text[:-1]}x\n"
    log.shorten()
    *newest, snapshot = host.files[JOURNAL].splitlines(keepends=True)
    assert json.loads(snapshot) == {
        "time": "1970-01-01T00:16:40Z", "event": "snapshot", "phase": "after",
        "pinned": sorted(names[10:]), "known": sorted(names),
    }  # fmt: skip
    # All whole lines of the last half million characters, and no part of one.
    kept = "".join(newest)
    assert text.endswith(kept)
    assert 500_000 - len(lines[0]) < len(kept) < 500_000
    assert kept.startswith('{"event": "pull"')
    record = read_pin_record(host)
    assert (record.pinned, record.known) == (set(names[10:]), set(names))
    assert host.events[-1] == ("write", f"{JOURNAL} 600")
    assert host.scratches == ["/var/lib/edgefleet-crio/.journal.new"]
