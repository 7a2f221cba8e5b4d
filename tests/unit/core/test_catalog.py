# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operator catalogs: what is in them, and which images a choice comes to."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import yaml
from ansible_collections.edgefleet.crio.plugins.module_utils.documents import catalog as module
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.catalog import (
    Catalog,
    ChannelChoice,
    PackageChoice,
    channel_head,
    parse_catalog,
    select_components,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.semver import parse_version
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from hypothesis import given
from hypothesis import strategies as st
from unit.published import CATALOG
from unit.refusals import refusal

DESCHEDULER = "cluster-kube-descheduler-operator"
PREFIX = "clusterkubedescheduleroperator."
ORIGIN = "quay.io/a/index:1"


def package(name: str = "op", default: str = "stable") -> dict[str, Any]:
    """Return an olm.package."""
    return {"schema": "olm.package", "name": name, "defaultChannel": default}


def channel(*entries: Any, name: str = "stable", of: str = "op") -> dict[str, Any]:
    """Return an olm.channel; an entry that is text is a name."""
    listed = [{"name": one} if isinstance(one, str) else one for one in entries]
    return {"schema": "olm.channel", "name": name, "package": of, "entries": listed}


def bundle(name: str, version: Any = None, of: str = "op", **more: Any) -> dict[str, Any]:
    """Return an olm.bundle, whose version is the end of its name."""
    version = name.partition(".v")[2] if version is None else version
    value = {"packageName": of, "version": version}
    return {
        "schema": "olm.bundle",
        "name": name,
        "package": of,
        "image": f"quay.io/a/{of}-bundle:{version}",
        "properties": [{"type": "olm.gvk", "value": {}}, {"type": "olm.package", "value": value}],
        **more,
    }


def parsed(*documents: Any) -> Catalog:
    """Return the catalog of documents, each in a file of its own."""
    files = [(f"{n}.json", json.dumps(one)) for n, one in enumerate(documents)]
    return parse_catalog(files, ORIGIN)


def images(catalog: Catalog, *choices: PackageChoice) -> list[tuple[str, str]]:
    """Return names and references of a choice."""
    return [(one.name, str(one.reference)) for one in select_components(catalog, choices)]


PUBLISHED = parse_catalog([("catalog.json", CATALOG)], ORIGIN)


def test_heads_of_a_published_catalog() -> None:
    """By hand: in stable 5.1.4 skips or, by others, replaces all; in 4.13 there is one entry."""
    assert list(PUBLISHED.packages) == [DESCHEDULER]
    one = PUBLISHED.packages[DESCHEDULER]
    assert one.default_channel == "stable"
    assert channel_head(one, "stable", ORIGIN) == f"{PREFIX}v5.1.4"
    assert channel_head(one, "4.13", ORIGIN) == f"{PREFIX}4.13.0-202309181427"
    assert len(one.bundles) == 11


def test_the_default_of_a_published_catalog() -> None:
    """Of every package the default channel's head: bundle, operand and operator, each once."""
    repository = "registry.redhat.io/kube-descheduler-operator"
    assert images(PUBLISHED) == [
        (
            f"{PREFIX}v5.1.4",
            (
                f"{repository}/kube-descheduler-operator-bundle@sha256:"
                "a8b80a453bb67cba00d970a8a2e7e4191668af5edb429af5cea3e8b5d6483c2e"
            ),
        ),
        (
            "descheduler-operand",
            (
                f"{repository}/descheduler-rhel9@sha256:"
                "e438666dc10fdbc7e9c9925c59e170c4a90db262b2646b46348390da7028149f"
            ),
        ),
        (
            "descheduler-operator",
            (
                f"{repository}/kube-descheduler-rhel9-operator@sha256:"
                "41980268fd4196259dcf003c67acca10eb118c289cda3ae3977f5699993955ca"
            ),
        ),
    ]
    assert images(PUBLISHED, PackageChoice(DESCHEDULER)) == images(PUBLISHED)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("5.1.2", None, ["v5.1.2", "v5.1.3", "v5.1.4"]),
        (None, "4.14.0-202310201027", ["4.14.0-202310201027"]),
        (None, "4.14.0", ["4.14.0-202310201027", "4.14.0-202311021650"]),
        # The builds of 4.14.0 are that version, whichever bound it is.
        ("4.14.0", "4.14.0", ["4.14.0-202310201027", "4.14.0-202311021650"]),
        ("4.14.0", "5.0.1", ["4.14.0-202310201027", "4.14.0-202311021650", "v5.0.1"]),
        ("4.14.1", "5.0.1", ["v5.0.1"]),
        ("4.14.0-202310201028", "5.0.1", ["4.14.0-202311021650", "v5.0.1"]),
        ("5.1.0", "5.1.0", ["v5.1.0"]),
        (
            "0.0.0",
            None,
            [
                "4.14.0-202310201027",
                "4.14.0-202311021650",
                *(f"v5.0.{n}" for n in (1, 2, 3)),
                *(f"v5.1.{n}" for n in range(5)),
            ],
        ),
    ],
)
def test_a_range_of_versions(low: str | None, high: str | None, expected: list[str]) -> None:
    """Every bundle of the channel from bound to bound, skipped ones too, in their order."""
    choice = ChannelChoice(
        "stable",
        parse_version(low, "here") if low else None,
        parse_version(high, "here") if high else None,
    )
    chosen = images(PUBLISHED, PackageChoice(DESCHEDULER, (choice,)))
    assert [n.removeprefix(PREFIX) for n, _reference in chosen if n.startswith(PREFIX)] == (
        # A related image without a name has the bundle's; only 5.1.2 has one that is not its own.
        [n for one in expected for n in ([one, one] if one == "v5.1.2" else [one])]
    )


