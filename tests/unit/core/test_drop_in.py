# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in's bytes."""

from __future__ import annotations

import tomllib

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import (
    comparable_drop_ins,
    parse_drop_in,
    render_drop_in,
)
from hypothesis import given
from hypothesis import strategies as st

TWO = '[crio]\n  [crio.image]\n    pinned_images = ["a@sha256:1", "b@sha256:2"]\n'


def test_bytes() -> None:
    """As OpenShift's Machine Config Operator writes them: sorted, each once, newline at the end."""
    assert render_drop_in(["b@sha256:2", "a@sha256:1", "b@sha256:2"]) == TWO
    assert parse_drop_in(TWO) == ("a@sha256:1", "b@sha256:2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine\n" + TWO,
        TWO + "\n",
        TWO.replace('["a@sha256:1", "b@sha256:2"]', '["b@sha256:2", "a@sha256:1"]'),
        TWO.replace('["a@sha256:1", "b@sha256:2"]', "[1]"),
        TWO.replace('["a@sha256:1", "b@sha256:2"]', '"a"'),
        TWO.replace('["a@sha256:1", "b@sha256:2"]', "7"),
        TWO.replace('["a@sha256:1", "b@sha256:2"]', '{"a": 1}'),
        TWO[:-10],
    ],
)
def test_other_content_is_not_ours(text: str) -> None:
    """Whatever we would not have written so is nobody's list to go on from."""
    assert parse_drop_in(text) is None


@given(st.sets(st.text(min_size=1)))
def test_round_trip(references: set[str]) -> None:
    """What is written is read again, whatever the strings hold; it stays three lines of ASCII."""
    text = render_drop_in(references)
    assert parse_drop_in(text) == tuple(sorted(references))
    assert text.isascii()
    assert text.count("\n") == 3


READABLE = """\
[crio]
  [crio.image]
    pinned_images = [
      "a@sha256:1",
      "b@sha256:2",
    ]
"""


@pytest.mark.parametrize("other", ["", "# mine\n", TWO.replace(', "b@sha256:2"', "")])
def test_two_that_are_compared(other: str) -> None:
    """A reference that comes or goes is a line; what is not ours is shown as it is."""
    shown = READABLE.replace('      "b@sha256:2",\n', "") if "crio" in other else other
    assert comparable_drop_ins(TWO, other) == (READABLE, shown)
    assert comparable_drop_ins(other, TWO) == (shown, READABLE)


def test_a_difference_that_lines_would_hide() -> None:
    """Somebody wrote our list in lines of their own."""
    assert comparable_drop_ins(READABLE, TWO) == (READABLE, TWO)
    assert comparable_drop_ins(render_drop_in([]), "") == (render_drop_in([]), "")


@given(st.sets(st.text(st.characters(min_codepoint=32, max_codepoint=126)), min_size=1))
def test_lines_mean_the_same(references: set[str]) -> None:
    """To whoever reads TOML."""
    _before, shown = comparable_drop_ins("", render_drop_in(references))
    assert tomllib.loads(shown)["crio"]["image"]["pinned_images"] == sorted(references)
