# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock: references by digest, their layers and sizes per platform, and who asks for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping, NoReturn, Sequence

from ..errors import EdgefleetError
from .locked_images import LayerMeasure, LockedImages, LockedLayer, layer_document, layer_of
from .pinned_image_set import PinnedImageSet
from .platform import parse_platform
from .reference import parse_digest_reference, validate_digest

VERSION = 1
HEADING = (
    "Written by edgefleet.crio.image_lock: review it and keep it in version control.\n"
    "To change it, change the sets and lock again."
)
_KEYS = ("version", "platforms", "sets", "images", "layers")


class InvalidLock(EdgefleetError):
    """A lock that cannot be used: not one, of a newer version, or contradicting itself."""


@dataclass(frozen=True)
class LockedPlatform:
    """One platform's manifest digest and its layers' digests, in the manifest's order."""

    manifest: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class LockedImage:
    """A reference, the names of the sets that ask for it, and what it is on each platform."""

    reference: str
    sets: tuple[str, ...]
    platforms: Mapping[str, LockedPlatform]


@dataclass(frozen=True)
class Lock:
    """The whole lock; ``sets`` maps names to pools (None: every pool)."""

    platforms: tuple[str, ...]
    sets: Mapping[str, str | None]
    images: tuple[LockedImage, ...]
    layers: Mapping[str, LockedLayer]

    def pinned_image_sets(self, origin: str) -> list[PinnedImageSet]:
        """Return the sets again from which this lock was made."""
        asked: dict[str, list[str]] = {name: [] for name in self.sets}
        for image in self.images:
            for name in image.sets:
                asked[name].append(image.reference)
        return [
            PinnedImageSet(name, self.sets[name], tuple(sorted(asked[name])), (), origin)
            for name in asked
        ]


def build_lock(
    sets: Sequence[PinnedImageSet],
    platforms: Iterable[str],
    resolved: Mapping[str, Mapping[str, LockedPlatform]],
    layers: Mapping[str, LockedLayer],
) -> Lock:
    """Put a lock together.

    :param resolved: per reference, what it is on each platform; references that it lacks are
        left out of the lock.
    :param layers: every layer named in ``resolved``.
    """
    asking: dict[str, set[str]] = {}
    for one in sets:
        for reference in one.references:
            asking.setdefault(reference, set()).add(one.name)
    images = tuple(
        LockedImage(reference, tuple(sorted(asking[reference])), resolved[reference])
        for reference in sorted(asking)
        if reference in resolved
    )
    return Lock(
        platforms=tuple(sorted(platforms)),
        sets={one.name: one.pool for one in sorted(sets, key=lambda one: one.name)},
        images=images,
        layers=dict(sorted(layers.items())),
    )


def lock_document(lock: Lock) -> dict[str, Any]:
    """Return the lock as the plain values of its file, in the file's order."""
    return {
        "version": VERSION,
        "platforms": list(lock.platforms),
        "sets": [{"name": name, "pool": pool} for name, pool in sorted(lock.sets.items())],
        "images": [
            {
                "reference": image.reference,
                "sets": list(image.sets),
                "platforms": {
                    platform: {"manifest": one.manifest, "layers": list(one.layers)}
                    for platform, one in sorted(image.platforms.items())
                },
            }
            for image in lock.images
        ],
        "layers": {digest: layer_document(one) for digest, one in sorted(lock.layers.items())},
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
        platforms=_platforms(document["platforms"], origin),
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


_EXPECTED_KEYS = f"A lock has the keys {', '.join(_KEYS)}."
_SIZE = {"size"}
_COUNTS = set(LayerMeasure.__dataclass_fields__)
_EXPECTED_COUNTS = f"A layer has its size and, once measured, {', '.join(sorted(_COUNTS))}."


def _refuse(origin: str, cause: str, needed: str = "Lock again.") -> NoReturn:
    raise InvalidLock(f"reading the lock {origin}", cause, needed)


def _platforms(value: Any, origin: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        _refuse(origin, "platforms is no list of platforms")
    return tuple(parse_platform(one, f"the lock {origin}") for one in value)


def _sets(value: Any, origin: str) -> dict[str, str | None]:
    if not isinstance(value, list) or not value:
        _refuse(origin, "sets is no list of sets")
    sets: dict[str, str | None] = {}
    for one in value:
        if not isinstance(one, Mapping) or set(one) != {"name", "pool"}:
            _refuse(origin, f"{one!r} is no set", "A set there has name and pool.")
        name, pool = one["name"], one["pool"]
        if not isinstance(name, str) or not isinstance(pool, (str, type(None))):
            _refuse(origin, f"{one!r} is no set", "A set there has name and pool.")
        if name in sets:
            _refuse(origin, f"set {name!r} stands there twice")
        sets[name] = pool
    return sets


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
    if not isinstance(value, Mapping) or set(value) != {"reference", "sets", "platforms"}:
        _refuse(
            origin, f"an image is {str(value)[:120]!r}", "It has reference, sets and platforms."
        )
    reference = parse_digest_reference(value["reference"], f"the lock {origin}")
    sets, platforms = value["sets"], value["platforms"]
    if not isinstance(sets, list) or not sets or not all(isinstance(one, str) for one in sets):
        _refuse(origin, f"{reference} is asked for by no set")
    if not isinstance(platforms, Mapping):
        _refuse(origin, f"{reference} has no platforms")
    locked = {
        parse_platform(name, f"the lock {origin}"): _locked_platform(one, reference, origin)
        for name, one in platforms.items()
    }
    if len(locked) < len(platforms):
        _refuse(origin, f"{reference} has a platform under two names")
    return LockedImage(reference, tuple(sorted(sets)), locked)


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
        _refuse(origin, f"layer {digest} has {value!r}", _EXPECTED_COUNTS)
    for count, number in value.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            _refuse(origin, f"layer {digest} has the {count} {number!r}", "It is a whole number.")
    return layer_of(value)


def _check_agreement(lock: Lock, origin: str) -> None:
    """Refuse a lock of which one part denies another, as edits by hand leave it."""
    named_sets = {name for image in lock.images for name in image.sets}
    _check_same(named_sets - set(lock.sets), "is asked for an image and not among sets", origin)
    wanted = set(lock.platforms)
    used_layers: set[str] = set()
    for image in lock.images:
        if set(image.platforms) != wanted:
            _refuse(
                origin,
                f"{image.reference} has the platforms {', '.join(sorted(image.platforms))}"
                f" where the lock says {', '.join(sorted(wanted))}",
            )
        for locked in image.platforms.values():
            used_layers.update(locked.layers)
    _check_same(used_layers - set(lock.layers), "is used by an image and has no size", origin)
    _check_same(set(lock.layers) - used_layers, "has a size and no image uses it", origin)


def _check_same(odd: set[str], problem: str, origin: str) -> None:
    if odd:
        _refuse(origin, f"{min(odd)} {problem}")
