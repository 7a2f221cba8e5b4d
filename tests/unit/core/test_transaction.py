# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staged, committed, absent: what the drop-in must hold."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.transaction import plan_pins
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import (
    parse_drop_in,
    render_drop_in,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.found_file import (
    DIRECTORY,
    FILE,
    LINK,
    FoundFile,
)
from hypothesis import given
from hypothesis import strategies as st


def holding(text: str | None) -> FoundFile:
    """Return root's file of that text, or none."""
    return FoundFile() if text is None else FoundFile(FILE, text, 0o644)


@pytest.mark.parametrize(
    ("state", "wanted", "current", "journal", "after", "withdrawn", "kept"),
    [
        ("staged", "bc", "ab", "", "abc", "", "a"),
        ("staged", "bc", None, "", "bc", "", ""),
        # Somebody removed or spoiled the file: the journal knows what was pinned.
        ("staged", "bc", None, "ab", "abc", "", "a"),
        ("present", "bc", "ab", "", "bc", "a", ""),
        ("present", "bc", "abc", "abc", "bc", "a", ""),
        ("present", "bc", None, "a", "bc", "a", ""),
        ("present", "ab", "ab", "", "ab", "", ""),
        ("absent", "", "ab", "", "", "ab", ""),
        ("absent", "ab", "ab", "", "", "ab", ""),
        ("absent", "", None, "", "", "", ""),
    ],
)
def test_plan(
    state: str,
    wanted: str,
    current: str | None,
    journal: str,
    after: str,
    withdrawn: str,
    kept: str,
) -> None:
    """One letter is one reference."""
    text = None if current is None else render_drop_in(current)
    plan = plan_pins(state, wanted, holding(text), journal)
    assert plan.references == tuple(after)
    assert plan.text == (None if state == "absent" else render_drop_in(after))
    before = journal if current is None else current
    assert plan.added == tuple(sorted(set(after) - set(before)))
    assert plan.withdrawn == tuple(withdrawn)
    assert plan.kept == tuple(kept)
    assert plan.changed == (plan.text != text)


def test_a_spoiled_file_is_written_again() -> None:
    """What we would not have written so is replaced, also when its list is right."""
    plan = plan_pins("present", "ab", holding("# mine\n" + render_drop_in("ab")), "ab")
    assert plan.changed
    assert plan.added == plan.withdrawn == ()


@pytest.mark.parametrize(
    "odd",
    [
        FoundFile(FILE, render_drop_in("ab"), 0o600),
        FoundFile(FILE, render_drop_in("ab"), 0o644, 5),
        FoundFile(LINK),
        FoundFile(DIRECTORY),
    ],
)
def test_a_file_that_is_odd_is_written_again(odd: FoundFile) -> None:
    """Mode, owner and kind count; what it pinned is known from its text or from the journal."""
    for state, after in (("present", "ab"), ("staged", "ab"), ("absent", "")):
        plan = plan_pins(state, after, odd, "ab")
        assert plan.changed
        assert (plan.added, plan.withdrawn) == ((), () if after else tuple("ab"))


REFERENCES = st.sets(st.sampled_from("abcdefgh"))


@given(old=REFERENCES, new=REFERENCES, journal=REFERENCES)
def test_what_stays_is_pinned_at_every_moment(
    old: set[str], new: set[str], journal: set[str]
) -> None:
    """Staged holds old and new, committed the new; a second time either changes nothing."""
    staged = plan_pins("staged", new, holding(render_drop_in(old)), journal)
    assert set(staged.references) == old | new
    assert not staged.withdrawn
    assert not plan_pins("staged", new, holding(staged.text), journal).changed
    committed = plan_pins("present", new, holding(staged.text), journal)
    assert set(parse_drop_in(committed.text or "") or ()) == new
    assert set(committed.withdrawn) == old - new
    assert not plan_pins("present", new, holding(committed.text), journal).changed


def test_the_lists_are_sorted() -> None:
    """What is added, withdrawn and kept, in an order that does not depend on the input's."""
    staged = plan_pins("staged", "hgfe", holding(render_drop_in("dcba")), "")
    assert (staged.added, staged.kept) == (tuple("efgh"), tuple("abcd"))
    committed = plan_pins("present", "hgfe", holding(staged.text), "")
    assert (committed.withdrawn, committed.references) == (tuple("abcd"), tuple("efgh"))


@given(old=REFERENCES, new=REFERENCES)
def test_a_spoiled_file_loses_no_pin(old: set[str], new: set[str]) -> None:
    """With the journal, staging over a spoiled or missing file pins what it did before."""
    for current in (None, "", "spoiled"):
        staged = plan_pins("staged", new, holding(current), old)
        assert set(staged.references) == old | new
        assert staged.changed
        assert (set(staged.added), set(staged.kept)) == (new - old, old - new)
