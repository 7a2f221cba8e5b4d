# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a lock is made of: sources of every kind, from files, folders, variables and nodes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Sequence, Tuple, Union

from ..documents.component import Component, apply_exclusions, unique
from ..documents.microshift import architecture_of_list, parse_microshift_release
from ..documents.pinned_image_set import PinnedImageSet, parse_pinned_image_sets
from ..documents.platform import PoolPlatforms
from ..documents.readable import readable_count, readable_names
from ..documents.reference import parse_reference
from ..documents.shape import check_set_names, shown
from ..documents.sources import (
    STANDARD_INPUT,
    CatalogSource,
    ImagesSource,
    ManifestsSource,
    MicroshiftSource,
    NodeSource,
    PinnedImageSetSource,
    ReleaseSource,
    Source,
)
from ..documents.wanted_set import WantedSet
from ..documents.workloads import parse_workloads
from ..documents.yaml_text import RepeatedKey
from ..errors import EdgefleetError
from ..node.host import Host
from .wanted import UnreadableSource, files_at, find, sets_at, twice_named

# How many images, or keys that stand twice, a warning names.
_SHOWN_MAX = 5


@dataclass(frozen=True)
class SourcePlace:
    """Where sources are read.

    ``folders`` are where a relative path is looked for, in this order, as absolute paths;
    ``standard_input`` is the path at which that can be read; ``stores`` are, per node that is a
    source, the references by digest that it holds; ``platforms`` are those of the pools' nodes;
    ``warn`` is told what stops nothing.
    """

    host: Host
    folders: Sequence[str]
    standard_input: str
    stores: Mapping[str, Sequence[str]]
    platforms: PoolPlatforms
    warn: Callable[[str], None]


_Contents = Tuple[str, Tuple[Component, ...]]
_ReadImage = Callable[[Union[ReleaseSource, CatalogSource]], _Contents]


def read_sources(
    place: SourcePlace,
    sources: Sequence[Source],
    read_image: _ReadImage,
) -> list[WantedSet]:
    """Read what each source asks for.

    :param read_image: gives what a source names that lies in an image, a release or a catalog:
        where it came from, and its components.
    :raises EdgefleetError: naming what cannot be read and why.
    """
    sets: list[WantedSet] = []
    for source in sources:
        if isinstance(source, PinnedImageSetSource):
            sets += _read_pinned_image_sets(place, source)
        else:
            try:
                origin, components = _read_source(place, source, read_image)
                kept, excluded = apply_exclusions(components, source.exclude, origin)
            except EdgefleetError as error:
                problem = f"set {source.set!r}: {error.problem}"
                raise UnreadableSource(problem, error.cause, error.needed) from None
            sets.append(WantedSet(source.set, source.pool, origin, kept, excluded))
    if not sets:
        raise UnreadableSource(
            "reading the sources",
            "there are none",
            "Name one at least in pin_images_sets or pin_images_sources.",
        )
    check_set_names((one.name, one.source or "a variable") for one in sets)
    _check_emptied(sets)
    return sets


def _check_emptied(sets: Sequence[WantedSet]) -> None:
    """Refuse a set of which nothing stays: its nodes would unpin what it has."""
    for one in sets:
        if not one.components and one.excluded:
            patterns = dict.fromkeys(repr(left.exclusion.pattern) for left in one.excluded)
            raise UnreadableSource(
                f"set {one.name!r} of {one.source or 'a variable'}",
                f"all its images are excluded by {', '.join(patterns)}",
                "Correct the patterns, or take the set out.",
            )


def _read_pinned_image_sets(place: SourcePlace, source: PinnedImageSetSource) -> list[WantedSet]:
    found = [(one, origin) for item in source.items for one, origin in _sets_of(place, item)]
    components = {
        (one.name, origin): tuple(
            Component("", parse_reference(text, one.origin)) for text in one.references
        )
        for one, origin in found
    }
    together = unique(image for images in components.values() for image in images)
    kept, excluded = apply_exclusions(together, source.exclude, f"entry {source.number}")
    staying = frozenset(kept)
    sets = []
    for one, origin in found:
        images = components[one.name, origin]
        own = frozenset(images)
        sets.append(
            WantedSet(
                one.name,
                one.pool or source.pool,
                origin,
                tuple(image for image in images if image in staying),
                tuple(left for left in excluded if left.component in own),
            )
        )
    return sets


def _sets_of(place: SourcePlace, item: Any) -> Iterator[tuple[PinnedImageSet, str]]:
    """Yield the sets of a path or a document, and where they came from as people wrote it."""
    if not isinstance(item, str):
        for one in parse_pinned_image_sets(item, "a set in a variable"):
            _warn_of_repeats(place, one)
            yield one, ""
        return
    located = find(place.host, item, place.folders)
    for one in sets_at(place.host, located):
        _warn_of_repeats(place, one)
        yield one, f"pinned_image_set {item}{one.origin[len(located) :]}"


