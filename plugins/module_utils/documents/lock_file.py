# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock as a file holds it, which anybody may have edited: read, and checked against itself."""

from __future__ import annotations

from itertools import islice
from typing import Any, Mapping, NoReturn, Sequence

from .lock import (
    VERSION,
    InvalidLock,
    LeftOut,
    Lock,
    LockedImage,
    LockedPlatform,
    LockedSet,
    check_tags,
)
from .locked_images import LayerMeasure, LockedLayer, layer_of
from .platform import parse_platform, parse_pool_platforms
from .reference import is_tag, parse_digest_reference, validate_digest
from .shape import is_name, shown

_KEYS = ("version", "platforms", "sets", "images", "layers")
# How many parts of a wrong value are worth showing: enough to find it by.
_SHOWN_MAX = 5
# Sizes are int64 (OCI image specification, descriptor.md), and no count of a layer is larger.
_COUNT_MAX = 2**63 - 1
_SET_KEYS, _SET_MORE = {"name", "pool"}, {"source", "excluded"}
_EXPECTED_SET = "A set there has name and pool, and may have source and excluded."
_LEFT_OUT_KEYS = {"image", "pattern", "reason"}
_IMAGE_KEYS, _IMAGE_MORE = {"reference", "sets", "platforms"}, {"names", "tags"}
_EXPECTED_IMAGE = "It has reference, sets and platforms, and may have names and tags."
_EXPECTED_KEYS = f"A lock has the keys {', '.join(_KEYS)}."
_SIZE = {"size"}
_COUNTS = set(LayerMeasure.__dataclass_fields__)
_EXPECTED_COUNTS = f"A layer has its size and, once measured, {', '.join(sorted(_COUNTS))}."


def parse_lock(documents: Sequence[Any], origin: str) -> Lock:
    """Parse the documents of a lock file and check that they agree with themselves.

    :param documents: what the file's YAML held; exactly one is a lock.
    :raises InvalidLock: saying what contradicts what.
    """
    if len(documents) != 1 or not isinstance(documents[0], Mapping):
        _refuse(origin, "it is no lock", "One document, written by lock_images.yml, is needed.")
    document = documents[0]
    version = document.get("version")
    if version is None:
        _refuse(origin, "it has no version, so it is no lock", "A lock has 'version: 1'.")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        _refuse(origin, f"its version is {version!r}", "A lock has 'version: 1'.")
    if version > VERSION:
        _refuse(
            origin,
            f"it has version {version}, this collection knows {VERSION}",
            "A newer edgefleet.crio is needed.",
        )
    if set(document) != set(_KEYS):
        _refuse(origin, f"it has the keys {', '.join(map(str, document))}", _EXPECTED_KEYS)
    lock = Lock(
        platforms=parse_pool_platforms(document["platforms"], f"the lock {origin}"),
        sets=_sets(document["sets"], origin),
        images=_images(document["images"], origin),
        layers=_layers(document["layers"], origin),
    )
    _check_agreement(lock, origin)
    return lock


def _refuse(origin: str, cause: str, needed: str = "Lock again.") -> NoReturn:
    raise InvalidLock(f"reading the lock {origin}", cause, needed)


def _sets(value: Any, origin: str) -> dict[str, LockedSet]:
    if not isinstance(value, list) or not value:
        _refuse(origin, "sets is no list of sets")
    sets: dict[str, LockedSet] = {}
    for one in value:
        parsed = _set(one, origin)
        if parsed.name in sets:
            _refuse(origin, f"set {parsed.name!r} stands there twice")
        sets[parsed.name] = parsed
    return sets


def _set(value: Any, origin: str) -> LockedSet:
    if not isinstance(value, Mapping) or not _SET_KEYS <= set(value) <= _SET_KEYS | _SET_MORE:
        _refuse(origin, f"{_shown(value)} is no set", _EXPECTED_SET)
    name, pool, source = value["name"], value["pool"], value.get("source", "")
    excluded = value.get("excluded", [])
    if (
        not is_name(name)
        or not (pool is None or is_name(pool))
        or not isinstance(source, str)
        or not isinstance(excluded, list)
    ):
        _refuse(origin, f"{_shown(value)} is no set", _EXPECTED_SET)
    for one in excluded:
        if not isinstance(one, Mapping) or not _is_left_out(one):
            _refuse(
                origin,
                f"set {name!r} excludes {_shown(one)}",
                "What is excluded has image, pattern and reason, and may have a name.",
            )
    return LockedSet(name, pool, source, tuple(LeftOut(**one) for one in excluded))


def _is_left_out(value: Mapping[Any, Any]) -> bool:
    known = _LEFT_OUT_KEYS <= set(value) <= _LEFT_OUT_KEYS | {"name"}
    return known and all(isinstance(one, str) for one in value.values())


def _shown(value: Any) -> str:
    """Show what a list or mapping begins with; what is in those within stays unsaid."""
    if isinstance(value, Mapping):
        parts = [f"{shown(key)}: {shown(one)}" for key, one in islice(value.items(), _SHOWN_MAX)]
    elif isinstance(value, list):
        parts = [shown(one) for one in value[:_SHOWN_MAX]]
    else:
        return shown(value)
    more = ["..."] if len(value) > _SHOWN_MAX else []
    inner = ", ".join(parts + more)
    return f"{{{inner}}}" if isinstance(value, Mapping) else f"[{inner}]"


