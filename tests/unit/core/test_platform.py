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
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.manifest import (
    Index,
    IndexEntry,
)

AMD, ARM = "linux/amd64", "linux/arm64"


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


def index(*entries: str) -> Index:
    """Return an index of `os/architecture/variant` each, `-` for none, `+zstd` behind it."""
    made = []
    for number, entry in enumerate(entries, start=1):
        name, _plus, packing = entry.partition("+")
        keys = ("os", "architecture", "variant")
        platform = None if name == "-" else dict(zip(keys, name.split("/"), strict=False))
        made.append(IndexEntry(f"d{number}", platform, packing == "zstd"))
    return Index(tuple(made))


@pytest.mark.parametrize(
    ("platform", "entries", "taken"),
    [
        (AMD, ["linux/amd64", "linux/arm64", "linux/amd64"], "d1"),
        (ARM, ["linux/amd64", "linux/arm64", "linux/amd64"], "d2"),
        # What is packed with zstd goes before gzip, and after the platform.
        (AMD, ["linux/amd64", "linux/amd64+zstd", "linux/amd64+zstd"], "d2"),
        (AMD, ["linux/amd64", "linux/arm64+zstd"], "d1"),
        (ARM, ["linux/arm64+zstd", "linux/arm64/v8"], "d2"),
        # Without a platform: the last, zstd first again.
        (AMD, ["-+zstd", "linux/amd64"], "d2"),
        (AMD, ["-", "linux/arm64"], "d1"),
        (AMD, ["-", "-+zstd"], "d2"),
        # A machine has its own variant, those that are less capable, and none.
        (ARM, ["linux/arm64", "linux/arm64/v8"], "d2"),
        (ARM, ["linux/arm64/v9", "linux/arm64"], "d2"),
        ("linux/arm", ["linux/arm", "linux/arm/v5", "linux/arm/v6", "linux/arm/v8"], "d3"),
        ("linux/arm/v8", ["linux/arm", "linux/arm/v6", "linux/arm/v7"], "d3"),
        ("linux/arm/v6", ["linux/arm/v7", "linux/arm"], "d2"),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v3"], "d3"),
        ("linux/amd64/v3", ["linux/amd64/v2", "linux/amd64"], "d2"),
        (AMD, ["linux/amd64/v2", "windows/amd64", "linux/amd64"], "d3"),
    ],
)
def test_the_manifest_that_is_taken(platform: str, entries: list[str], taken: str) -> None:
    """As containers/image chooses it on a node (TestOCI1IndexChooseInstance and its like)."""
    (found,) = manifests_for(index(*entries), [platform], "r").values()
    assert found.digest == taken


def test_each_platform_of_an_index() -> None:
    """Those that are asked for."""
    found = manifests_for(index(ARM, AMD, "linux/s390x"), [AMD, ARM], "r")
    assert {platform: one.digest for platform, one in found.items()} == {AMD: "d2", ARM: "d1"}


def test_an_index_of_nothing() -> None:
    """It has no platforms that could be named."""
    with pytest.raises(
        PlatformMissing, match=r"looking for linux/arm64 in r: its index is empty\."
    ):
        manifests_for(Index(()), ["linux/arm64"], "r")


def test_a_variant_that_no_machine_asks_for() -> None:
    """CRI-O on amd64 knows none; the error names what is there as the index does."""
    with pytest.raises(PlatformMissing) as caught:
        manifests_for(index("linux/amd64/v1", "unknown/unknown"), [AMD], "r")
    assert str(caught.value) == (
        "looking for linux/amd64 in r: the image was built for linux/amd64/v1, unknown/unknown"
        " only. Ask for its platforms, or for another image."
    )


def config(built: str) -> dict[str, str]:
    """Return an image configuration of `os/architecture/variant`."""
    return dict(zip(("os", "architecture", "variant"), built.split("/"), strict=False))


@pytest.mark.parametrize(
    ("platform", "built"),
    [
        (AMD, "linux/amd64"),
        (AMD, "linux/amd64/v1"),
        (ARM, "linux/arm64/v8"),
        ("linux/amd64/v3", "linux/amd64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm", "linux/arm/v6"),
        ("linux/arm/v6", "linux/arm"),
        ("linux/arm/v8", "linux/arm/v5"),
    ],
)
def test_a_single_manifest_that_runs(platform: str, built: str) -> None:
    """A less capable variant does, as in an index; so does a default that is spelled out."""
    assert require_platform(platform, config(built), "r") == platform


@pytest.mark.parametrize(
    ("platform", "built"),
    [
        (AMD, "linux/arm64"),
        (AMD, "linux/amd64/v2"),
        ("linux/amd64/v3", "linux/amd64/v2"),
        (AMD, "windows/amd64"),
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/arm", "linux/arm/v8"),
    ],
)
def test_one_rule(platform: str, built: str) -> None:
    """What does not run is refused in the same words, alone or in an index."""
    said = (
        f"looking for {platform} in r: the image was built for {built} only."
        " Ask for its platforms, or for another image."
    )
    with pytest.raises(PlatformMissing) as alone:
        require_platform(platform, config(built), "r")
    with pytest.raises(PlatformMissing) as inside:
        manifests_for(index(built), [platform], "r")
    assert (str(alone.value), str(inside.value)) == (said, said)


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
