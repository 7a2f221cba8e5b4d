# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as text, and the shape and size of what documents hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents import json_text, shape
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.json_text import (
    InvalidJson,
    iterate_json,
    load_json,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.shape import (
    TooLarge,
    TwiceNamed,
    check_expansion,
    check_length,
    check_set_names,
    is_name,
    shown,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.yaml_text import (
    load_documents,
)
from hypothesis import given
from hypothesis import strategies as st
from unit.refusals import refusal


def test_a_stream_of_documents() -> None:
    """White space, or nothing, is between them."""
    assert list(iterate_json(' {"a": 1}{"b": 2}\r\n\t[3] 4 \n', "f")) == [
        {"a": 1},
        {"b": 2},
        [3],
        4,
    ]
    assert list(iterate_json("", "f")) == []
    assert load_json(' {"a": [1]}\n', "f") == {"a": [1]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "reading f: it holds 0 documents. One is needed."),
        ("{} {}", "reading f: it holds 2 documents. One is needed."),
        ('{"a": 1,\n x}', "reading f: Expecting property name enclosed in double quotes in line 2"),
        ("{} {", ", column 5. It must be JSON."),
        ("<html>", "reading f: Expecting value in line 1, column 1. It must be JSON."),
        ("[" * 100_000, "reading f: maximum recursion depth exceeded"),
        ("9" * 5000, "reading f: Exceeds the limit"),
    ],
)
def test_not_json(text: str, said: str) -> None:
    """The source and the place are named."""
    with pytest.raises(InvalidJson) as caught:
        load_json(text, "f")
    assert said in str(caught.value)


def test_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is measured before it is read."""
    assert check_length("123", 3, "f") is None
    with pytest.raises(TooLarge) as caught:
        check_length("1234", 3, "f")
    assert str(caught.value) == "reading f: it has 4 characters. At most 3 are read."
    monkeypatch.setattr(json_text, "DOCUMENT_MAX", 3)
    with pytest.raises(TooLarge):
        load_json("[   ]", "f")
    monkeypatch.setattr(json_text, "STREAM_MAX", 4)
    with pytest.raises(TooLarge):
        list(iterate_json("[   ]", "f"))


@given(st.text())
def test_any_text_is_loaded_or_refused(text: str) -> None:
    """There is no text that leads to another error."""
    assert "\n" not in refusal(load_json, text, "f")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "nothing"),
        ([1], "a list"),
        ((), "a list"),
        ({}, "a mapping"),
        ("a\nb", r"'a\nb'"),
        ("x" * 80, repr("x" * 80)),
        ("x" * 81, repr("x" * 80 + "...")),
        (True, "True"),
        (7, "7"),
        (-1.5, "-1.5"),
        (2**64 - 1, "18446744073709551615"),
        (-(2**64), "a int"),
        pytest.param(16**9999, "a int", id="a huge number"),
        (date(2026, 1, 2), "a date"),
    ],
)
def test_shown(value: Any, said: str) -> None:
    """A wrong value is told shortly."""
    assert shown(value) == said


@pytest.mark.parametrize(
    ("value", "right"),
    [("a b", True), ("", False), (" a", False), ("a\n", False), ("a\nb", False), (7, False)],
)
def test_names(value: Any, right: bool) -> None:
    """A name is text of one line."""
    assert is_name(value) is right


def test_two_sets_of_one_name() -> None:
    """They are refused, both places named."""
    sets = [("a", "a variable"), ("b", "b.yml")]
    check_set_names(sets)
    with pytest.raises(TwiceNamed) as caught:
        check_set_names([*sets, ("a", "node n")])
    assert str(caught.value) == (
        "set 'a' of node n: a variable has a set of that name too. Every set needs a name of its own."
    )


def test_aliases_that_blow_up() -> None:
    """Few lines of YAML can stand for more than any memory; a few aliases are fine."""
    lines = ["- &a0 [x, x]"] + [f"- &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    assert len(load_documents("\n".join(lines[:10]), "f")[0]) == 10
    with pytest.raises(TooLarge) as caught:
        load_documents("\n".join(lines), "f")
    assert str(caught.value) == (
        "reading f: its aliases stand for more than 20000000 values. Write it without aliases."
    )


@pytest.mark.parametrize(
    "text",
    ["&a [*a]", "&a {b: {c: [*a]}}", "[&a [x, &b {c: *a}], *b]", "- &a [1]\n- &b [*a, [*b]]"],
)
def test_aliases_that_hold_themselves(text: str) -> None:
    """Nothing walks through a thing that has no end."""
    with pytest.raises(TooLarge, match="an alias in it holds itself"):
        load_documents(text, "f")


def test_the_limit_of_aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are counted where they stand, and the same list as often as it stands there."""
    value = load_documents("- &a [x, y]\n- *a\n- {b: *a}\n", "f")[0]
    # The list and its three entries; three times the inner list and its two; the mapping and its
    # entry.
    monkeypatch.setattr(shape, "_VALUES_MAX", 1 + 3 + 3 * (1 + 2) + 2)
    check_expansion(value, "f")
    monkeypatch.setattr(shape, "_VALUES_MAX", 14)
    with pytest.raises(TooLarge):
        check_expansion(value, "f")
