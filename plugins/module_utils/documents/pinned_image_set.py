# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PinnedImageSet as OpenShift takes it, and the plain lists that stand for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ..errors import EdgefleetError
from .reference import parse_digest_reference
from .shape import is_name, shown

KIND = "PinnedImageSet"
_GROUP = "machineconfiguration.openshift.io/"
# The label by which OpenShift's Machine Config Operator finds a set's pool.
POOL_LABEL = _GROUP + "role"


class InvalidPinnedImageSet(EdgefleetError):
    """A document that is no PinnedImageSet, or contradicts another one."""


@dataclass(frozen=True)
class PinnedImageSet:
    """A named list of digest references for a pool of nodes.

    ``pool`` None means every pool. ``references`` are normalised, sorted and without duplicates;
    ``repeated`` are those that the document named more than once.
    """

    name: str
    pool: str | None
    references: tuple[str, ...]
    repeated: tuple[str, ...]
    origin: str

    def is_for(self, pool: str) -> bool:
        """Say whether nodes of ``pool`` take this set."""
        return self.pool is None or self.pool == pool


def parse_pinned_image_sets(document: Any, origin: str) -> list[PinnedImageSet]:
    """Parse one document: a PinnedImageSet, a ``kind: List`` of them, or a plain set.

    A plain set is ``{name: ..., pool: ..., images: [reference, ...]}``, ``pool`` optional.

    :param document: what the YAML or the variable held.
    :param origin: the file or variable it came from.
    :raises EdgefleetError: when it is something else or names an invalid reference.
    """
    if isinstance(document, Mapping) and document.get("kind") == "List":
        items = document.get("items")
        if isinstance(items, (list, tuple)):
            return [_parse_set(item, origin) for item in items]
    return [_parse_set(document, origin)]


def references_for_pool(sets: Sequence[PinnedImageSet], pool: str) -> tuple[str, ...]:
    """Return the sorted union of what the sets want on nodes of ``pool``.

    :param pool: empty for nodes of none, which take the sets for every pool.
    :raises InvalidPinnedImageSet: when sets name pools, and not that one, or when no set is for it.
        Where the others are for every pool, a slip would cost its nodes all pins but theirs.
    """
    named = sorted({one.pool for one in sets if one.pool is not None})
    applying = [one for one in sets if one.is_for(pool)]
    if not applying or (pool and named and pool not in named):
        needed = (
            f"The sets name these pools: {', '.join(named)}." if named else "There are no sets."
        )
        if applying:
            needed += " An empty pin_images_pool takes the sets for every pool alone."
        raise InvalidPinnedImageSet(
            f"looking for the images of pool {pool!r}", "no set names that pool", needed
        )
    return tuple(sorted({reference for one in applying for reference in one.references}))


def _parse_set(document: Any, origin: str) -> PinnedImageSet:
    if not isinstance(document, Mapping):
        raise InvalidPinnedImageSet(
            f"reading {origin}",
            f"it holds a {_yaml_type(document)} where a set should be",
            f"A document of kind {KIND}, or name and images, is needed.",
        )
    if "kind" in document or "apiVersion" in document:
        return _parse_openshift(document, origin)
    return _parse_plain(document, origin)


def _parse_openshift(document: Mapping[str, Any], origin: str) -> PinnedImageSet:
    kind, version = document.get("kind"), document.get("apiVersion")
    if kind != KIND or not str(version).startswith(_GROUP):
        raise InvalidPinnedImageSet(
            f"reading {origin}",
            f"it holds a document of kind {shown(kind)}, apiVersion {shown(version)}",
            f"Kind {KIND} of {_GROUP}v1 is needed.",
        )
    metadata = _mapping(document.get("metadata"), "metadata", origin)
    name = _name(metadata.get("name"), "metadata.name", origin)
    where = f"set {name!r} ({origin})"
    labels = _mapping(metadata.get("labels") or {}, "metadata.labels", where)
    spec = _mapping(document.get("spec"), "spec", where)
    if spec and "pinnedImages" not in spec:
        raise InvalidPinnedImageSet(
            f"reading {where}",
            f"spec has no pinnedImages, but {shown(min(map(str, spec)))}",
            "The images stand in spec.pinnedImages.",
        )
    entries = _entries(spec.get("pinnedImages"), "spec.pinnedImages", where)
    for entry in entries:
        if not isinstance(entry, Mapping) or set(entry) != {"name"}:
            raise InvalidPinnedImageSet(
                f"reading {where}",
                f"an entry of spec.pinnedImages is {shown(entry)}",
                "Each entry is 'name: <reference>'.",
            )
    return _build(name, labels.get(POOL_LABEL), [entry["name"] for entry in entries], where, origin)


def _parse_plain(document: Mapping[str, Any], origin: str) -> PinnedImageSet:
    unknown = sorted(str(key) for key in set(document) - {"name", "pool", "images"})
    if unknown:
        raise InvalidPinnedImageSet(
            f"reading {origin}",
            f"a set has the unknown key {shown(unknown[0])}",
            "A plain set has name, pool and images.",
        )
    name = _name(document.get("name"), "name", origin)
    where = f"set {name!r} ({origin})"
    entries = _entries(document.get("images"), "images", where)
    return _build(name, document.get("pool"), list(entries), where, origin)


def _build(name: str, pool: Any, entries: list[Any], where: str, origin: str) -> PinnedImageSet:
    if pool is not None:
        pool = _name(pool, "pool", where)
    seen: set[str] = set()
    repeated: set[str] = set()
    for entry in entries:
        reference = parse_digest_reference(entry, where)
        (repeated if reference in seen else seen).add(reference)
    return PinnedImageSet(
        name=name,
        pool=pool,
        references=tuple(sorted(seen)),
        repeated=tuple(sorted(repeated)),
        origin=origin,
    )


def _mapping(value: Any, key: str, where: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise InvalidPinnedImageSet(
        f"reading {where}", f"{key} is {_yaml_type(value)}", f"{key} must be a mapping."
    )


def _name(value: Any, key: str, where: str) -> str:
    if is_name(value):
        return str(value)
    raise InvalidPinnedImageSet(
        f"reading {where}", f"{key} is {shown(value)}", f"{key} must be a name of one line."
    )


def _entries(value: Any, key: str, where: str) -> Sequence[Any]:
    if isinstance(value, (list, tuple)) and value:
        return value
    cause = f"{key} is {_yaml_type(value)}" if value else f"{key} is empty"
    raise InvalidPinnedImageSet(f"reading {where}", cause, "A set needs at least one image.")


def _yaml_type(value: Any) -> str:
    """Name a value's kind in YAML's words."""
    if value is None:
        return "nothing"
    if isinstance(value, (list, tuple)):
        return "list"
    return "mapping" if isinstance(value, Mapping) else type(value).__name__
