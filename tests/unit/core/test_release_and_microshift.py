# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of an OpenShift release and of MicroShift."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.image_stream import (
    parse_image_references,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.microshift import (
    architecture_of_list,
    parse_microshift_release,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from hypothesis import given
from hypothesis import strategies as st
from unit.published import MICROSHIFT, RELEASE
from unit.refusals import refusal

DIGEST = "sha256:" + "a" * 64
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "metadata", "spec", "tags", "name", "from", "images"]),
            inner,
            max_size=4,
        )
    ),
)
STREAM: dict[str, Any] = {
    "kind": "ImageStream",
    "apiVersion": "image.openshift.io/v1",
    "metadata": {"name": "4.18.1"},
    "spec": {
        "tags": [{"name": "etcd", "from": {"kind": "DockerImage", "name": f"quay.io/a/b@{DIGEST}"}}]
    },
}
SHIPPED: dict[str, Any] = {
    "release": {"base": "4.18.1"},
    "images": {"pod": f"quay.io/a/b@{DIGEST}", "lvms": "quay.io/a/lvms:v4"},
}


def changed(document: dict[str, Any], path: str, value: Any) -> str:
    """Return a document as JSON, with one value exchanged."""
    new = copy.deepcopy(document)
    at: Any = new
    *above, last = (int(one) if one.isdigit() else one for one in path.split("."))
    for key in above:
        at = at[key]
    at[last] = value
    return json.dumps(new)


def test_a_published_release() -> None:
    """Every component of a real release, by digest."""
    release = parse_image_references(RELEASE, "quay.io/ocp/release:4.10")
    assert release.version == "4.10.0-0.nightly-2021-11-14-184249"
    written = json.loads(RELEASE)["spec"]["tags"]
    assert len(written) == 146
    assert [(one.name, str(one.reference)) for one in release.components] == [
        (tag["name"], tag["from"]["name"]) for tag in written
    ]
    assert {one.reference.repository for one in release.components} == {
        "quay.io/openshift-release-dev/ocp-v4.0-art-dev"
    }


def test_a_published_list_of_microshift() -> None:
    """Every name of a real list."""
    release = parse_microshift_release(MICROSHIFT, "release-x86_64.json")
    assert release.base == "5.0.0-0.nightly-2026-07-23-224236"
    assert [one.name for one in release.components] == [
        "cli",
        "coredns",
        "haproxy-router",
        "kube-rbac-proxy",
        "ovn-kubernetes-microshift",
        "pod",
        "service-ca-operator",
        "lvms_operator",
        "csi-snapshot-controller",
    ]
    written = json.loads(MICROSHIFT)["images"]
    assert [str(one.reference) for one in release.components] == list(written.values())


@pytest.mark.parametrize(
    ("path", "architecture"),
    [
        ("/usr/share/microshift/release/release-x86_64.json", "amd64"),
        ("release-ai-model-serving-x86_64.json", "amd64"),
        ("release-olm-aarch64.json", "arm64"),
        ("release-s390x.json", ""),
        ("x86_64-first/list.json", ""),
        ("list.json", ""),
    ],
)
def test_the_architecture_of_a_list(path: str, architecture: str) -> None:
    """The end of the name says it, in those of optional packages too."""
    assert architecture_of_list(path) == architecture


def test_tag_and_digest_are_kept() -> None:
    """What the source says of an image is not lost."""
    text = changed(STREAM, "spec.tags.0.from.name", f"busybox:v1@{DIGEST}")
    (one,) = parse_image_references(text, "r").components
    assert str(one.reference) == f"docker.io/library/busybox:v1@{DIGEST}"
    assert str(parse_microshift_release(json.dumps(SHIPPED), "f").components[1].reference) == (
        "quay.io/a/lvms:v4"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "reading release-manifests/image-references of quay.io/a/r:1: it is empty."),
        (" \n", "it is empty. An OpenShift release image is needed."),
        ("<html>", "Expecting value in line 1, column 1. It must be JSON."),
        ("[]", "it holds a list"),
        ("{}", "it holds kind nothing, apiVersion nothing"),
        (changed(STREAM, "kind", "ConfigMap"), "kind 'ConfigMap', apiVersion 'image.openshift.io"),
        (changed(STREAM, "apiVersion", "apps/v1"), "kind 'ImageStream', apiVersion 'apps/v1'"),
        (changed(STREAM, "metadata", None), "metadata is nothing"),
        (changed(STREAM, "metadata.name", 4.1), "metadata.name is 4.1"),
        (changed(STREAM, "spec", []), "spec is a list"),
        (changed(STREAM, "spec.tags", []), "spec.tags names no image"),
        (changed(STREAM, "spec.tags", {"a": 1}), "spec.tags names no image"),
        (changed(STREAM, "spec.tags.0", "etcd"), "the name of a tag is nothing"),
        (changed(STREAM, "spec.tags.0.name", "a\nb"), r"the name of a tag is 'a\nb'"),
        (changed(STREAM, "spec.tags.0.from", None), "'etcd' is not from a DockerImage"),
        (changed(STREAM, "spec.tags.0.from.kind", "ImageStreamTag"), "is not from a DockerImage"),
        (
            changed(STREAM, "spec.tags.0.from.name", "quay.io/a/b:v1"),
            "quay.io/a/b:v1 of the component 'etcd' has no digest",
        ),
        (
            changed(STREAM, "spec.tags.0.from.name", 7),
            "in component 'etcd' of release-manifests/image-references of quay.io/a/r:1: it is a int",
        ),
        (
            changed(STREAM, "spec.tags", STREAM["spec"]["tags"] * 2),
            "the component 'etcd' stands there twice",
        ),
    ],
)
def test_a_release_without_image_references(text: str, said: str) -> None:
    """The release image and the cause are named."""
    with pytest.raises(EdgefleetError) as caught:
        parse_image_references(text, "quay.io/a/r:1")
    assert said in str(caught.value)
    assert "quay.io/a/r:1" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "reading f.json: it holds 0 documents"),
        ("[]", "reading f.json: it holds a list. MicroShift's release-<architecture>.json is need"),
        ("{}", "release.base is nothing"),
        (changed(SHIPPED, "release", "4.18"), "release.base is nothing"),
        (changed(SHIPPED, "release.base", 4), "release.base is 4"),
        (changed(SHIPPED, "images", {}), "images names no image"),
        (changed(SHIPPED, "images", ["a"]), "images names no image"),
        (changed(SHIPPED, "images. ", "x"), "an image's name is ' '"),
        (changed(SHIPPED, "images.pod", "A B"), "in component 'pod' of f.json: it has white space"),
    ],
)
def test_no_list_of_microshift(text: str, said: str) -> None:
    """The file and the cause are named."""
    with pytest.raises(EdgefleetError) as caught:
        parse_microshift_release(text, "f.json")
    assert said in str(caught.value)


@given(st.text() | ANY_JSON.map(json.dumps))
def test_anything_is_parsed_or_refused(text: str) -> None:
    """There is no text that leads to another error."""
    for parse in (parse_image_references, parse_microshift_release):
        assert "\n" not in refusal(parse, text, "f")


@given(ANY_JSON, st.sampled_from(["kind", "metadata", "spec", "spec.tags.0", "spec.tags.0.from"]))
def test_anything_within_a_release_is_parsed_or_refused(value: Any, path: str) -> None:
    """Neither does a value at any place of it."""
    assert "\n" not in refusal(parse_image_references, changed(STREAM, path, value), "r")
