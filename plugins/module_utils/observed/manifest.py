# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests and indexes as registries serve them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Mapping, NoReturn

from ..errors import EdgefleetError

_DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_INDEX_TYPES = ("application/vnd.oci.image.index.v1+json", _DOCKER_LIST)
# What an OCI index says, with "true", of a manifest whose layers are packed with zstd
# (OCI1InstanceAnnotationCompressionZSTD of go.podman.io/image, internal/manifest/oci_index.go).
_ZSTD = "io.github.containers.compression.zstd"
# Other types of configuration are artifacts': charts, signatures, policies. Those that say none
# are images of tools older than the specification.
_CONFIG_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    None,
)
# The algorithms that github.com/opencontainers/go-digest registers.
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}")
# Layers that registries do not serve: their manifests name addresses elsewhere.
_FOREIGN = ("foreign", "nondistributable")
# Sizes are int64 (OCI image specification, descriptor.md). In bytes.
_SIZE_MAX = 2**63 - 1
# How much of a wrong value is worth showing, in characters.
_SHOWN_MAX = 80


class InvalidManifest(EdgefleetError):
    """Bytes that are not the manifest they should be."""


@dataclass(frozen=True)
class Layer:
    """A layer as a manifest names it; ``size`` are its compressed bytes."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True)
class Manifest:
    """One platform's image: its configuration's digest, and its layers, the lowest first."""

    config: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class IndexEntry:
    """A manifest's digest in an index, and the platform it is for; None: the index does not say.

    ``is_zstd`` is whether an OCI index says that its layers are packed with zstd.
    """

    digest: str
    platform: Mapping[str, Any] | None
    is_zstd: bool = False


@dataclass(frozen=True)
class Index:
    """An image for several platforms."""

    manifests: tuple[IndexEntry, ...]


def digest_of(text: str, algorithm: str = "sha256") -> str:
    """Return the digest of what a registry served."""
    return f"{algorithm}:{hashlib.new(algorithm, text.encode('utf-8', 'backslashreplace')).hexdigest()}"


def parse_manifest(text: str, digest: str, reference: str) -> Manifest | Index:
    """Parse what a registry served for ``digest``, and check that it is that.

    :raises InvalidManifest: when the bytes have another digest, or are no image that a node can
        pull from its registry.
    """
    problem = f"reading the manifest of {reference}"
    if digest_of(text, digest.partition(":")[0]) != digest:
        raise InvalidManifest(problem, f"what the registry served does not match {digest}")
    document = _object(text, problem, "it is no image manifest")
    if document.get("mediaType") in _INDEX_TYPES or "manifests" in document:
        listed = _objects(document, "manifests", problem)
        is_docker = document.get("mediaType") == _DOCKER_LIST
        return Index(tuple(_index_entry(one, is_docker, problem) for one in listed))
    if document.get("schemaVersion") == 1:
        raise InvalidManifest(problem, "it has the outdated schema 1", "Push it again.")
    return _manifest(document, problem)


def _manifest(document: Mapping[str, Any], problem: str) -> Manifest:
    config = document.get("config")
    if not isinstance(config, dict):
        _refuse(problem, document, "config")
    kind = document.get("artifactType") or config.get("mediaType")
    if document.get("artifactType") or kind not in _CONFIG_TYPES:
        named = _shown(kind).strip("'")
        raise InvalidManifest(problem, f"it is an artifact of type {named}, no image")
    layers = tuple(
        Layer(_digest(one, problem), _size(one, problem), str(one.get("mediaType") or ""))
        for one in _objects(document, "layers", problem)
    )
    for layer in layers:
        if any(word in layer.media_type for word in _FOREIGN):
            raise InvalidManifest(
                problem,
                f"its layer {layer.digest} is a foreign one, which no registry serves",
                "Build it without foreign layers.",
            )
    return Manifest(_digest(config, problem), layers)


def parse_image_config(text: str, reference: str) -> Mapping[str, Any]:
    """Parse an image configuration, which names the platform of a single manifest.

    :raises InvalidManifest: when it is something else.
    """
    return _object(text, f"reading the configuration of {reference}", "it is no JSON")


def _object(text: str, problem: str, otherwise: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidManifest(problem, f"{otherwise}, {error}") from None
    if not isinstance(document, dict):
        raise InvalidManifest(problem, "it is no JSON object")
    return document


def _objects(document: Mapping[str, Any], key: str, problem: str) -> list[dict[str, Any]]:
    value = document.get(key)
    if not isinstance(value, list):
        _refuse(problem, document, key)
    if not all(isinstance(one, dict) for one in value):
        raise InvalidManifest(problem, f"its {key} are no list of objects")
    return value


def _index_entry(entry: Mapping[str, Any], is_docker: bool, problem: str) -> IndexEntry:
    platform, annotations = entry.get("platform"), entry.get("annotations")
    if platform is None and is_docker:
        # A Docker list has no entry for whoever finds no better one.
        platform = {}
    if platform is not None and not isinstance(platform, dict):
        _refuse(problem, entry, "platform", "a manifest in it")
    is_zstd = isinstance(annotations, dict) and annotations.get(_ZSTD) == "true"
    return IndexEntry(_digest(entry, problem), platform, is_zstd and not is_docker)


def _digest(entry: Mapping[str, Any], problem: str) -> str:
    digest = entry.get("digest")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        _refuse(problem, entry, "digest", "an entry of it")
    return digest


def _size(entry: Mapping[str, Any], problem: str) -> int:
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _SIZE_MAX:
        _refuse(problem, entry, "size", "a layer of it")
    return size


def _refuse(problem: str, entry: Mapping[str, Any], key: str, which: str = "it") -> NoReturn:
    value = entry.get(key)
    cause = f"{which} has no {key}" if value is None else f"{which} has {_shown(value)} as {key}"
    raise InvalidManifest(problem, cause)


def _shown(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return repr(value)[:_SHOWN_MAX]
