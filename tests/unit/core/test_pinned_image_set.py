# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PinnedImageSet documents as OpenShift takes them, and plain sets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.pinned_image_set import (
    PinnedImageSet,
    parse_pinned_image_sets,
    references_for_pool,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError

DIGEST = "sha256:" + "a" * 64
APP, AGENT = f"example.com/app@{DIGEST}", f"example.com/agent@{DIGEST}"
GROUP = "machineconfiguration.openshift.io/"
ROLE = f"{GROUP}role"


def openshift(**changes: Any) -> dict[str, Any]:
    """Return a document as OpenShift takes it, with top-level keys exchanged."""
    return {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "PinnedImageSet",
        "metadata": {"name": "base", "labels": {ROLE: "edge"}},
        "spec": {"pinnedImages": [{"name": APP}, {"name": AGENT}]},
        **changes,
    }


def test_openshift_document() -> None:
    """Name, pool by label, references sorted."""
    (one,) = parse_pinned_image_sets(openshift(), "base.yml")
    assert one == PinnedImageSet("base", "edge", (AGENT, APP), (), "base.yml")


@pytest.mark.parametrize("labels", [{}, None, {"other": "x"}])
def test_without_the_label_it_is_for_every_pool(labels: Any) -> None:
    """No label means every pool."""
    metadata = {"name": "base", "labels": labels}
    (one,) = parse_pinned_image_sets(openshift(metadata=metadata), "base.yml")
    assert one.pool is None
    assert one.is_for("edge")
    assert one.is_for("control")


def test_v1alpha1_is_taken() -> None:
    """OpenShift 4.16 and 4.17 have the kind as v1alpha1."""
    version = "machineconfiguration.openshift.io/v1alpha1"
    assert parse_pinned_image_sets(openshift(apiVersion=version), "base.yml")


def test_list_and_plain_sets() -> None:
    """What `oc get -o yaml` prints, and the short form of inventories."""
    plain = {
        "name": "plain",
        "pool": "control",
        "images": [APP, APP, f"example.com/app:v1@{DIGEST}"],
    }
    document = {"apiVersion": "v1", "kind": "List", "items": [openshift(), plain]}
    first, second = parse_pinned_image_sets(document, "all.yml")
    assert first.name == "base"
    assert second == PinnedImageSet("plain", "control", (APP,), (APP,), "all.yml")
    assert second.is_for("control")
    assert not second.is_for("edge")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("text", "it holds a str where a set should be"),
        (None, "it holds a nothing"),
        ([], "it holds a list"),
        ((), "it holds a list"),
        ({"kind": "List"}, "kind 'List', apiVersion nothing"),
        ({"kind": "List", "items": {}}, "kind 'List', apiVersion nothing"),
        ({"kind": "List", "items": "text"}, "kind 'List', apiVersion nothing"),
        ({"kind": "List", "items": ["text"]}, "it holds a str where a set should be"),
        ({"kind": "List", "items": [{"kind": "List", "items": []}]}, "kind 'List'"),
        ({"items": []}, "unknown key 'items'"),
        ({"kind": "PinnedImageSet"}, "kind 'PinnedImageSet', apiVersion nothing"),
        ({"apiVersion": f"{GROUP}v1"}, f"kind nothing, apiVersion '{GROUP}v1'"),
        (openshift(kind="ConfigMap"), f"kind 'ConfigMap', apiVersion '{GROUP}v1'"),
        ({"kind": "ConfigMap", "apiVersion": "v1"}, "kind 'ConfigMap', apiVersion 'v1'"),
        (openshift(apiVersion="v1"), "apiVersion 'v1'"),
        (openshift(metadata=None), "metadata is nothing. metadata must be a mapping."),
        (openshift(metadata={}), "metadata.name is nothing"),
        (openshift(metadata={"name": "a", "labels": "x"}), "metadata.labels is str"),
        (openshift(metadata={"name": "a\nb"}), "must be a name of one line"),
        (openshift(metadata={"name": "a", "labels": {ROLE: 7}}), "pool is 7"),
        (openshift(spec=None), "spec is nothing"),
        (openshift(spec={}), "spec.pinnedImages is empty. A set needs at least one image."),
        (openshift(spec={"pinnedImages": []}), "spec.pinnedImages is empty"),
        (
            openshift(spec={"pinnedImage": [{"name": "x"}], "z": 1}),
            "spec has no pinnedImages, but 'pinnedImage'. The images stand in spec.pinnedImages.",
        ),
        (openshift(spec={"pinnedImages": {"a": 1}}), "spec.pinnedImages is mapping"),
        (openshift(spec={"pinnedImages": [APP]}), "an entry of spec.pinnedImages is"),
        (openshift(spec={"pinnedImages": [["name"]]}), "an entry of spec.pinnedImages is a list"),
        (
            openshift(spec={"pinnedImages": [{"name": APP, "tag": "v1"}]}),
            "an entry of spec.pinnedImages is a mapping",
        ),
        (
            openshift(spec={"pinnedImages": [{"name": "x:v1"}]}),
            "set 'base' (f.yml): it has no digest",
        ),
        ({"name": "a", "images": [APP], "labels": {}}, "unknown key 'labels'"),
        ({"name": "a", "images": [APP], "z": 1, "y": 1, "x": 1, 7: 1}, "unknown key '7'"),
        ({"images": [APP]}, "name is nothing"),
        ({"name": " a", "images": [APP]}, "name is ' a'"),
        ({"name": "a", "images": "text"}, "images is str"),
        ({"name": "a", "images": [APP], "pool": ""}, "pool is ''"),
    ],
)
def test_refused(document: Any, said: str) -> None:
    """What is wrong is said with the file, and the set where it has a name."""
    with pytest.raises(EdgefleetError) as caught:
        parse_pinned_image_sets(document, "f.yml")
    assert said in str(caught.value)
    assert "f.yml" in str(caught.value)


