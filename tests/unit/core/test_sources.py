# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write as sources of a lock."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.catalog import (
    ChannelChoice,
    PackageChoice,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.component import (
    Exclusion,
    parse_component,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.semver import parse_version
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.sources import (
    CatalogSource,
    ImagesSource,
    ManifestsSource,
    MicroshiftSource,
    NodeSource,
    PinnedImageSetSource,
    ReleaseSource,
    Source,
    parse_sources,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from hypothesis import given
from hypothesis import strategies as st
from unit.refusals import refusal

NAME = "pin_images_sources"
DIGEST = "sha256:" + "0123456789abcdef" * 4
INLINE = {"name": "base", "images": [f"a@{DIGEST}"]}


def reference(text: str) -> Any:
    """Return a reference, parsed."""
    return parse_component("", text, "here").reference


def parsed(entry: Any) -> Source:
    """Return the one source of an entry."""
    (source,) = parse_sources([entry], NAME)
    return source


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ({"pinned_image_set": "sets/"}, PinnedImageSetSource(1, "", None, (), ("sets/",))),
        (
            {"pinned_image_set": ["a.yml", INLINE], "pool": "edge"},
            PinnedImageSetSource(1, "", "edge", (), ("a.yml", INLINE)),
        ),
        ({"pinned_image_set": INLINE}, PinnedImageSetSource(1, "", None, (), (INLINE,))),
        (
            {"images": ["busybox", f"quay.io/a/b:v1@{DIGEST}"], "set": "tools"},
            ImagesSource(
                1,
                "tools",
                None,
                (),
                (
                    parse_component("", "docker.io/library/busybox:latest", "x"),
                    parse_component("", f"quay.io/a/b:v1@{DIGEST}", "x"),
                ),
            ),
        ),
        (
            {"release": "quay.io/ocp/release:4.18.1-x86_64", "pool": None},
            ReleaseSource(
                1, "release-4.18.1-x86_64", None, (), reference("quay.io/ocp/release:4.18.1-x86_64")
            ),
        ),
        (
            {"release": f"quay.io/ocp/release@{DIGEST}"},
            ReleaseSource(
                1, "release-0123456789ab", None, (), reference(f"quay.io/ocp/release@{DIGEST}")
            ),
        ),
        ({"microshift": "r.json"}, MicroshiftSource(1, "microshift", None, (), ("r.json",))),
        (
            {"microshift": ["a.json", "b/"], "set": "ms"},
            MicroshiftSource(1, "ms", None, (), ("a.json", "b/")),
        ),
        (
            {"catalog": "registry.redhat.io/redhat/redhat-operator-index:v4.18"},
            CatalogSource(
                1,
                "catalog-redhat-operator-index",
                None,
                (),
                reference("registry.redhat.io/redhat/redhat-operator-index:v4.18"),
                (),
            ),
        ),
        ({"manifests": "-"}, ManifestsSource(1, "manifests", None, (), ("-",))),
        (
            {"manifests": ["a.yml", "b/"], "exclude": ["*/debug", {"match": "x", "reason": "y z"}]},
            ManifestsSource(
                1,
                "manifests",
                None,
                (Exclusion("*/debug", ""), Exclusion("x", "y z")),
                ("a.yml", "b/"),
            ),
        ),
        ({"node": "edge-1"}, NodeSource(1, "node-edge-1", None, (), "edge-1")),
        (
            {"node": "edge-1", "set": "golden", "pool": "edge", "exclude": [{"match": "x"}]},
            NodeSource(1, "golden", "edge", (Exclusion("x", ""),), "edge-1"),
        ),
    ],
)
def test_every_type(entry: Any, source: Source) -> None:
    """Value, set, pool and exclusions of each."""
    assert parsed(entry) == source


