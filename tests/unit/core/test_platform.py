# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms and the manifests that they take."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.platforms import (
    PlatformMissing,
    manifests_for,
    require_platform,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.platform import (
    InvalidPlatform,
    parse_platform,
    parse_pool_platforms,
    platform_of,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.manifest import Index


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm/v7", "linux/arm"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/amd64/v2", "linux/amd64/v2"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/arm/v8", "linux/arm/v8"),
        ("linux/arm64/v7", "linux/arm64/v7"),
    ],
)
def test_normal_form(written: str, normal: str) -> None:
    """The default variant is left out."""
    assert parse_platform(written, "here") == normal


@pytest.mark.parametrize("written", ["", "amd64", "Linux/amd64", "linux/", "linux/a/b/c", None, 7])
def test_refused(written: object) -> None:
    """What is no platform is named with its place."""
    with pytest.raises(InvalidPlatform, match=r"in here: it is no platform\. linux/amd64 would be"):
        parse_platform(written, "here")


def test_of_an_empty_entry() -> None:
    """An index entry without a platform, as attestations have it, is for none."""
    assert platform_of({}) == "/"


def test_manifests_of_an_index() -> None:
    """Each platform gets its first manifest."""
    amd, arm = {"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm64"}
    index = Index(((amd, "d1"), (arm, "d2"), (amd, "d3")))
    assert manifests_for(index, ["linux/arm64", "linux/amd64"], "r") == {
        "linux/arm64": "d2",
        "linux/amd64": "d1",
    }


def test_an_index_of_nothing() -> None:
    """It has no platforms that could be named."""
    with pytest.raises(
        PlatformMissing, match=r"looking for linux/arm64 in r: its index is empty\."
    ):
        manifests_for(Index(()), ["linux/arm64"], "r")


def test_a_platform_that_was_not_built() -> None:
    """The error names the platforms that there are."""
    assert require_platform("linux/amd64", ["linux/amd64"], "r") == "linux/amd64"
    with pytest.raises(PlatformMissing) as caught:
        require_platform("linux/s390x", ["linux/arm64", "linux/amd64"], "example.com/a@d")
    assert str(caught.value) == (
        "looking for linux/s390x in example.com/a@d: the image was built for linux/amd64,"
        " linux/arm64 only. Ask for its platforms, or for another image."
    )


AMD, ARM = "linux/amd64", "linux/arm64"


def test_every_pool() -> None:
    """A list is for whoever asks, sorted and each once."""
    platforms = parse_pool_platforms([ARM, AMD, f"{AMD}/v1"], "here")
    assert platforms.of(None, "x") == platforms.of("edge", "x") == (AMD, ARM)
    assert platforms.document() == [AMD, ARM]


def test_each_pool() -> None:
    """A set without pool is for all of them; a pool that is not there is named."""
    platforms = parse_pool_platforms({"edge": [ARM], "control": [AMD]}, "here")
    assert platforms.of("edge", "x") == (ARM,)
    assert platforms.of(None, "x") == (AMD, ARM)
    assert platforms.document() == {"control": [AMD], "edge": [ARM]}
    with pytest.raises(InvalidPlatform) as caught:
        platforms.of("egde", "set 'a'")
    assert str(caught.value) == (
        "looking for the platforms of pool 'egde' of set 'a': there are only those of control,"
        " edge. Name that pool in pin_images_platforms too."
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "reading here: it is no list of platforms. [linux/amd64] would be one."),
        ([], "reading here: it is no list of platforms"),
        (AMD, "reading here: it is no list of platforms"),
        (["amd64"], "platform 'amd64' in here: it is no platform"),
        ({}, "reading here: it names no pool. {edge: [linux/amd64]} would do."),
        ({None: [AMD]}, "reading here: None is no pool"),
        ({"": [AMD]}, "reading here: '' is no pool"),
        ({"edge": AMD}, "reading here for pool 'edge': it is no list of platforms"),
        ({"edge": ["x"]}, "platform 'x' in here for pool 'edge': it is no platform"),
    ],
)
def test_platforms_refused(value: object, said: str) -> None:
    """What is neither a list nor lists of pools is refused."""
    with pytest.raises(InvalidPlatform) as caught:
        parse_pool_platforms(value, "here")
    assert said in str(caught.value)
