# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests and indexes as registries serve them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Mapping

from ..errors import EdgefleetError

_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


class InvalidManifest(EdgefleetError):
    """Bytes that are not the manifest they should be."""


@dataclass(frozen=True)
class Manifest:
    """One platform's image: its layers' digests with their compressed sizes in bytes."""

    layers: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Index:
    """An image for several platforms: their descriptions with their manifests' digests."""

    manifests: tuple[tuple[Mapping[str, Any], str], ...]


def parse_manifest(text: str, digest: str, reference: str) -> Manifest | Index:
    """Parse what a registry served for ``digest``, and check that it is that.

    :raises InvalidManifest: when the bytes have another digest or are no image.
    """
    problem = f"reading the manifest of {reference}"
    algorithm, _colon, encoded = digest.partition(":")
    if hashlib.new(algorithm, text.encode("utf-8")).hexdigest() != encoded:
        raise InvalidManifest(problem, f"what the registry served does not match {digest}")
    try:
        document = json.loads(text)
        if document.get("mediaType") in _INDEX_TYPES or "manifests" in document:
            return Index(
                tuple(
                    (dict(one.get("platform") or {}), _digest(one)) for one in document["manifests"]
                )
            )
        if document.get("schemaVersion") == 1:
            raise InvalidManifest(problem, "it has the outdated schema 1", "Push it again.")
        return Manifest(tuple((_digest(one), _size(one)) for one in document["layers"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidManifest(problem, f"it is no image manifest, {error!r}") from None


def parse_image_config(text: str, reference: str) -> Mapping[str, Any]:
    """Parse an image configuration, which names the platform of a single manifest.

    :raises InvalidManifest: when it is something else.
    """
    problem = f"reading the configuration of {reference}"
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidManifest(problem, f"it is no JSON, {error}") from None
    if not isinstance(document, dict):
        raise InvalidManifest(problem, "it is no JSON object")
    return document


def _digest(entry: Mapping[str, Any]) -> str:
    if not isinstance(entry["digest"], str):
        raise TypeError(f"digest is {entry['digest']!r}")
    return entry["digest"]


def _size(entry: Mapping[str, Any]) -> int:
    size = int(entry["size"])
    if size < 0:
        raise ValueError(f"size is {size}")
    return size