def _images(value: Any, origin: str) -> tuple[LockedImage, ...]:
    if not isinstance(value, list):
        _refuse(origin, "images is no list")
    images = [_image(one, origin) for one in value]
    seen: set[str] = set()
    for image in images:
        if image.reference in seen:
            _refuse(origin, f"{image.reference} stands there twice")
        seen.add(image.reference)
    return tuple(sorted(images, key=lambda image: image.reference))


def _image(value: Any, origin: str) -> LockedImage:
    if not isinstance(value, Mapping) or not _IMAGE_KEYS <= set(value) <= _IMAGE_KEYS | _IMAGE_MORE:
        _refuse(origin, f"an image is {_shown(value)}", _EXPECTED_IMAGE)
    reference = parse_digest_reference(value["reference"], f"the lock {origin}")
    sets, platforms, tags = value["sets"], value["platforms"], value.get("tags", [])
    if not isinstance(sets, list) or not sets or not all(isinstance(one, str) for one in sets):
        _refuse(origin, f"{reference} is asked for by no set")
    if len(set(sets)) < len(sets):
        _refuse(origin, f"{reference} names a set twice")
    if not isinstance(tags, list) or not all(is_tag(one) for one in tags):
        _refuse(origin, f"{reference} has the tags {_shown(tags)}")
    names = _names(value.get("names", []), reference, origin)
    if not isinstance(platforms, Mapping):
        _refuse(origin, f"{reference} has no platforms")
    locked = {
        parse_platform(name, f"the lock {origin}"): _locked_platform(one, reference, origin)
        for name, one in platforms.items()
    }
    if len(locked) < len(platforms):
        _refuse(origin, f"{reference} has a platform under two names")
    return LockedImage(reference, tuple(sorted(sets)), locked, tuple(sorted(tags)), names)


def _names(value: Any, reference: str, origin: str) -> tuple[str, ...]:
    """Return what sources call an image; they are printed, and steer no terminal."""
    if not isinstance(value, list) or not all(
        isinstance(one, str) and one and one.isprintable() for one in value
    ):
        _refuse(origin, f"{reference} has the names {_shown(value)}")
    return tuple(sorted(value))


def _locked_platform(value: Any, reference: str, origin: str) -> LockedPlatform:
    if not isinstance(value, Mapping) or set(value) != {"manifest", "layers"}:
        _refuse(origin, f"a platform of {reference} lacks manifest or layers")
    layers = value["layers"]
    if not isinstance(layers, list):
        _refuse(origin, f"the layers of {reference} are no list")
    for digest in (value["manifest"], *layers):
        cause = validate_digest(str(digest))
        if cause:
            _refuse(origin, f"{digest!r} of {reference}: {cause}")
    return LockedPlatform(value["manifest"], tuple(layers))


def _layers(value: Any, origin: str) -> dict[str, LockedLayer]:
    if not isinstance(value, Mapping):
        _refuse(origin, "layers is no mapping of digests to layers")
    return {digest: _layer(digest, one, origin) for digest, one in value.items()}


def _layer(digest: Any, value: Any, origin: str) -> LockedLayer:
    cause = validate_digest(str(digest))
    if cause:
        _refuse(origin, f"layer {digest!r}: {cause}")
    if not isinstance(value, Mapping) or set(value) not in (_SIZE, _SIZE | _COUNTS):
        _refuse(origin, f"layer {digest} has {_shown(value)}", _EXPECTED_COUNTS)
    for count, number in value.items():
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not whole or not 0 <= number <= _COUNT_MAX:
            _refuse(
                origin,
                f"layer {digest} has the {count} {shown(number)}",
                f"It is a whole number of at most {_COUNT_MAX}.",
            )
    return layer_of(value)


def _check_agreement(lock: Lock, origin: str) -> None:
    """Refuse a lock of which one part denies another, as edits by hand leave it."""
    named_sets = {name for image in lock.images for name in image.sets}
    _check_same(named_sets - set(lock.sets), "is asked for an image and not among sets", origin)
    of_set = {
        name: set(lock.platforms.of(one.pool, f"set {name!r} in the lock {origin}"))
        for name, one in lock.sets.items()
    }
    used_layers: set[str] = set()
    for image in lock.images:
        wanted = set().union(*(of_set[name] for name in image.sets))
        if set(image.platforms) != wanted:
            _refuse(
                origin,
                f"{image.reference} has the platforms {', '.join(sorted(image.platforms))}"
                f" where its sets are for {', '.join(sorted(wanted))}",
            )
        for locked in image.platforms.values():
            used_layers.update(locked.layers)
    _check_same(used_layers - set(lock.layers), "is used by an image and has no size", origin)
    _check_same(set(lock.layers) - used_layers, "has a size and no image uses it", origin)
    check_tags(lock, f"reading the lock {origin}", "Lock again.")


def _check_same(odd: set[str], problem: str, origin: str) -> None:
    if odd:
        _refuse(origin, f"{min(odd)} {problem}")
