# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock: references by digest, their layers and sizes per platform, and who asks for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, NoReturn, Sequence

from ..errors import EdgefleetError
from .locked_images import LayerMeasure, LockedImages, LockedLayer, layer_document, layer_of
from .pinned_image_set import PinnedImageSet
from .platform import PoolPlatforms, parse_platform, parse_pool_platforms
from .reference import is_tag, parse_digest_reference, validate_digest
from .shape import is_name, shown

VERSION = 1
HEADING = (
    "Written by edgefleet.crio.image_lock: review it and keep it in version control.\n"
    "To change it, change the sets and lock again."
)
_KEYS = ("version", "platforms", "sets", "images", "layers")


class InvalidLock(EdgefleetError):
    """A lock that cannot be used: not one, of a newer version, or contradicting itself."""


@dataclass(frozen=True)
class LeftOut:
    """An image that a set's source has and that was left out: by which pattern, and why.

    ``name`` is what the source calls it, empty where that has no names.
    """

    image: str
    pattern: str
    reason: str
    name: str = ""


@dataclass(frozen=True)
class LockedSet:
    """A set: its pool (None: every pool), where it came from, and what was left out of that."""

    name: str
    pool: str | None
    source: str = ""
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class ResolvedSet:
    """A set with its images by digest; each with the tags that it was asked for by.

    ``names`` are, for those that have any, what the set's source calls them.
    """

    described: LockedSet
    images: Mapping[str, tuple[str, ...]]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class LockedPlatform:
    """One platform's manifest digest and its layers' digests, in the manifest's order."""

    manifest: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class LockedImage:
    """A reference, the names of the sets that ask for it, and what it is on each platform.

    ``tags`` are those that led to it when it was locked, ``names`` what the sources of its sets
    call it, as a release calls its components.
    """

    reference: str
    sets: tuple[str, ...]
    platforms: Mapping[str, LockedPlatform]
    tags: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lock:
    """The whole lock; ``sets`` by their names."""

    platforms: PoolPlatforms
    sets: Mapping[str, LockedSet]
    images: tuple[LockedImage, ...]
    layers: Mapping[str, LockedLayer]

    def pinned_image_sets(self, origin: str) -> list[PinnedImageSet]:
        """Return the sets again from which this lock was made."""
        asked: dict[str, list[str]] = {name: [] for name in self.sets}
        for image in self.images:
            for name in image.sets:
                asked[name].append(image.reference)
        return [
            PinnedImageSet(name, self.sets[name].pool, tuple(sorted(asked[name])), (), origin)
            for name in asked
        ]

    def tagged(self) -> dict[str, str]:
        """Return the digest of each ``repository:tag`` that an image was locked from."""
        found: dict[str, str] = {}
        for image in self.images:
            repository, _at, digest = image.reference.partition("@")
            found.update((f"{repository}:{tag}", digest) for tag in image.tags)
        return found


def build_lock(
    sets: Sequence[ResolvedSet],
    platforms: PoolPlatforms,
    resolved: Mapping[str, Mapping[str, LockedPlatform]],
    layers: Mapping[str, LockedLayer],
) -> Lock:
    """Put a lock together.

    :param resolved: per reference, what it is on each platform; references that it lacks are
        left out of the lock.
    :param layers: every layer named in ``resolved``.
    :raises InvalidLock: when two sets mean two digests by one tag.
    """
    asking: dict[str, set[str]] = {}
    tags: dict[str, set[str]] = {}
    names: dict[str, set[str]] = {}
    for one in sets:
        for reference, asked_by in one.images.items():
            asking.setdefault(reference, set()).add(one.described.name)
            tags.setdefault(reference, set()).update(asked_by)
            names.setdefault(reference, set()).update(one.names.get(reference, ()))
    images = tuple(
        LockedImage(
            reference,
            tuple(sorted(asking[reference])),
            dict(sorted(resolved[reference].items())),
            tuple(sorted(tags[reference])),
            tuple(sorted(names[reference])),
        )
        for reference in sorted(asking)
        if reference in resolved
    )
    described = [one.described for one in sets]
    lock = Lock(
        platforms=platforms,
        sets={one.name: one for one in sorted(described, key=lambda one: one.name)},
        images=images,
        layers=dict(sorted(layers.items())),
    )
    _check_tags(lock, "locking the sets", "Ask for one of them.")
    return lock


