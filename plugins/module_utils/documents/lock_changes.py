# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lock amounts to, and what changed from one lock to the next, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Mapping

from .lock import Lock, LockedSet
from .locked_images import BLOCK, LockedLayer
from .readable import readable_bytes, readable_count, readable_names

_EVERY_POOL = "every pool"
# How many names of an image are worth the screen.
_NAMES_MAX = 3


@dataclass(frozen=True)
class PoolTotal:
    """What nodes of a pool (None: of one that has no sets of its own) and platform hold at the end.

    Layers count once. ``unpacked_bytes`` is the file data of the ``measured_layers`` alone.
    """

    pool: str | None
    platform: str
    images: int
    layers: int
    compressed_bytes: int
    measured_layers: int
    unpacked_bytes: int


@dataclass(frozen=True)
class MovedTag:
    """A tag, as ``repository:tag``, that was locked to another digest before."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class PoolTransfer:
    """The bytes of layers, compressed, that a pool's nodes of a platform fetch, and need no more."""

    pool: str | None
    platform: str
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True)
class PoolImages:
    """Images of both locks that came to, or went from, a pool (None: any that has no sets)."""

    pool: str | None
    images_in: tuple[str, ...]
    images_out: tuple[str, ...]


@dataclass(frozen=True)
class ChangedReason:
    """A pattern that leaves something out for another reason than before."""

    pattern: str
    before: str
    after: str


@dataclass(frozen=True)
class ChangedSet:
    """A set of both locks, for another pool (None: every pool) or with other exclusions."""

    name: str
    pool_before: str | None
    pool_after: str | None
    patterns_in: tuple[str, ...]
    patterns_out: tuple[str, ...]
    reasons: tuple[ChangedReason, ...]


@dataclass(frozen=True)
class PoolSet:
    """A set of one lock alone, and its pool (None: every pool)."""

    name: str
    pool: str | None


@dataclass(frozen=True)
class LockChanges:
    """What is in one lock and not in another; an image whose tag moved is not named twice.

    ``pools`` and ``sets`` are those where something changed. ``names`` are, for the images that
    came and went, what their sources call them. A set that was renamed went under its old name, and
    came under the new one.
    """

    images_in: tuple[str, ...]
    images_out: tuple[str, ...]
    moved: tuple[MovedTag, ...]
    pools: tuple[PoolImages, ...]
    sets: tuple[ChangedSet, ...]
    sets_in: tuple[PoolSet, ...]
    sets_out: tuple[PoolSet, ...]
    transfers: tuple[PoolTransfer, ...]
    names: Mapping[str, tuple[str, ...]]


def lock_totals(lock: Lock) -> tuple[PoolTotal, ...]:
    """Return the totals of each pool that the lock names, on each of its platforms.

    Where sets are for every pool and no pool is named, that is the one row for each platform.
    """
    return tuple(_total(lock, pool, platform) for pool, platform in _places(lock))


def compare_locks(before: Lock, after: Lock) -> LockChanges:
    """Return what ``after`` changed."""
    old, new = ({one.reference for one in lock.images} for lock in (before, after))
    was, now = before.tagged(), after.tagged()
    moved = tuple(
        MovedTag(name, was[name], now[name])
        for name in sorted(set(was) & set(now))
        if was[name] != now[name]
    )
    repositories = [(one, one.name.rpartition(":")[0]) for one in moved]
    gone = {f"{repository}@{one.before}" for one, repository in repositories}
    come = {f"{repository}@{one.after}" for one, repository in repositories}
    places = dict.fromkeys([*_places(before), *_places(after)])
    images_in, images_out = sorted(new - old - come), sorted(old - new - gone)
    pools = _pool_images(before, after, {pool for pool, _platform in places}, old & new)
    shown = {*images_in, *images_out}.union(*((*one.images_in, *one.images_out) for one in pools))
    named = {one.reference: one.names for one in (*before.images, *after.images) if one.names}
    return LockChanges(
        images_in=tuple(images_in),
        images_out=tuple(images_out),
        moved=moved,
        pools=pools,
        sets=_changed_sets(before, after),
        sets_in=_sets_of_one(after, before),
        sets_out=_sets_of_one(before, after),
        names={one: named[one] for one in sorted(shown) if one in named},
        transfers=tuple(
            _transfer(before, after, pool, platform)
            for pool, platform in sorted(places, key=lambda place: (place[0] or "", place[1]))
        ),
    )


