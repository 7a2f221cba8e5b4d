# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests and indexes as registries serve them."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.manifest import (
    Index,
    IndexEntry,
    InvalidManifest,
    Layer,
    Manifest,
    parse_image_config,
    parse_manifest,
)
from hypothesis import given
from hypothesis import strategies as st

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker.distribution.manifest"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
AMD = {"os": "linux", "architecture": "amd64"}


def served(document: Any) -> tuple[str, str]:
    """Return a document as served, and its digest."""
    text = json.dumps(document)
    return text, f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


ONE, TWO = ("sha256:" + digit * 64 for digit in "12")
CONFIG = {"mediaType": f"{OCI}.config.v1+json", "digest": ONE, "size": 3}


def image(*layers: Any, **more: Any) -> dict[str, Any]:
    """Return a manifest."""
    return {"schemaVersion": 2, "config": CONFIG, "layers": list(layers), **more}


@pytest.mark.parametrize("kind", [f"{OCI}.config.v1+json", DOCKER_CONFIG, None])
def test_manifest(kind: str | None) -> None:
    """Layers with their sizes, in their order; OCI's, Docker's, and one that does not say."""
    layers = [{"digest": TWO, "size": 20, "mediaType": "m"}, {"digest": ONE, "size": 10}]
    text, digest = served(image(*layers, config={"digest": TWO, "mediaType": kind}))
    expected = Manifest(TWO, (Layer(TWO, 20, "m"), Layer(ONE, 10, "")))
    assert parse_manifest(text, digest, "r") == expected


def test_no_layers() -> None:
    """An image may have none."""
    assert parse_manifest(*served(image()), "r") == Manifest(ONE, ())


@pytest.mark.parametrize("media_type", [f"{OCI}.index.v1+json", f"{DOCKER}.list.v2+json", None])
def test_index(media_type: str | None) -> None:
    """OCI's and Docker's, and one that does not say what it is."""
    zstd = {"io.github.containers.compression.zstd": "true"}
    listed = [
        {"digest": ONE, "platform": AMD},
        {"digest": TWO},
        {"digest": ONE, "platform": None, "annotations": zstd},
        {"digest": TWO, "platform": {}, "annotations": {**zstd, **dict.fromkeys(zstd, True)}},
        {"digest": TWO, "platform": AMD, "annotations": []},
    ]
    text, digest = served({"mediaType": media_type, "manifests": listed})
    is_oci = media_type != f"{DOCKER}.list.v2+json"
    # Docker's has neither annotations nor entries for whatever platform.
    unsaid = None if is_oci else {}
    assert parse_manifest(text, digest, "r") == Index(
        (
            IndexEntry(ONE, AMD),
            IndexEntry(TWO, unsaid),
            IndexEntry(ONE, unsaid, is_zstd=is_oci),
            IndexEntry(TWO, {}),
            IndexEntry(TWO, AMD),
        )
    )


@pytest.mark.parametrize(
    "more",
    [
        {"artifactType": "application/x"},
        {"config": {**CONFIG, "mediaType": "application/x"}},
        {"config": {**CONFIG, "mediaType": "application/x"}, "artifactType": None},
    ],
)
def test_artifacts(more: dict[str, Any]) -> None:
    """Charts, signatures and policies lie in registries too."""
    with pytest.raises(InvalidManifest, match="it is an artifact of type application/x, no image"):
        parse_manifest(*served(image(**more)), "r")


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        f"{OCI}.layer.nondistributable.v1.tar+gzip",
    ],
)
def test_foreign_layers(kind: str) -> None:
    """No registry serves them, so no node has them from there."""
    with pytest.raises(InvalidManifest, match=f"its layer {TWO} is a foreign one, which no reg"):
        parse_manifest(*served(image({"digest": TWO, "size": 1, "mediaType": kind})), "r")


