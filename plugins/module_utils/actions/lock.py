# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask registries what references are, and put that into a lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Callable, Mapping, Sequence, TypeVar

from ..decisions.platforms import PlatformMissing, manifests_for, require_platform
from ..documents.lock import (
    Lock,
    LockedImage,
    LockedPlatform,
    ResolvedSet,
    build_lock,
    platforms_of_references,
)
from ..documents.locked_images import LockedLayer
from ..documents.platform import PoolPlatforms
from ..documents.wanted_set import WantedSet
from ..node.manifests import Manifests
from ..node.reading_host import CommandFailed
from ..observed.failure import classify_failure
from ..observed.manifest import (
    Index,
    IndexEntry,
    InvalidManifest,
    Manifest,
    parse_manifest,
)
from .measure import Measured, WantedLayer

# skopeo spends its time waiting for the registry; more at once would look like an attack to some.
_WORKERS = 8
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Unresolved:
    """A reference that could not be locked; ``cause`` as for a failed pull.

    ``sets`` are the names of those that ask for it.
    """

    reference: str
    cause: str
    message: str
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resolution:
    """What the references are on each platform, their layers, and what failed."""

    resolved: Mapping[str, Mapping[str, LockedPlatform]]
    layers: Mapping[str, WantedLayer]
    unresolved: tuple[Unresolved, ...]


@dataclass(frozen=True)
class MadeLock:
    """A lock of what could be resolved, and what could not, in the order of the references."""

    lock: Lock
    unresolved: tuple[Unresolved, ...]


def make_lock(
    registry: Manifests,
    sets: Sequence[WantedSet],
    platforms: PoolPlatforms,
    measure: Callable[[Mapping[str, WantedLayer], bool], Measured],
    progress: Callable[[int, int], None],
) -> MadeLock:
    """Ask the registries what the sets' images are, and lock that.

    :param measure: says what layers take, as far as it knows; the second argument is whether it
        may fetch the others.
    :param progress: called with the number of images done and of all, from one thread.
    :raises EdgefleetError: when the sets contradict each other.
    """
    tagged = sorted({one for some in sets for one in some.by_tag()})
    digests, unknown = _resolve_tags(registry, tagged)
    described = [one.resolved(digests) for one in sets]
    wanted = platforms_of_references(described, platforms)
    # One tag for two digests is refused before anything else is asked or fetched.
    build_lock(described, platforms, {reference: {} for reference in wanted}, {})
    resolution = resolve(registry, wanted, lambda done: progress(done, len(wanted)))
    failed = [*unknown, *resolution.unresolved]
    # A lock with failures is hardly ever written: no link carries layers for it.
    measured = measure(resolution.layers, not failed)
    layers = {
        digest: LockedLayer(one.size, measured.measures.get(digest))
        for digest, one in resolution.layers.items()
    }
    lock = build_lock(described, platforms, resolution.resolved, layers)
    for one in measured.unmeasured:
        message = f"layer {one.digest}: {one.message}"
        failed.append(Unresolved(_first_with(lock, one.digest), one.cause, message))
    asked_by = _asked_by(sets, described)
    return MadeLock(lock, tuple(replace(one, sets=asked_by[one.reference]) for one in failed))


def _first_with(lock: Lock, layer: str) -> str:
    """Return the first image that has a layer."""
    return next(
        image.reference
        for image in lock.images
        if any(layer in one.layers for one in image.platforms.values())
    )


def _asked_by(
    sets: Sequence[WantedSet], described: Sequence[ResolvedSet]
) -> dict[str, tuple[str, ...]]:
    """Return which sets ask for each reference, by tag or by digest."""
    names: dict[str, set[str]] = {}
    for one, resolved in zip(sets, described):
        for reference in (*one.by_tag(), *resolved.images):
            names.setdefault(reference, set()).add(one.name)
    return {reference: tuple(sorted(some)) for reference, some in names.items()}


def verify_lock(registry: Manifests, lock: Lock) -> tuple[Unresolved, ...]:
    """Ask the registries for all manifests of a lock, and return what does not answer as locked."""
    wanted = {image.reference: tuple(image.platforms) for image in lock.images}
    resolution = resolve(registry, wanted, lambda _done: None)
    failed = {one.reference: one for one in resolution.unresolved}
    for image in lock.images:
        if image.reference not in failed and not _is_as_locked(image, resolution, lock.layers):
            message = "the lock has other manifests or layers of it"
            failed[image.reference] = Unresolved(image.reference, "corrupt", message)
    return tuple(
        replace(failed[image.reference], sets=image.sets)
        for image in lock.images
        if image.reference in failed
    )