def test_several_channels() -> None:
    """Each gives its head."""
    choice = PackageChoice(DESCHEDULER, (ChannelChoice("4.13"), ChannelChoice("stable")))
    assert [n for n, _reference in images(PUBLISHED, choice) if n.startswith(PREFIX)] == [
        f"{PREFIX}4.13.0-202309181427",
        f"{PREFIX}v5.1.4",
    ]


@given(st.randoms(use_true_random=False))
def test_order_in_the_file_says_nothing(order: random.Random) -> None:
    """Documents and entries in any order give the same."""
    decoder = json.JSONDecoder()
    documents, place = [], 0
    while CATALOG[place:].strip():
        place += len(CATALOG[place:]) - len(CATALOG[place:].lstrip())
        document, place = decoder.raw_decode(CATALOG, place)
        documents.append(document)
    order.shuffle(documents)
    for one in documents:
        order.shuffle(one.get("entries", []))
    assert images(parsed(*documents)) == images(PUBLISHED)


def test_yaml_and_json() -> None:
    """A stream of JSON documents, YAML documents, and JSON between YAML's separators."""
    documents = [package(), channel("op.v1.0.0"), bundle("op.v1.0.0")]
    texts = [
        "\n".join(json.dumps(one) for one in documents),
        "".join(json.dumps(one, indent=4) for one in documents),
        "---\n" + yaml.safe_dump_all(documents),
        "\n---\n".join(json.dumps(one) for one in documents),
    ]
    for text in texts:
        catalog = parse_catalog([("README", "# nothing\n"), ("empty", ""), ("c", text)], ORIGIN)
        assert images(catalog) == [("op.v1.0.0", "quay.io/a/op-bundle:1.0.0")]


def test_what_says_nothing_of_images_is_left_alone() -> None:
    """Deprecations, and schemas of others."""
    catalog = parsed(
        package(),
        channel("op.v1.0.0"),
        bundle("op.v1.0.0"),
        {"schema": "olm.deprecations", "package": "op", "entries": 7},
        {"schema": "example.com.other"},
    )
    assert len(images(catalog)) == 1


def test_related_images() -> None:
    """Names as they are, the bundle's where there is none, no image where there is none."""
    related = [
        {"name": "", "image": "quay.io/a/op-bundle:1.0.0"},
        {"name": "operand", "image": "quay.io/a/operand:v1"},
        {"image": "quay.io/a/nameless"},
        {"name": "gone", "image": ""},
        {"name": "operand", "image": "quay.io/a/operand:v1"},
    ]
    catalog = parsed(package(), channel("op.v1.0.0"), bundle("op.v1.0.0", relatedImages=related))
    assert images(catalog) == [
        ("op.v1.0.0", "quay.io/a/op-bundle:1.0.0"),
        ("operand", "quay.io/a/operand:v1"),
        ("op.v1.0.0", "quay.io/a/nameless:latest"),
    ]
    bare = {key: value for key, value in bundle("op.v1.0.0").items() if key != "image"}
    assert images(parsed(package(), channel("op.v1.0.0"), bare)) == []


def test_every_package() -> None:
    """No choice means all of them."""
    catalog = parsed(
        package("z"),
        channel("z.v1.0.0", of="z"),
        bundle("z.v1.0.0", of="z"),
        package("a"),
        channel("a.v2.0.0", of="a"),
        bundle("a.v2.0.0", of="a"),
    )
    assert [name for name, _reference in images(catalog)] == ["a.v2.0.0", "z.v1.0.0"]
    assert [name for name, _reference in images(catalog, PackageChoice("z"))] == ["z.v1.0.0"]


def head(*entries: dict[str, Any]) -> str:
    """Return the head of a channel whose entries all have bundles."""
    bundles = [bundle(entry["name"]) for entry in entries]
    catalog = parsed(package(), channel(*entries), *bundles)
    return channel_head(catalog.packages["op"], "stable", ORIGIN)