def _warn_of_repeats(place: SourcePlace, one: PinnedImageSet) -> None:
    if one.repeated:
        place.warn(twice_named(one))


def _read_source(place: SourcePlace, source: Any, read_image: _ReadImage) -> _Contents:
    if isinstance(source, ImagesSource):
        return "images", source.images
    if isinstance(source, MicroshiftSource):
        return _read_microshift(place, source)
    if isinstance(source, ManifestsSource):
        return _read_manifests(place, source)
    if isinstance(source, (ReleaseSource, CatalogSource)):
        return read_image(source)
    return _read_node(place, source)


def _read_microshift(place: SourcePlace, source: MicroshiftSource) -> _Contents:
    files = [file for path in source.paths for file in _microshift_lists(place, path, source)]
    releases = [parse_microshift_release(place.host.read(one) or "", one) for one in files]
    bases = dict.fromkeys(release.base for release in releases)
    components = unique(one for release in releases for one in release.components)
    return f"microshift {', '.join(source.paths)} ({', '.join(bases)})", components


def _microshift_lists(place: SourcePlace, path: str, source: MicroshiftSource) -> list[str]:
    """Return a file as it is, and of a folder the lists for the one architecture of the pool.

    MicroShift's packages bring the lists for every architecture, and most images of each are built
    for that one alone.
    """
    located = find(place.host, path, place.folders)
    below = place.host.files_below(located)
    if not below:
        return [located]
    platforms = place.platforms.of(source.pool, f"set {source.set!r}")
    wanted = {"", *(one.split("/")[1] for one in platforms)}
    lists = {one: architecture_of_list(one) for one in below if one.endswith(".json")}
    fitting = [one for one, architecture in lists.items() if architecture in wanted]
    if not fitting:
        there = ", ".join(one[len(located) :].lstrip("/") for one in lists)
        raise UnreadableSource(
            f"reading {located}",
            f"it has no list for {', '.join(platforms)}",
            f"There are: {there or 'none'}.",
        )
    several = sorted({lists[one] for one in fitting} - {""})
    if len(several) > 1:
        raise UnreadableSource(
            f"reading {located}",
            f"it has lists for {' and '.join(several)}, and each is for nodes of that one only",
            "Give each architecture an entry of its own, with 'set' and a 'pool' that"
            " pin_images_platforms has with that architecture.",
        )
    return fitting


def _read_manifests(place: SourcePlace, source: ManifestsSource) -> _Contents:
    components: list[Component] = []
    unknown: Counter[str] = Counter()
    for path in source.paths:
        for text, file in _texts(place, path):
            workloads = parse_workloads(text, file)
            components += workloads.components
            unknown.update(workloads.unknown)
            _warn_of_repeated_keys(place, file, workloads.repeated)
    if unknown:
        kinds = [f"{kind} ({readable_count(unknown[kind], 'object')})" for kind in unknown]
        place.warn(
            f"set {source.set!r}: images in objects of these kinds are not locked: {', '.join(kinds)}"
        )
    names = ["standard input" if one == STANDARD_INPUT else one for one in source.paths]
    if not components:
        raise UnreadableSource(
            f"reading {', '.join(names)}", "no workload there has an image", "Check the path."
        )
    return f"manifests {', '.join(names)}", unique(components)


def _warn_of_repeated_keys(place: SourcePlace, file: str, repeated: Sequence[RepeatedKey]) -> None:
    if repeated:
        keys = [f"{shown(one.key)} in line {one.line}" for one in repeated]
        named = readable_names(keys, _SHOWN_MAX)
        place.warn(
            f"{file}: of keys that stand twice the last value counts, as in Kubernetes: {named}"
        )


def _texts(place: SourcePlace, path: str) -> Iterator[tuple[str, str]]:
    """Yield the text of each file of a path, or of standard input, with its name for messages."""
    if path != STANDARD_INPUT:
        located = find(place.host, path, place.folders)
        for file in files_at(place.host, located):
            yield place.host.read(file) or "", file
        return
    text = place.host.read(place.standard_input)
    if not text:
        raise UnreadableSource(
            "reading manifests from standard input", "nothing came", "Pipe them into the command."
        )
    yield text, "standard input"


def _read_node(place: SourcePlace, source: NodeSource) -> _Contents:
    held = place.stores.get(source.host)
    where = f"node {source.host}"
    if not held:
        cause = "nobody looked at it" if held is None else "it holds no image by digest"
        raise UnreadableSource(f"reading what {where} holds", cause, "Lock with lock_images.yml.")
    return where, tuple(Component("", parse_reference(one, where)) for one in held)
