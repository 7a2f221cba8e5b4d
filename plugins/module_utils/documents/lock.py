# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock: references by digest, their layers and sizes per platform, and who asks for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Sequence

from ..errors import EdgefleetError
from .locked_images import LockedImages, LockedLayer, layer_document
from .pinned_image_set import PinnedImageSet
from .platform import PoolPlatforms

VERSION = 1
HEADING = (
    "Written by edgefleet.crio.image_lock: review it and keep it in version control.\n"
    "To change it, change the sets and lock again."
)


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
    check_tags(lock, "locking the sets", "Ask for one of them.")
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


def layers_on_platform(lock: Lock, references: Iterable[str], platform: str) -> LockedImages:
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
            raise InvalidLock(
                "looking for what the node lacks in the lock",
                f"{reference} is not locked for {platform}",
                "Add the platform to pin_images_platforms and lock again.",
            )
        sliced[reference] = locked.layers
    used = {digest: lock.layers[digest] for layers in sliced.values() for digest in layers}
    return LockedImages(sliced, used)


def check_tags(lock: Lock, problem: str, needed: str) -> None:
    """Refuse one tag that stands for two digests: nobody could say which one was reviewed.

    :raises InvalidLock: with this problem, and what is needed.
    """
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
