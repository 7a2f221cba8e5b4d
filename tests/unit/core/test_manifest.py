# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests and indexes as registries serve them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.manifest import (
    Index,
    InvalidManifest,
    Layer,
    Manifest,
    parse_image_config,
    parse_manifest,
)

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
    listed = [{"digest": ONE, "platform": AMD}, {"digest": TWO}]
    text, digest = served({"mediaType": media_type, "manifests": listed})
    assert parse_manifest(text, digest, "r") == Index(((AMD, ONE), ({}, TWO)))


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
    with pytest.raises(InvalidManifest, match="KeyError"):
        parse_manifest("{}", digest, "r")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"schemaVersion": 1}, "it has the outdated schema 1. Push it again."),
        ({}, "it is no image manifest, KeyError('config')"),
        ({"config": CONFIG}, "it is no image manifest, KeyError('layers')"),
        ({"config": {}, "layers": []}, "it is no image manifest, KeyError('digest')"),
        ({"config": None, "layers": []}, "it is no image manifest, AttributeError("),
        ([], "it is no image manifest"),
        (image({"digest": ONE}), "it is no image manifest, KeyError('size')"),
        (image(layers=None), "it is no image manifest, TypeError("),
        ({"manifests": None}, "it is no image manifest"),
        ("text", "it is no image manifest"),
        ({"mediaType": f"{OCI}.index.v1+json"}, "it is no image manifest, KeyError('manifests')"),
        (
            {"mediaType": f"{DOCKER}.list.v2+json", "layers": []},
            "it is no image manifest, KeyError('manifests')",
        ),
        (image({"digest": ONE, "size": "x"}), "it is no image manifest, ValueError("),
        ({"manifests": [{}]}, "it is no image manifest"),
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


@pytest.mark.parametrize(
    "document",
    [
        {"manifests": [{"platform": "x", "digest": ONE}]},
        {"manifests": [{"digest": "sha256:../../x"}]},
        image({"digest": ONE, "size": -5}),
        image({"digest": 7, "size": 5}),
        image({"digest": ONE + "0", "size": 5}),
    ],
)
def test_values_of_another_kind(document: Any) -> None:
    """They are refused here, and spoil nothing later."""
    with pytest.raises(InvalidManifest, match="it is no image manifest"):
        parse_manifest(*served(document), "r")


@pytest.mark.parametrize(
    ("text", "said"), [("<html>", "it is no JSON, Expecting value"), ("[]", "it is no JSON object")]
)
def test_a_configuration_that_is_none(text: str, said: str) -> None:
    """A registry may answer anything, and is quoted."""
    with pytest.raises(InvalidManifest, match=f"^reading the configuration of r: {said}"):
        parse_image_config(text, "r")
