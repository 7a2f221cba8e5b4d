# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OpenShift release's ``release-manifests/image-references``: an ImageStream in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, NoReturn

from ..errors import EdgefleetError
from .component import Component, parse_component
from .json_text import load_json
from .shape import is_name, shown

PATH = "release-manifests/image-references"
_KIND = "ImageStream"
# As the group is written, and as it was before API groups (github.com/openshift/api, image).
_VERSIONS = ("image.openshift.io/v1", "v1")
# What a tag comes from when it is an image in a registry (github.com/openshift/api, image/v1).
_IMAGE = "DockerImage"


class InvalidImageStream(EdgefleetError):
    """A release without a usable list of its images."""


@dataclass(frozen=True)
class Release:
    """A release's version and its images, in the order of the document."""

    version: str
    components: tuple[Component, ...]


def parse_image_references(text: str, origin: str) -> Release:
    """Parse the list of a release's images; the release image itself is not among them.

    :param text: what the file holds.
    :param origin: the release image it came from.
    :raises EdgefleetError: when it is empty, something else, or names an image by no digest.
    """
    where = f"{PATH} of {origin}"
    if not text.strip():
        _refuse(where, "it is empty")
    document = load_json(text, where)
    if not isinstance(document, Mapping):
        _refuse(where, f"it holds {shown(document)}")
    kind, version = document.get("kind"), document.get("apiVersion")
    if kind != _KIND or version not in _VERSIONS:
        _refuse(where, f"it holds kind {shown(kind)}, apiVersion {shown(version)}")
    name = _mapping(document, "metadata", where).get("name")
    if not is_name(name):
        _refuse(where, f"metadata.name is {shown(name)}")
    tags = _mapping(document, "spec", where).get("tags")
    if not isinstance(tags, list) or not tags:
        _refuse(where, "spec.tags names no image")
    components = tuple(_component(tag, where) for tag in tags)
    seen: set[str] = set()
    for one in components:
        if one.name in seen:
            _refuse(where, f"the component {one.name!r} stands there twice")
        seen.add(one.name)
    return Release(str(name), components)


def _component(tag: Any, where: str) -> Component:
    name = tag.get("name") if isinstance(tag, Mapping) else None
    if not is_name(name):
        _refuse(where, f"the name of a tag is {shown(name)}")
    source = tag.get("from")
    if not isinstance(source, Mapping) or source.get("kind") != _IMAGE:
        _refuse(where, f"the component {name!r} is not from a {_IMAGE}")
    component = parse_component(str(name), source.get("name"), f"component {name!r} of {where}")
    if component.reference.digest is None:
        _refuse(where, f"{component.reference} of the component {name!r} has no digest")
    return component


def _mapping(document: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = document.get(key)
    if not isinstance(value, Mapping):
        _refuse(where, f"{key} is {shown(value)}")
    return value


def _refuse(where: str, cause: str) -> NoReturn:
    raise InvalidImageStream(f"reading {where}", cause, "An OpenShift release image is needed.")