def total_lines(totals: Iterable[PoolTotal]) -> list[str]:
    """Return the totals in plain words, a line each."""
    return [_total_line(one) for one in totals]


def change_lines(changes: LockChanges) -> list[str]:
    """Return the changes in plain words, a line each; none when nothing changed."""
    lines = [f"moved {one.name}: {one.before} -> {one.after}" for one in changes.moved]
    lines += [f"in    {_named(one, changes.names)}" for one in changes.images_in]
    lines += [f"out   {_named(one, changes.names)}" for one in changes.images_out]
    lines += [f"set {one.name}: new, for {one.pool or _EVERY_POOL}" for one in changes.sets_in]
    lines += [
        f"set {one.name}: gone, was for {one.pool or _EVERY_POOL}" for one in changes.sets_out
    ]
    lines += [line for one in changes.sets for line in _set_lines(one)]
    lines += [line for one in changes.pools for line in _pool_lines(one, changes.names)]
    lines += [
        f"{one.pool or _EVERY_POOL}, {one.platform}: {readable_bytes(one.bytes_in)} to fetch,"
        f" {readable_bytes(one.bytes_out)} needed no more"
        for one in changes.transfers
        if one.bytes_in or one.bytes_out
    ]
    return lines


def _set_lines(one: ChangedSet) -> list[str]:
    lines = []
    if one.pool_before != one.pool_after:
        before, after = one.pool_before or _EVERY_POOL, one.pool_after or _EVERY_POOL
        lines.append(f"set {one.name}: for {after}, was for {before}")
    lines += [f"set {one.name}: excludes {pattern!r}" for pattern in one.patterns_in]
    lines += [f"set {one.name}: excludes {pattern!r} no more" for pattern in one.patterns_out]
    lines += [
        f"set {one.name}: excludes {why.pattern!r} with the reason {why.after!r}, was {why.before!r}"
        for why in one.reasons
    ]
    return lines


def _pool_lines(one: PoolImages, names: Mapping[str, tuple[str, ...]]) -> list[str]:
    pool = f"pool {one.pool}" if one.pool else "any other pool"
    return [
        *(f"{pool}: in    {_named(image, names)}" for image in one.images_in),
        *(f"{pool}: out   {_named(image, names)}" for image in one.images_out),
    ]


def _named(reference: str, names: Mapping[str, tuple[str, ...]]) -> str:
    """Return a reference with what its sources call it, as far as that fits on a line."""
    known = names.get(reference, ())
    return f"{reference} ({readable_names(known, _NAMES_MAX)})" if known else reference


def _places(lock: Lock) -> list[tuple[str | None, str]]:
    """Return each pool with each of its platforms."""
    named = {one.pool for one in lock.sets.values()} | set(lock.platforms.by_pool)
    pools: list[str | None] = [*sorted(one for one in named if one is not None)]
    shared = {name for name, one in lock.sets.items() if one.pool is None}
    # Nodes of pools that nothing names take the sets that are for every pool.
    if not pools or any(shared.intersection(image.sets) for image in lock.images):
        pools.append(None)
    return [(pool, platform) for pool in pools for platform in lock.platforms.of(pool, "the lock")]


def _total(lock: Lock, pool: str | None, platform: str) -> PoolTotal:
    images, layers = _wanted(lock, pool, platform)
    measures = [one.measure for one in layers.values() if one.measure]
    return PoolTotal(
        pool=pool,
        platform=platform,
        images=images,
        layers=len(layers),
        compressed_bytes=sum(one.size for one in layers.values()),
        measured_layers=len(measures),
        unpacked_bytes=sum(one.blocks for one in measures) * BLOCK,
    )


