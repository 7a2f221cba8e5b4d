# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Semantic versions and their ranges, as blang/semver reads them."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.semver import (
    InvalidVersion,
    Version,
    parse_range,
    parse_version,
)
from hypothesis import given
from hypothesis import strategies as st
from unit.refusals import refusal

# In their order, as semver.org has it, with the suffixes of OpenShift.
ORDERED = [
    "0.0.1",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.10",
    "1.2.0",
    "4.14.0-202305180141",
    "4.14.0-202310201027",
    "4.14.0-202310201027.p0",
    "4.14.0-202311021650",
    "4.14.0",
    "5.1.4",
]


def version(text: str) -> Version:
    """Parse a version that is one."""
    return parse_version(text, "here")


def test_the_order() -> None:
    """Pre-releases come before their release; numbers are compared as numbers."""
    versions = [version(text) for text in ORDERED]
    for (low_at, low), (high_at, high) in itertools.product(enumerate(versions), repeat=2):
        assert (low < high) is (low_at < high_at)
        assert (low >= high) is (low_at >= high_at)
    assert version("1.0.0+5") == version("1.0.0+6.x") == version("1.0.0")
    assert version("1.0.0-0A") > version("1.0.0-9")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "v1.2.3",
        "1.2.3.4",
        "01.2.3",
        "1.2.03",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3-a..b",
        "1.2.3+",
        "1.2.3+a..b",
        "1.2.3-a_b",
        " 1.2.3",
        "1.2.3\n",
        "1.2.x",
        "99999999999999999999.0.0",
        "1.2.3-" + "a" * 300,
        4.14,
        None,
    ],
)
def test_no_version(text: object) -> None:
    """What blang/semver refuses is refused."""
    with pytest.raises(InvalidVersion) as caught:
        parse_version(text, "bundle 'a'")
    assert "of bundle 'a': it is no semantic version. Text like '4.14.0' or" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (
            ">=4.11.0 <4.14.0-202310201027",
            ["4.11.0", "4.13.9", "4.14.0-202310201026"],
            ["4.11.0-1", "4.14.0-202310201027", "4.14.0"],
        ),
        ("1.2.3", ["1.2.3", "1.2.3+1"], ["1.2.4", "1.2.3-1"]),
        ("=1.2.3", ["1.2.3"], ["1.2.4"]),
        ("==1.2.3", ["1.2.3"], ["1.2.4"]),
        ("!1.2.3", ["1.2.4"], ["1.2.3"]),
        ("!=1.2.3 >1.0.0", ["1.2.4"], ["1.2.3", "1.0.0"]),
        ("<=1.2.3", ["1.2.3", "0.1.0"], ["1.2.4"]),
        ("> 1.0.0   < 2.0.0", ["1.5.0"], ["1.0.0", "2.0.0"]),
        (">1.0.0<2.0.0", ["1.5.0"], ["1.0.0", "2.0.0"]),
        ("<2.0.0 || >=3.0.0", ["1.0.0", "3.0.0"], ["2.0.0", "2.9.9"]),
        ("1.0.0 || 2.0.0 || 3.0.0", ["1.0.0", "2.0.0", "3.0.0"], ["4.0.0"]),
        ("1.2.x", ["1.2.0", "1.2.9"], ["1.3.0", "1.2.0-1", "1.1.9"]),
        ("1.x", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.9"]),
        ("1.x.x", ["1.0.0", "1.9.9"], ["2.0.0"]),
        (">1.2.x", ["1.3.0"], ["1.2.9"]),
        (">=1.2.x", ["1.2.0"], ["1.1.9"]),
        ("<1.2.x", ["1.1.9"], ["1.2.0"]),
        ("<=1.x", ["1.9.9"], ["2.0.0"]),
        ("!=1.2.x", [], ["1.1.9", "1.2.0", "1.3.0"]),
    ],
)
def test_ranges(text: str, inside: list[str], outside: list[str]) -> None:
    """Comparisons, alternatives and wildcards."""
    parsed = parse_range(text, "entry 'a'")
    assert [one for one in inside if version(one) not in parsed] == []
    assert [one for one in outside if version(one) in parsed] == []


@pytest.mark.parametrize(
    "text",
    ["", " ", "||", ">=1.0.0 ||", "|| 1.0.0", "latest", ">=", "~1.0.0", "1.0.0 and 2.0.0", 7, None],
)
def test_no_range(text: object) -> None:
    """What is no range is said to be none."""
    with pytest.raises(InvalidVersion) as caught:
        parse_range(text, "entry 'a'")
    assert "of entry 'a': it is no range of semantic versions." in str(caught.value)


@pytest.mark.parametrize("text", [">=1.0", "<1.0.0-", "1.0.0.0", "x.1.2", "1.0.0 " * 1000])
def test_no_range_of_versions(text: str) -> None:
    """A version in a range that is none is refused too."""
    assert refusal(parse_range, text, "entry 'a'")


NUMBERS = st.integers(0, 3)
VERSIONS = st.builds(
    "{}.{}.{}{}".format,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.sampled_from(["", "-1", "-2", "-10", "-a", "-a.1", "-a.b"]),
)


@given(VERSIONS, VERSIONS)
def test_comparisons_agree(one: str, other: str) -> None:
    """For two versions exactly one of <, =, > holds, and the rest follows."""
    held = {
        operator: version(one) in parse_range(operator + other, "here")
        for operator in ("<", "<=", "=", "!=", ">=", ">")
    }
    assert [held["<"], held["="], held[">"]].count(True) == 1
    assert held["<="] is not held[">"]
    assert held[">="] is not held["<"]
    assert held["!="] is not held["="]
    assert held["<"] is (version(other) > version(one))


@given(st.text() | st.text(alphabet="0123.x-+<>=!| "))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """There is no text that leads to another error."""
    assert "\n" not in refusal(parse_version, text, "f")
    assert "\n" not in refusal(parse_range, text, "f")
