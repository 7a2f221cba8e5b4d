# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Components, and what is left out of them."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.component import (
    Component,
    Excluded,
    Exclusion,
    UselessExclusion,
    apply_exclusions,
    parse_component,
    unique,
)

DIGEST = "sha256:" + "a" * 64
ETCD = parse_component("etcd", f"quay.io/ocp/art@{DIGEST}", "here")
AWS = parse_component("aws-csi", "quay.io/ocp/aws:v1", "here")
GCP = parse_component("gcp-csi", "quay.io/ocp/gcp:v1", "here")
PLAIN = parse_component("", "busybox", "here")
ALL = (ETCD, AWS, GCP, PLAIN)


def names(components: tuple[Component, ...]) -> list[str]:
    """Return the components' names."""
    return [one.name for one in components]


def test_references() -> None:
    """Neither tag nor digest means latest, as everywhere."""
    assert str(PLAIN.reference) == "docker.io/library/busybox:latest"
    assert str(ETCD.reference) == f"quay.io/ocp/art@{DIGEST}"
    assert str(AWS.reference) == "quay.io/ocp/aws:v1"


def test_each_once() -> None:
    """The first place counts, and two names of one image stay two."""
    other = Component("etcd-2", ETCD.reference)
    assert unique([AWS, ETCD, other, AWS]) == (AWS, ETCD, other)


@pytest.mark.parametrize(
    ("pattern", "out"),
    [
        ("etcd", [ETCD]),
        ("*-csi", [AWS, GCP]),
        ("quay.io/ocp/aws:v1", [AWS]),
        ("quay.io/ocp/aws", [AWS]),
        ("quay.io/*:v1", [AWS, GCP]),
        ("quay.io/*", [ETCD, AWS, GCP]),
        ("*busybox", [PLAIN]),
        ("*busybox:*", [PLAIN]),
        ("[ag]*-csi", [AWS, GCP]),
        ("*", list(ALL)),
    ],
)
def test_left_out_with_its_reason(pattern: str, out: list[Component]) -> None:
    """Globs are held against name, reference and repository."""
    exclusion = Exclusion(pattern, "not here")
    kept, excluded = apply_exclusions(ALL, [exclusion], "release-4")
    assert excluded == tuple(Excluded(one, exclusion) for one in ALL if one in out)
    assert kept == tuple(one for one in ALL if one not in out)


def test_the_first_pattern_is_the_reason() -> None:
    """Of two that match, the first counts; both have a use."""
    first, second = Exclusion("aws*", "no cloud"), Exclusion("*-csi", "no storage")
    kept, excluded = apply_exclusions(ALL, [first, second], "release-4")
    assert [(one.component.name, one.exclusion.reason) for one in excluded] == [
        ("aws-csi", "no cloud"),
        ("gcp-csi", "no storage"),
    ]
    assert names(kept) == ["etcd", ""]


def test_nothing_to_leave_out() -> None:
    """No exclusions leave everything."""
    assert apply_exclusions(ALL, [], "release-4") == (ALL, ())


@pytest.mark.parametrize("pattern", ["etc", "ETCD", "quay.io", "v1", ""])
def test_a_pattern_that_matches_nothing(pattern: str) -> None:
    """A misspelt pattern would lock what was to be left out."""
    with pytest.raises(UselessExclusion) as caught:
        apply_exclusions(ALL, [Exclusion("aws*", ""), Exclusion(pattern, "")], "release-4")
    assert str(caught.value) == (
        f"excluding {pattern!r} from release-4: nothing there matches it."
        " Correct the pattern or take it out."
    )


def test_an_image_that_something_else_needs_stays() -> None:
    """One image under two names goes when both are left out."""
    other = Component("etcd-2", ETCD.reference)
    with pytest.raises(UselessExclusion) as caught:
        apply_exclusions([ETCD, other], [Exclusion("etcd", "")], "release-4")
    assert f"quay.io/ocp/art@{DIGEST} is needed as 'etcd-2' too" in str(caught.value)
    kept, excluded = apply_exclusions(
        [ETCD, other, AWS], [Exclusion("etcd", ""), Exclusion("etcd-2", "")], "release-4"
    )
    assert names(kept) == ["aws-csi"]
    assert len(excluded) == 2
    kept, excluded = apply_exclusions([ETCD, other, AWS], [Exclusion("[ea]*[di]", "")], "r")
    assert names(kept) == ["etcd", "etcd-2"]
    assert [one.component.name for one in excluded] == ["aws-csi"]