V1, V2, V3 = "op.v1.0.0", "op.v2.0.0", "op.v3.0.0"


@pytest.mark.parametrize(
    "entries",
    [
        [{"name": V3, "replaces": V2}, {"name": V2, "replaces": V1}, {"name": V1}],
        [{"name": V1}, {"name": V3, "skips": [V1, V2]}, {"name": V2}],
        [{"name": V1}, {"name": V3, "replaces": V2, "skips": [V1]}, {"name": V2}],
        [{"name": V1}, {"name": V2}, {"name": V3, "skipRange": ">=1.0.0 <3.0.0"}],
        [{"name": V1}, {"name": V2, "replaces": V1}, {"name": V3, "skipRange": "<3.0.0"}],
        [
            {"name": V1},
            {"name": V2, "skipRange": "<2.0.0"},
            {"name": V3, "skipRange": "1.0.0 || 2.0.0"},
        ],
        [{"name": V3, "replaces": "op.v0.1.0", "skipRange": ">=1.0.0 <=3.0.0"}],
        # One head by replaces alone stands, whatever a range says.
        [{"name": V3, "replaces": V2}, {"name": V2, "skipRange": "<9.0.0"}],
    ],
)
def test_heads(entries: list[dict[str, Any]]) -> None:
    """Replaces, skips, and ranges where those leave several."""
    assert head(*entries) == V3
    assert head(*reversed(entries)) == V3


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([{"name": V1}, {"name": V2}], "it has 2 heads: op.v1.0.0, op.v2.0.0"),
        (
            [{"name": V1}, {"name": V2}, {"name": V3, "skipRange": "<2.0.0"}],
            "it has 2 heads: op.v2.0.0, op.v3.0.0",
        ),
        (
            [{"name": V2, "replaces": V1}, {"name": V1, "replaces": V2}],
            "every entry is below another: op.v1.0.0, op.v2.0.0",
        ),
        (
            [{"name": V2, "skipRange": "<9.0.0"}, {"name": V1, "skipRange": "<9.0.0"}],
            "it has 2 heads: op.v1.0.0, op.v2.0.0",
        ),
        ([{"name": V1}, {"name": V2, "skipRange": "newer"}], "it is no range of semantic versi"),
    ],
)
def test_no_one_head(entries: list[dict[str, Any]], said: str) -> None:
    """Several heads, or none, are named."""
    with pytest.raises(EdgefleetError) as caught:
        head(*entries)
    assert said in str(caught.value)
    assert "channel 'stable' of package 'op' in quay.io/a/index:1" in str(caught.value)


WHOLE = (package(), channel(V1), bundle(V1))


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (
            PackageChoice("oq"),
            (
                "choosing package 'oq' of quay.io/a/index:1: the catalog has no such package."
                " There are: op."
            ),
        ),
        (
            PackageChoice("op", (ChannelChoice("beta"),)),
            (
                "choosing channel 'beta' of package 'op' in quay.io/a/index:1: the package has no such"
                " channel. Those with bundles are: stable."
            ),
        ),
        (
            PackageChoice("op", (ChannelChoice("stable", parse_version("1.0.1", "x")),)),
            "none is within the range. There are: 1.0.0.",
        ),
    ],
)
def test_what_is_not_there(choice: PackageChoice, said: str) -> None:
    """The message lists what is."""
    with pytest.raises(EdgefleetError) as caught:
        select_components(parsed(*WHOLE), [choice])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([package()], "the package has no such channel. Those with bundles are: none."),
        (
            [package(), channel(), channel(V1, name="beta")],
            "the channel has no bundles. Those with bundles are: beta.",
        ),
        ([package(default="beta"), channel(V1), bundle(V1)], "'beta' of package 'op'"),
        ([package(), channel(V1)], "its entry 'op.v1.0.0' has no olm.bundle"),
        (
            [package(), channel(V1, {"name": V2, "skipRange": "<2.0.0"}), bundle(V2)],
            "its entry 'op.v1.0.0' has no olm.bundle",
        ),
        (
            [
                package(),
                channel(V1, {"name": V2, "skipRange": "<2.0.0"}),
                bundle(V1, "one"),
                bundle(V2),
            ],
            "version 'one' of bundle 'op.v1.0.0' in channel 'stable'",
        ),
    ],
)
def test_what_cannot_be_chosen(documents: list[Any], said: str) -> None:
    """What a choice needs and the catalog lacks is named; what no choice needs may lack."""
    with pytest.raises(EdgefleetError) as caught:
        select_components(parsed(*documents))
    assert said in str(caught.value)