def _is_as_locked(
    image: LockedImage, resolution: Resolution, layers: Mapping[str, LockedLayer]
) -> bool:
    return image.platforms == resolution.resolved[image.reference] and all(
        layers[digest].size == resolution.layers[digest].size
        for one in image.platforms.values()
        for digest in one.layers
    )


def _resolve_tags(
    registry: Manifests, references: Sequence[str]
) -> tuple[dict[str, str], list[Unresolved]]:
    """Return the digests that references by tag have now, and what failed."""
    digests: dict[str, str] = {}
    unresolved: list[Unresolved] = []
    with ThreadPoolExecutor(max_workers=_WORKERS) as workers:
        answers = workers.map(lambda one: _answer(registry.digest, one), references)
        for reference, answer in zip(references, answers):
            if isinstance(answer, Unresolved):
                unresolved.append(answer)
            else:
                digests[reference] = answer
    return digests, unresolved


def resolve(
    registry: Manifests,
    platforms: Mapping[str, Sequence[str]],
    progress: Callable[[int], None],
) -> Resolution:
    """Ask the registries for every reference, several at a time.

    :param platforms: per reference by digest, the platforms that it is wanted on.
    :param progress: called with the number of references done, from one thread.
    """
    resolved: dict[str, Mapping[str, LockedPlatform]] = {}
    layers: dict[str, WantedLayer] = {}
    unresolved: list[Unresolved] = []

    def ask(reference: str) -> _Found | Unresolved:
        return _answer(lambda one: manifests_on(registry, one, platforms[one]), reference)

    with ThreadPoolExecutor(max_workers=_WORKERS) as workers:
        for done, (reference, answer) in enumerate(zip(platforms, workers.map(ask, platforms)), 1):
            if isinstance(answer, Unresolved):
                unresolved.append(answer)
            else:
                resolved[reference] = {
                    platform: LockedPlatform(digest, tuple(one.digest for one in manifest.layers))
                    for platform, (digest, manifest) in answer.items()
                }
                repository = reference.partition("@")[0]
                for digest, manifest in answer.values():
                    for one in manifest.layers:
                        named = WantedLayer(f"{repository}@{digest}", one.size, one.media_type)
                        layers.setdefault(one.digest, named)
            progress(done)
    return Resolution(resolved, layers, tuple(unresolved))


_Found = Mapping[str, "tuple[str, Manifest]"]


def _answer(ask: Callable[[str], _Answer], reference: str) -> _Answer | Unresolved:
    try:
        return ask(reference)
    except CommandFailed as error:
        return Unresolved(reference, classify_failure(error.cause), error.cause)
    except InvalidManifest as error:
        return Unresolved(reference, "corrupt", error.cause)
    except PlatformMissing as error:
        return Unresolved(reference, "not_found", error.cause)


def manifests_on(
    registry: Manifests, reference: str, platforms: Sequence[str]
) -> Mapping[str, tuple[str, Manifest]]:
    """Return the manifest of a reference by digest on each platform, with its digest.

    :raises EdgefleetError: when the registry does not give it, it is no image, or it lacks one of
        the platforms.
    """
    repository, _at, digest = reference.partition("@")
    top = parse_manifest(registry.manifest(reference), digest, reference)
    if isinstance(top, Manifest):
        config = registry.config(reference, top)
        return {require_platform(one, config, reference): (digest, top) for one in platforms}
    return {
        platform: (one.digest, _of_index(registry, f"{repository}@{one.digest}", one, platform))
        for platform, one in manifests_for(top, platforms, reference).items()
    }


def _of_index(registry: Manifests, reference: str, entry: IndexEntry, platform: str) -> Manifest:
    manifest = parse_manifest(registry.manifest(reference), entry.digest, reference)
    if isinstance(manifest, Index):
        raise InvalidManifest(f"reading {reference}", "an index lies inside an index")
    if entry.platform is None:
        require_platform(platform, registry.config(reference, manifest), reference)
    return manifest
