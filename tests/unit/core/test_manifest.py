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
    Manifest,
    parse_image_config,
    parse_manifest,
)

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker.distribution.manifest"
AMD = {"os": "linux", "architecture": "amd64"}


def served(document: Any) -> tuple[str, str]:
    """Return a document as served, and its digest."""
    text = json.dumps(document)
    return text, f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_manifest() -> None:
    """Layers with their sizes, in their order."""
    layers = [{"digest": "d2", "size": 20}, {"digest": "d1", "size": 10}]
    text, digest = served({"schemaVersion": 2, "layers": layers})
    assert parse_manifest(text, digest, "r") == Manifest((("d2", 20), ("d1", 10)))


@pytest.mark.parametrize("media_type", [f"{OCI}.index.v1+json", f"{DOCKER}.list.v2+json", None])
def test_index(media_type: str | None) -> None:
    """OCI's and Docker's, and one that does not say what it is."""
    listed = [{"digest": "d1", "platform": AMD}, {"digest": "d2"}]
    text, digest = served({"mediaType": media_type, "manifests": listed})
    assert parse_manifest(text, digest, "r") == Index(((AMD, "d1"), ({}, "d2")))


def test_sha512() -> None:
    """Other digests are checked with their own algorithm."""
    digest = f"sha512:{hashlib.sha512(b'{}').hexdigest()}"
    with pytest.raises(InvalidManifest, match="KeyError"):
        parse_manifest("{}", digest, "r")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"schemaVersion": 1}, "it has the outdated schema 1. Push it again."),
        ({}, "it is no image manifest, KeyError('layers')"),
        ([], "it is no image manifest"),
        ({"layers": [{"digest": "d"}]}, "it is no image manifest"),
        ({"layers": None}, "it is no image manifest"),
        ({"manifests": None}, "it is no image manifest"),
        ("text", "it is no image manifest"),
        ({"mediaType": f"{OCI}.index.v1+json"}, "it is no image manifest, KeyError('manifests')"),
        (
            {"mediaType": f"{DOCKER}.list.v2+json", "layers": []},
            "it is no image manifest, KeyError('manifests')",
        ),
        ({"layers": [{"digest": "d", "size": "x"}]}, "it is no image manifest"),
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
    text, digest = served({"layers": []})
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
        {"manifests": [{"platform": "x", "digest": "d"}]},
        {"layers": [{"digest": "d", "size": -5}]},
        {"layers": [{"digest": 7, "size": 5}]},
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