def _applying(lock: Lock, pool: str | None) -> set[str]:
    """Return the names of the sets that nodes of a pool take."""
    return {name for name, one in lock.sets.items() if one.pool in (None, pool)}


def _wanted(lock: Lock, pool: str | None, platform: str) -> tuple[int, dict[str, LockedLayer]]:
    """Return how many images such nodes want, and their layers."""
    applying = _applying(lock, pool)
    wanted = [
        image.platforms[platform]
        for image in lock.images
        if platform in image.platforms and applying.intersection(image.sets)
    ]
    digests = {digest for one in wanted for digest in one.layers}
    return len(wanted), {digest: lock.layers[digest] for digest in digests}


def _pool_images(
    before: Lock, after: Lock, pools: Iterable[str | None], both: set[str]
) -> tuple[PoolImages, ...]:
    """Return what came to and went from each pool, of the images that both locks have."""
    found = []
    for pool in sorted(pools, key=lambda one: one or ""):
        was, now = (
            {one.reference for one in lock.images if _applying(lock, pool).intersection(one.sets)}
            for lock in (before, after)
        )
        came, went = (now - was) & both, (was - now) & both
        if came or went:
            found.append(PoolImages(pool, tuple(sorted(came)), tuple(sorted(went))))
    return tuple(found)


def _sets_of_one(lock: Lock, other: Lock) -> tuple[PoolSet, ...]:
    """Return the sets that the other lock has not."""
    names = sorted(set(lock.sets) - set(other.sets))
    return tuple(PoolSet(name, lock.sets[name].pool) for name in names)


def _changed_sets(before: Lock, after: Lock) -> tuple[ChangedSet, ...]:
    names = sorted(set(before.sets) & set(after.sets))
    pairs = [(before.sets[name], after.sets[name]) for name in names]
    return tuple(
        _changed_set(old, new)
        for old, new in pairs
        if (old.pool, _reasons(old)) != (new.pool, _reasons(new))
    )


def _changed_set(old: LockedSet, new: LockedSet) -> ChangedSet:
    was, now = _reasons(old), _reasons(new)
    return ChangedSet(
        name=new.name,
        pool_before=old.pool,
        pool_after=new.pool,
        patterns_in=tuple(sorted(set(now) - set(was))),
        patterns_out=tuple(sorted(set(was) - set(now))),
        reasons=tuple(
            ChangedReason(pattern, was[pattern], now[pattern])
            for pattern in sorted(set(was) & set(now))
            if was[pattern] != now[pattern]
        ),
    )


def _reasons(one: LockedSet) -> dict[str, str]:
    """Return why each pattern leaves something out; a lock that was edited may say several."""
    found: dict[str, set[str]] = {}
    for left in one.left_out:
        found.setdefault(left.pattern, set()).add(left.reason)
    return {pattern: "; ".join(sorted(some)) for pattern, some in found.items()}


def _transfer(before: Lock, after: Lock, pool: str | None, platform: str) -> PoolTransfer:
    (_old, was), (_new, now) = (_wanted(lock, pool, platform) for lock in (before, after))
    return PoolTransfer(
        pool,
        platform,
        bytes_in=sum(one.size for digest, one in now.items() if digest not in was),
        bytes_out=sum(one.size for digest, one in was.items() if digest not in now),
    )


def _total_line(one: PoolTotal) -> str:
    line = (
        f"{one.pool or _EVERY_POOL}, {one.platform}: {readable_count(one.images, 'image')},"
        f" {readable_count(one.layers, 'layer')}, {readable_bytes(one.compressed_bytes)} compressed"
    )
    if not one.measured_layers:
        return line
    line += f", {readable_bytes(one.unpacked_bytes)} unpacked"
    if one.measured_layers < one.layers:
        line += f" ({readable_count(one.measured_layers, 'layer')} measured)"
    return line