def test_packages_of_a_catalog() -> None:
    """Names, channels, bounds."""
    source = parsed(
        {
            "catalog": "quay.io/a/index:1",
            "packages": [
                "plain",
                {"name": "named"},
                {
                    "name": "chosen",
                    "channels": [
                        "stable",
                        {"name": "4.14", "min_version": "4.14.0-1", "max_version": "4.14.0"},
                        {"name": "4.15", "min_version": "4.15.0", "max_version": None},
                        {"name": "4.16", "min_version": "4.14.0", "max_version": "4.14.0-1"},
                    ],
                },
            ],
        }
    )
    assert isinstance(source, CatalogSource)
    low, high = parse_version("4.14.0-1", "x"), parse_version("4.14.0", "x")
    assert source.packages == (
        PackageChoice("plain"),
        PackageChoice("named"),
        PackageChoice(
            "chosen",
            (
                ChannelChoice("stable"),
                ChannelChoice("4.14", low, high),
                ChannelChoice("4.15", parse_version("4.15.0", "x"), None),
                ChannelChoice("4.16", high, low),
            ),
        ),
    )


def test_several_entries() -> None:
    """Each has its number; sets of documents are not known yet."""
    sources = parse_sources(
        ({"pinned_image_set": "a"}, {"pinned_image_set": "b"}, {"images": ["c"]}), NAME
    )
    assert [(one.number, one.set) for one in sources] == [(1, ""), (2, ""), (3, "images")]
    assert parse_sources([], NAME) == ()


CATALOG = {"catalog": "quay.io/a/index:1"}


def with_channel(**channel: Any) -> dict[str, Any]:
    """Return a catalog with one channel of one package."""
    return {**CATALOG, "packages": ["a", {"name": "b", "channels": ["c", channel]}]}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "a.yml",
            "reading entry 1 of pin_images_sources: it is 'a.yml'. A mapping with one of pin",
        ),
        ({}, "it has no type. Exactly one of pinned_image_set, images, release, microshift, cat"),
        ({"pool": "edge"}, "it has no type"),
        ({"images": ["a"], "node": "b"}, "it has images and node. Exactly one of"),
        (
            {"images": ["a"], "poll": "b"},
            "it has the unknown key 'poll'. There are: images, pool, set, exclude.",
        ),
        ({"images": ["a"], "packages": ["b"]}, "it has the unknown key 'packages'"),
        ({"images": ["a"], 7: "b"}, "it has the unknown key 7"),
        ({"images": ["a"], "pool": 7}, "pool is 7. Text of one line is needed there."),
        ({"images": ["a"], "set": ""}, "set is ''"),
        ({"images": ["a"], "set": None}, "set is nothing"),
        ({"images": ["a"], "exclude": "b"}, "exclude is 'b'. A list is needed there."),
        ({"images": ["a"], "exclude": [7]}, "exclude is 7"),
        ({"images": ["a"], "exclude": [{}]}, "reading exclude of entry 1 of pin_images_sources: m"),
        ({"images": ["a"], "exclude": [{"match": "a", "reason": 7}]}, "reason is 7"),
        ({"images": ["a"], "exclude": [{"glob": "a"}]}, "unknown key 'glob'. There are: match, re"),
        ({"images": "a"}, "images is 'a'. A list of references is needed."),
        ({"images": []}, "images is empty"),
        (
            {"images": ["A B"]},
            "image reference 'A B' in entry 1 of pin_images_sources: it has whit",
        ),
        ({"images": [7]}, "image reference 7 in entry 1"),
        ({"images": [DIGEST]}, "in entry 1 of pin_images_sources: a digest alone names no image."),
        (
            {"manifests": ["-", "a", "-"]},
            "reading entry 1 of pin_images_sources: it reads standard input, which entry 1 has read",
        ),
        ({"pinned_image_set": "a", "set": "b"}, "'set' stands beside 'pinned_image_set'"),
        ({"pinned_image_set": []}, "pinned_image_set is empty"),
        ({"pinned_image_set": None}, "pinned_image_set holds nothing. A path, a document, or a"),
        ({"pinned_image_set": ["a", 7]}, "pinned_image_set holds 7"),
        ({"release": 4.18}, "image reference 4.18 in entry 1"),
        ({"microshift": ["a", 7]}, "microshift holds 7. A path, or a list of paths, is needed."),
        ({"microshift": []}, "microshift is empty"),
        ({"catalog": None}, "image reference None in entry 1"),
        ({**CATALOG, "packages": "a"}, "packages is 'a'. A list is needed there."),
        (
            {**CATALOG, "packages": [7]},
            "reading package 1 of entry 1 of pin_images_sources: name i",
        ),
        ({**CATALOG, "packages": [{"channels": []}]}, "name is nothing"),
        ({**CATALOG, "packages": [{"name": "a", "channel": "b"}]}, "unknown key 'channel'"),
        ({**CATALOG, "packages": [{"name": "a", "channels": "b"}]}, "channels is 'b'"),
        ({**CATALOG, "packages": ["a", {"name": "a"}]}, "packages names 'a' twice"),
        (
            with_channel(name="c"),
            "reading package 2 of entry 1 of pin_images_sources: channels nam",
        ),
        (
            with_channel(),
            "channel 2 of package 2 of entry 1 of pin_images_sources: name is nothing",
        ),
        (with_channel(name=4.18), "name is 4.18"),
        (with_channel(name="d", version="1.0.0"), "unknown key 'version'"),
        (
            with_channel(name="d", min_version=4.14),
            "version 4.14 of min_version of channel 2 of pa",
        ),
        (with_channel(name="d", max_version="v1"), "version 'v1' of max_version of channel 2"),
        (
            with_channel(name="d", min_version="1.0.1", max_version="1.0.0"),
            "min_version is greater than max_version",
        ),
        ({"manifests": []}, "manifests is empty. A path, a list of paths, or '-' for standard inp"),
        ({"manifests": {"a": 1}}, "manifests holds a mapping"),
        ({"manifests": ["a", ""]}, "manifests holds ''"),
        ({"node": ""}, "node is ''"),
    ],
)
def test_refused(entry: Any, said: str) -> None:
    """The entry's number and its key are named."""
    with pytest.raises(EdgefleetError) as caught:
        parsed(entry)
    assert said in str(caught.value)
    assert "entry 1 of pin_images_sources" in str(caught.value)