def test_a_range_of_nothing() -> None:
    """A channel whose entries have no bundles is told so."""
    low = ChannelChoice("stable", parse_version("1.0.0", "x"))
    with pytest.raises(EdgefleetError, match=r"There are: none\."):
        select_components(parsed(package(), channel(V1)), [PackageChoice("op", (low,))])


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([], "reading the catalog quay.io/a/index:1: it has no olm.package"),
        (
            [package(), channel(V1, of="b"), bundle(V1, of="c"), bundle(V1, of="b")],
            "its channels and bundles name packages without an olm.package: b, c",
        ),
        (["text"], "reading 0.json of quay.io/a/index:1: it holds 'text' where a document should"),
        ([[]], "it holds a list where"),
        ([{"name": "a"}], "the schema of a document is nothing"),
        ([{"schema": ""}], "the schema of a document is ''"),
        ([{"schema": 7}], "the schema of a document is 7"),
        ([package(), package()], "reading olm.package 'op' in 1.json of quay.io/a/index:1: the ca"),
        ([channel(V1), channel(V1)], "olm.channel 'stable' in 1.json of quay.io/a/index:1: the"),
        ([bundle(V1), bundle(V1)], "olm.bundle 'op.v1.0.0' in 1.json of quay.io/a/index:1: the ca"),
        ([package("")], "an olm.package in 0.json of quay.io/a/index:1: its name is ''"),
        ([package(default="")], "its defaultChannel is ''"),
        ([channel(V1, of="")], "its package is ''"),
        ([channel(V1, V2, V1)], "the entry 'op.v1.0.0' stands there twice"),
        ([channel({"name": None})], "an entry of olm.channel 'stable' in 0.json"),
        ([channel(7)], "entries is no list of mappings"),
        ([{**channel(), "entries": {"a": 1}}], "entries is no list of mappings"),
        ([channel({"name": V1, "replaces": 7})], "replaces is 7"),
        ([channel({"name": V1, "skips": "x"})], "the skips of an entry are no list of names"),
        ([channel({"name": V1, "skips": [7]})], "the skips of an entry are no list of names"),
        ([channel({"name": V1, "skipRange": ["x"]})], "skipRange is a list"),
        ([bundle(V1, of="")], "its package is ''"),
        ([bundle(V1, image=7)], "image is 7"),
        ([bundle(V1, image="A B")], "in olm.bundle 'op.v1.0.0' in 0.json of quay.io/a/index:1: it"),
        ([bundle(V1, relatedImages={"a": "b"})], "relatedImages is no list of mappings"),
        ([bundle(V1, relatedImages=[{"name": "a\nb", "image": "a"}])], "name is 'a\\nb'"),
        ([bundle(V1, properties=["x"])], "properties is no list of mappings"),
        ([bundle(V1, version=4.14)], "version is 4.14"),
    ],
)
def test_no_catalog(documents: list[Any], said: str) -> None:
    """The file, the document and the cause are named."""
    with pytest.raises(EdgefleetError) as caught:
        parsed(*documents)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Read me\nThis is: a: text", "reading README.md of quay.io/a/index:1: mapping values"),
        ("Read me\n", "it holds 'Read me' where a document should be"),
        ('{"schema": "olm.package"', "Expecting ',' delimiter in line 1, column 25"),
        ("&a [*a]", "an alias in it holds itself"),
    ],
)
def test_a_file_that_is_no_document(text: str, said: str) -> None:
    """It is to be named in .indexignore, as for operator-registry."""
    with pytest.raises(EdgefleetError) as caught:
        parse_catalog([("README.md", text)], ORIGIN)
    assert said in str(caught.value)


def test_properties_of_other_shapes() -> None:
    """A version is only needed where one is compared."""
    odd = bundle(V1, properties=[{"type": "olm.package", "value": "x"}])
    assert len(images(parsed(package(), channel(V1), odd))) == 1


def test_yaml_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML takes much memory."""
    monkeypatch.setattr(module, "_YAML_MAX", 3)
    with pytest.raises(EdgefleetError, match="At most 3 are read"):
        parse_catalog([("a", "a: b")], ORIGIN)


ANY = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "schema", "package", "image", "value", "skips"]), inner
        )
    ),
)


@given(st.sampled_from(WHOLE), st.sampled_from(list(WHOLE[1]) + list(WHOLE[2])), ANY, ANY)
def test_anything_is_parsed_or_refused(document: Any, key: str, value: Any, other: Any) -> None:
    """No value at any place leads to another error."""
    documents = [{**one, key: value} if one is document else one for one in WHOLE]
    assert "\n" not in refusal(lambda: select_components(parsed(*documents)))
    assert "\n" not in refusal(parsed, other)


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Neither does any text."""
    assert "\n" not in refusal(parse_catalog, [("a", text)], ORIGIN)