def platforms_of_references(
    sets: Iterable[ResolvedSet], platforms: PoolPlatforms
) -> dict[str, tuple[str, ...]]:
    """Return on which platforms each reference is wanted: those of all pools that ask for it.

    :raises InvalidPlatform: when a set's pool has none.
    """
    wanted: dict[str, set[str]] = {}
    for one in sets:
        of_pool = platforms.of(one.described.pool, f"set {one.described.name!r}")
        for reference in one.images:
            wanted.setdefault(reference, set()).update(of_pool)
    return {reference: tuple(sorted(some)) for reference, some in sorted(wanted.items())}


def lock_document(lock: Lock) -> dict[str, Any]:
    """Return the lock as the plain values of its file, in the file's order."""
    return {
        "version": VERSION,
        "platforms": lock.platforms.document(),
        "sets": [_set_document(one) for _name, one in sorted(lock.sets.items())],
        "images": [_image_document(image) for image in lock.images],
        "layers": {digest: layer_document(one) for digest, one in sorted(lock.layers.items())},
    }


def _set_document(one: LockedSet) -> dict[str, Any]:
    document: dict[str, Any] = {"name": one.name, "pool": one.pool}
    if one.source:
        document["source"] = one.source
    if one.left_out:
        ordered = sorted(one.left_out, key=lambda left: (left.name, left.image))
        document["excluded"] = [_left_out_document(left) for left in ordered]
    return document


def _left_out_document(one: LeftOut) -> dict[str, str]:
    named = {"name": one.name} if one.name else {}
    return {**named, "image": one.image, "pattern": one.pattern, "reason": one.reason}


def _image_document(image: LockedImage) -> dict[str, Any]:
    return {
        "reference": image.reference,
        **({"names": list(image.names)} if image.names else {}),
        **({"tags": list(image.tags)} if image.tags else {}),
        "sets": list(image.sets),
        "platforms": {
            platform: {"manifest": one.manifest, "layers": list(one.layers)}
            for platform, one in sorted(image.platforms.items())
        },
    }


def parse_lock(documents: Sequence[Any], origin: str) -> Lock:
    """Parse the documents of a lock file and check that they agree with themselves.

    :param documents: what the file's YAML held; exactly one is a lock.
    :raises InvalidLock: saying what contradicts what.
    """
    if len(documents) != 1 or not isinstance(documents[0], Mapping):
        _refuse(origin, "it is no lock", "One document, written by lock_images.yml, is needed.")
    document = documents[0]
    version = document.get("version")
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


def layers_on_platform(
    lock: Lock, references: Iterable[str], platform: str, origin: str
) -> LockedImages:
    """Return what a node of ``platform`` needs to know of ``references``.

    References that the lock lacks are left out.

    :raises InvalidLock: when an image is not locked for that platform.
    """
    images = {image.reference: image for image in lock.images}
    sliced = {}
    for reference in references:
        image = images.get(reference)
        if image is None:
            continue
        locked = image.platforms.get(platform)
        if locked is None:
            _refuse(
                origin,
                f"{reference} is not locked for {platform}",
                "Add the platform to pin_images_platforms and lock again.",
            )
        sliced[reference] = locked.layers
    used = {digest: lock.layers[digest] for layers in sliced.values() for digest in layers}
    return LockedImages(sliced, used)


# How much of a wrong value is worth showing, in characters.
_SHOWN_MAX = 120
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
    if isinstance(value, str):
        return repr(value[:_SHOWN_MAX])
    try:
        return str(value)[:_SHOWN_MAX]
    except ValueError:
        # Python refuses to print very long numbers.
        return shown(value)


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
    _check_tags(lock, f"reading the lock {origin}", "Lock again.")


def _check_tags(lock: Lock, problem: str, needed: str) -> None:
    """Refuse one tag that stands for two digests: nobody could say which one was reviewed."""
    found: dict[str, LockedImage] = {}
    for image in lock.images:
        repository = image.reference.partition("@")[0]
        for tag in image.tags:
            other = found.setdefault(f"{repository}:{tag}", image)
            if other.reference != image.reference:
                both = " and ".join(_asked_for(lock, one) for one in (other, image))
                raise InvalidLock(problem, f"{repository}:{tag} is both {both}", needed)


def _asked_for(lock: Lock, image: LockedImage) -> str:
    """Return an image with the sets that ask for it, and where those came from."""
    asking = [
        f"{name} ({lock.sets[name].source})" if lock.sets[name].source else name
        for name in image.sets
    ]
    return f"{image.reference} of set {', '.join(asking)}"


def _check_same(odd: set[str], problem: str, origin: str) -> None:
    if odd:
        _refuse(origin, f"{min(odd)} {problem}")