def sets(*pools: str | None) -> list[PinnedImageSet]:
    """Return one set for each pool."""
    names = enumerate(pools)
    return [PinnedImageSet(f"s{n}", pool, (f"r{n}",), (), f"{n}.yml") for n, pool in names]


def test_pool_takes_the_union() -> None:
    """A node takes what names its pool and what names none, each reference once."""
    known = [*sets("edge", None, "control"), PinnedImageSet("x", "edge", ("r1", "r9"), (), "x.yml")]
    assert references_for_pool(known, "edge") == ("r0", "r1", "r9")
    assert references_for_pool(known, "") == ("r1",)
    assert references_for_pool(sets(None), "edge") == ("r0",)


def test_a_pool_that_no_set_names() -> None:
    """The error lists the pools there are."""
    with pytest.raises(EdgefleetError, match="pools: control, edge") as caught:
        references_for_pool(sets("edge", "control"), "egde")
    assert "'egde'" in str(caught.value)
    with pytest.raises(EdgefleetError, match="There are no sets"):
        references_for_pool([], "edge")
    with pytest.raises(EdgefleetError, match="no set names that pool"):
        references_for_pool(sets("edge"), "")


def test_a_slip_costs_no_pins() -> None:
    """Also where some set is for every pool; who wants that one alone is told how to say so."""
    with pytest.raises(EdgefleetError) as caught:
        references_for_pool(sets("edge", None), "egde")
    assert str(caught.value) == (
        "looking for the images of pool 'egde': no set names that pool. The sets name these pools: edge."
        " An empty pin_images_pool takes the sets for every pool alone."
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            openshift(spec={"pinnedImages": [7]}),
            (
                "reading set 'base' (f.yml): an entry of spec.pinnedImages is 7."
                " Each entry is 'name: <reference>'."
            ),
        ),
        (
            openshift(spec=[]),
            "reading set 'base' (f.yml): spec is list. spec must be a mapping.",
        ),
        (
            openshift(metadata={"name": 7}),
            "reading f.yml: metadata.name is 7. metadata.name must be a name of one line.",
        ),
        (
            {"name": "a", "images": [APP], "tag": 1},
            (
                "reading f.yml: a set has the unknown key 'tag'."
                " A plain set has name, pool and images."
            ),
        ),
        (
            {"name": "a", "images": [APP], "pool": 7},
            "reading set 'a' (f.yml): pool is 7. pool must be a name of one line.",
        ),
        (
            openshift(spec={}),
            (
                "reading set 'base' (f.yml): spec.pinnedImages is empty."
                " A set needs at least one image."
            ),
        ),
        (
            openshift(metadata={"name": "a", "labels": [7]}),
            "reading set 'a' (f.yml): metadata.labels is list. metadata.labels must be a mapping.",
        ),
        (
            {"name": 7, "images": [APP]},
            "reading f.yml: name is 7. name must be a name of one line.",
        ),
        (
            {"name": "a"},
            "reading set 'a' (f.yml): images is empty. A set needs at least one image.",
        ),
        (
            7,
            (
                "reading f.yml: it holds a int where a set should be."
                " A document of kind PinnedImageSet, or name and images, is needed."
            ),
        ),
    ],
)
def test_the_whole_message(document: Any, message: str) -> None:
    """What failed on what, the cause, what is needed."""
    with pytest.raises(EdgefleetError) as caught:
        parse_pinned_image_sets(document, "f.yml")
    assert str(caught.value) == message


def test_references_are_sorted() -> None:
    """What is wanted and what was named twice, in whatever order the document has them."""
    written = [f"example.com/{letter}@{DIGEST}" for letter in "hgfedcba"]
    (one,) = parse_pinned_image_sets({"name": "a", "images": [*written, *written]}, "f.yml")
    assert list(one.references) == list(one.repeated) == written[::-1]
    assert list(references_for_pool([one], "edge")) == written[::-1]


def test_the_whole_message_of_several_sets() -> None:
    """The pools there are, each once."""
    with pytest.raises(EdgefleetError) as caught:
        references_for_pool(sets("edge", "control", "edge"), "egde")
    assert str(caught.value) == (
        "looking for the images of pool 'egde': no set names that pool."
        " The sets name these pools: control, edge."
    )
    with pytest.raises(EdgefleetError) as caught:
        references_for_pool([], "edge")
    assert str(caught.value) == (
        "looking for the images of pool 'edge': no set names that pool. There are no sets."
    )


def test_a_message_stays_short() -> None:
    """Whatever aliases make of a value, and however long it is."""
    levels = ["x"]
    for _level in range(7):
        levels = [levels] * 9
    long = "y" * 10_000
    for document in (
        openshift(spec={"pinnedImages": [levels]}), {"name": levels, "images": [APP]},
        {"name": "a", "images": [APP], long: 1}, {"name": "a", "images": [APP], "pool": levels},
        {"kind": long, "apiVersion": levels}, {"name": long + "\n", "images": [APP]},
    ):  # fmt: skip
        with pytest.raises(EdgefleetError) as caught:
            parse_pinned_image_sets(document, "f.yml")
        assert len(str(caught.value)) < 400
