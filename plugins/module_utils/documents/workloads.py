# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes manifests: the images of every workload in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, NoReturn

from ..errors import EdgefleetError
from .component import Component, parse_component, unique
from .shape import check_length, is_name, shown
from .yaml_text import InvalidYaml, RepeatedKey, load_kubernetes_documents

# A rendered platform has some megabytes. In characters.
_TEXT_MAX = 64 * 1024 * 1024
# What templates are written in: Go's (Helm) and Jinja's.
_TEMPLATE_MARKS = ("{{", "{%")
# API groups of the workloads, as they are and as they were ("" is the core group), and the way
# to their pod spec (k8s.io/api; apps/v1 of github.com/openshift/api, legacy.go there).
_APPS = ("apps", "extensions")
_TEMPLATE = ("spec", "template", "spec")
_WORKLOADS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Pod": (("",), ("spec",)),
    "PodTemplate": (("",), ("template", "spec")),
    "ReplicationController": (("",), _TEMPLATE),
    "Deployment": (_APPS, _TEMPLATE),
    "StatefulSet": (_APPS, _TEMPLATE),
    "DaemonSet": (_APPS, _TEMPLATE),
    "ReplicaSet": (_APPS, _TEMPLATE),
    "Job": (("batch",), _TEMPLATE),
    "CronJob": (("batch",), ("spec", "jobTemplate", "spec", "template", "spec")),
    "DeploymentConfig": (("apps.openshift.io", ""), _TEMPLATE),
}
_CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
_LIST = "List"
# How many objects one text may come to; a cluster has some ten thousand.
_OBJECTS_MAX = 1_000_000


class InvalidWorkload(EdgefleetError):
    """A manifest that is templated, no Kubernetes object, or a workload without its images."""


@dataclass(frozen=True)
class ObjectName:
    """What an object calls itself; either is empty where it has none."""

    kind: str
    name: str


@dataclass(frozen=True)
class Workloads:
    """The images of a text's workloads, named ``kind/name/container`` or ``kind/name/volume``.

    ``unknown`` counts, by kind and group as in ``Cluster.example.com``, the objects of other kinds
    that hold containers or an image all the same, as custom resources do: their images are not
    among the components. Of each of the ``repeated`` keys the last value was taken.
    """

    components: tuple[Component, ...]
    unknown: Mapping[str, int]
    repeated: tuple[RepeatedKey, ...]


def parse_workloads(text: str, origin: str) -> Workloads:
    """Parse Kubernetes objects, one a document, or in lists.

    :param text: a file, or what ``helm template`` and ``kustomize build`` print.
    :param origin: the file it came from.
    :raises EdgefleetError: when it is templated and not rendered, is no YAML or no object, or
        when a container names no image.
    """
    check_length(text, _TEXT_MAX, origin)
    try:
        documents, repeated = load_kubernetes_documents(text, origin)
    except InvalidYaml:
        if any(mark in text for mark in _TEMPLATE_MARKS):
            _refuse_template(origin, "it is a template and no YAML")
        raise
    components: list[Component] = []
    unknown: Counter[str] = Counter()
    for one in _objects(documents, origin):
        found = _workload_components(one, origin)
        if found is not None:
            components += found
        elif _holds_an_image(one):
            unknown[_kind(one)] += 1
    return Workloads(unique(components), unknown, repeated)


def _objects(documents: list[Any], origin: str) -> Iterator[Mapping[str, Any]]:
    """Yield every object that is no list; those of a typed list are of its kind."""
    waiting = list(reversed(documents))
    count = 0
    while waiting:
        one = waiting.pop()
        count += 1
        if not isinstance(one, Mapping):
            _refuse(origin, f"it holds {shown(one)} where a Kubernetes object should be")
        if count > _OBJECTS_MAX:
            _refuse(origin, f"it holds more than {_OBJECTS_MAX} objects")
        kind, items = one.get("kind"), one.get("items")
        if isinstance(kind, str) and kind.endswith(_LIST) and isinstance(items, list):
            waiting += reversed([_typed(item, one, kind[: -len(_LIST)]) for item in items])
        else:
            yield one


def _typed(item: Any, listed: Mapping[str, Any], kind: str) -> Any:
    if kind and isinstance(item, Mapping) and "kind" not in item:
        return {"apiVersion": listed.get("apiVersion"), "kind": kind, **item}
    return item


def _workload_components(one: Mapping[str, Any], origin: str) -> list[Component] | None:
    """Return the images of a workload, None when ``one`` is something else."""
    kind, version = one.get("kind"), one.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str) or kind not in _WORKLOADS:
        return None
    groups, way = _WORKLOADS[kind]
    if version.rpartition("/")[0] not in groups:
        return None
    name = _object_name(one)
    where = f"{name.kind} {name.name!r} in {origin}"
    spec: Any = one
    for key in way:
        spec = spec.get(key) if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping):
        _refuse(where, f"it has no {'.'.join(way)}")
    found = [
        _component(name, container.get("name"), container.get("image"), where)
        for key in _CONTAINER_LISTS
        for container in _mappings(spec, key, where)
    ]
    if not found:
        _refuse(where, "it has no containers")
    for volume in _mappings(spec, "volumes", where):
        image = volume.get("image")
        if image is not None:
            reference = image.get("reference") if isinstance(image, Mapping) else None
            found.append(_component(name, volume.get("name"), reference, where))
    return found


def _component(workload: ObjectName, name: Any, image: Any, where: str) -> Component:
    if not is_name(name):
        _refuse(where, f"the name of a container or volume is {shown(name)}")
    place = f"{name!r} of {where}"
    if image is None or image == "":
        _refuse(place, "it names no image")
    if isinstance(image, str) and any(mark in image for mark in _TEMPLATE_MARKS):
        _refuse_template(place, f"its image is {shown(image)}")
    return parse_component(f"{workload.kind}/{workload.name}/{name}", image, place)


def _mappings(spec: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    value = spec.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        _refuse(where, f"{key} is no list of mappings")
    return value


def _object_name(one: Mapping[str, Any]) -> ObjectName:
    metadata = one.get("metadata")
    named = metadata if isinstance(metadata, Mapping) else {}
    kind, name = one.get("kind"), named.get("name") or named.get("generateName")
    return ObjectName(str(kind) if is_name(kind) else "", str(name) if is_name(name) else "")


def _kind(one: Mapping[str, Any]) -> str:
    """Return an object's kind and group, as kubectl names a custom resource."""
    kind, version = _object_name(one).kind or "no kind", one.get("apiVersion")
    group = str(version).rpartition("/")[0] if is_name(version) else ""
    return f"{kind}.{group}" if group else kind


def _holds_an_image(one: Mapping[str, Any]) -> bool:
    """Say whether containers, or an image that is text, are anywhere in an object."""
    seen: set[int] = set()
    waiting: list[Any] = [one]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Mapping):
            if isinstance(value.get("image"), str) or _has_containers(value):
                return True
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False


def _has_containers(value: Mapping[str, Any]) -> bool:
    return any(isinstance(value.get(key), list) and value[key] for key in _CONTAINER_LISTS)


def _refuse(where: str, cause: str) -> NoReturn:
    raise InvalidWorkload(
        f"reading {where}",
        cause,
        "Whole objects are needed, as 'helm template' and 'kustomize build' print them.",
    )


def _refuse_template(where: str, cause: str) -> NoReturn:
    raise InvalidWorkload(
        f"reading {where}",
        cause,
        "Render it first, e.g. with 'helm template', and give what that prints.",
    )