def test_sha512() -> None:
    """Other digests are checked with their own algorithm."""
    digest = f"sha512:{hashlib.sha512(b'{}').hexdigest()}"
    with pytest.raises(InvalidManifest, match="it has no config"):
        parse_manifest("{}", digest, "r")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"schemaVersion": 1}, "it has the outdated schema 1. Push it again."),
        ({}, "it has no config."),
        ({"config": CONFIG}, "it has no layers."),
        ({"config": {}, "layers": []}, "an entry of it has no digest."),
        ({"config": None, "layers": []}, "it has no config."),
        ({"config": [], "layers": []}, "it has a list as config."),
        ([], "it is no JSON object."),
        ("text", "it is no JSON object."),
        (image(layers=None), "it has no layers."),
        (image(layers={}), "it has an object as layers."),
        (image(7), "its layers are no list of objects."),
        (image({"digest": ONE}), "a layer of it has no size."),
        (image({"digest": ONE, "size": -5}), "a layer of it has -5 as size."),
        (image({"digest": ONE, "size": "12"}), "a layer of it has '12' as size."),
        (image({"digest": ONE, "size": 12.0}), "a layer of it has 12.0 as size."),
        (image({"digest": ONE, "size": True}), "a layer of it has True as size."),
        (image({"digest": ONE, "size": float("inf")}), "a layer of it has inf as size."),
        (image({"digest": ONE, "size": float("nan")}), "a layer of it has nan as size."),
        (image({"digest": ONE, "size": 2**63}), f"a layer of it has {2**63} as size."),
        (image({"digest": 7, "size": 5}), "an entry of it has 7 as digest."),
        (image({"digest": ONE + "0", "size": 5}), f"an entry of it has '{ONE}0' as digest."),
        ({"manifests": None}, "it has no manifests."),
        ({"mediaType": f"{OCI}.index.v1+json"}, "it has no manifests."),
        ({"mediaType": f"{DOCKER}.list.v2+json", "layers": []}, "it has no manifests."),
        ({"manifests": [{}]}, "an entry of it has no digest."),
        (
            {"manifests": [{"digest": "sha256:../../x"}]},
            "an entry of it has 'sha256:../../x' as digest",
        ),
        (
            {"manifests": [{"platform": "x", "digest": ONE}]},
            "a manifest in it has 'x' as platform.",
        ),
    ],
)
def test_refused(document: Any, said: str) -> None:
    """What is no image is refused by its reference."""
    with pytest.raises(InvalidManifest) as caught:
        parse_manifest(*served(document), "example.com/a@d")
    assert str(caught.value).startswith("reading the manifest of example.com/a@d: ")
    assert said in str(caught.value)


def test_other_bytes() -> None:
    """What has another digest than asked for is not looked at."""
    text, digest = served(image())
    with pytest.raises(InvalidManifest, match="what the registry served does not match"):
        parse_manifest(text + " ", digest, "r")


def test_bytes_that_are_no_json() -> None:
    """A digest may be right for anything."""
    digest = f"sha256:{hashlib.sha256(b'<html>').hexdigest()}"
    with pytest.raises(InvalidManifest, match=r"^reading the manifest of r: it is no image manif"):
        parse_manifest("<html>", digest, "r")


def test_the_whole_message() -> None:
    """What it is, and what is needed."""
    with pytest.raises(InvalidManifest) as caught:
        parse_manifest(*served({"schemaVersion": 1}), "r")
    assert str(caught.value) == (
        "reading the manifest of r: it has the outdated schema 1. Push it again."
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(ONE),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["config", "layers", "manifests", "digest", "size", "platform"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_anything(document: Any) -> None:
    """JSON is a manifest, an index, or refused in one way."""
    with contextlib.suppress(InvalidManifest):
        assert isinstance(parse_manifest(*served(document), "r"), (Manifest, Index))


@pytest.mark.parametrize("size", ["1e400", "Infinity"])
def test_a_size_beyond_all(size: str) -> None:
    """JSON has numbers of any length, and Python's reads more than JSON."""
    text = json.dumps(image({"digest": ONE, "size": 0})).replace('"size": 0', f'"size": {size}')
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    with pytest.raises(InvalidManifest, match="a layer of it has inf as size"):
        parse_manifest(text, digest, "r")


DEEP = "[" * 200_000


def test_a_deep_manifest() -> None:
    """It is refused, not followed."""
    digest = f"sha256:{hashlib.sha256(DEEP.encode()).hexdigest()}"
    with pytest.raises(InvalidManifest, match=r"it is no image manifest, .*decoding a JSON array"):
        parse_manifest(DEEP, digest, "r")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>", "it is no JSON, Expecting value"),
        ("[]", "it is no JSON object"),
        (DEEP, "it is no JSON, .*decoding a JSON array"),
    ],
    ids=["html", "list", "deep"],
)
def test_a_configuration_that_is_none(text: str, said: str) -> None:
    """A registry may answer anything, and is quoted."""
    with pytest.raises(InvalidManifest, match=f"^reading the configuration of r: {said}"):
        parse_image_config(text, "r")