@pytest.mark.parametrize("entries", ["a.yml", None, {"images": ["a"]}])
def test_no_list(entries: Any) -> None:
    """The variable holds a list."""
    with pytest.raises(EdgefleetError, match="A list of sources is needed"):
        parse_sources(entries, NAME)


def test_one_set_twice() -> None:
    """Both entries are named."""
    entries = [{"images": ["a"]}, {"node": "b"}, {"images": ["c"]}]
    with pytest.raises(EdgefleetError) as caught:
        parse_sources(entries, NAME)
    assert str(caught.value) == (
        "reading entry 3 of pin_images_sources: its set is 'images', as that of entry 1."
        " Give one of them another 'set'."
    )


def test_standard_input_twice() -> None:
    """It would be empty the second time."""
    entries = [{"manifests": ["a", "-"]}, {"node": "b"}, {"manifests": "-", "set": "more"}]
    with pytest.raises(EdgefleetError) as caught:
        parse_sources(entries, NAME)
    assert str(caught.value) == (
        "reading entry 3 of pin_images_sources: it reads standard input, which entry 1 has read"
        " by then. Name '-' once."
    )


KEYS = ["pinned_image_set", "images", "release", "microshift", "catalog", "manifests", "node"]
ANY = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=4) | st.just("quay.io/a/b:1"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KEYS, "name", "channels", "match", "reason", "min_version"]), inner
        )
    ),
)


@given(
    st.sampled_from(KEYS),
    ANY,
    st.dictionaries(st.sampled_from(["pool", "set", "exclude", "packages"]), ANY),
    ANY,
)
def test_anything_is_parsed_or_refused(key: str, value: Any, more: Any, other: Any) -> None:
    """No value at any place leads to another error."""
    assert "\n" not in refusal(parse_sources, [{key: value, **more}, {key: value}], NAME)
    assert "\n" not in refusal(parse_sources, other, NAME)
