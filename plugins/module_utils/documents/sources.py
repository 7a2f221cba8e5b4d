# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write as the sources of a lock: a list of entries, each of one type.

=================  ==========================================================  =================
type               value                                                       set, if not given
=================  ==========================================================  =================
pinned_image_set   a path, a document, or a list of both                       the documents' own
images             a list of references by digest or tag                       images
release            an OpenShift release image by tag or digest                 release-<tag>
microshift         a path of MicroShift's lists of images, or a list of them   microshift
catalog            an operator catalog image; ``packages`` beside it           catalog-<name>
manifests          a path or a list of them, ``-`` for standard input          manifests
node               the inventory name of a node that holds what is wanted      node-<name>
=================  ==========================================================  =================

Beside its type an entry may have ``pool``, ``set`` and ``exclude``. For a release by digest the
first twelve characters of it stand for the tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, NoReturn

from ..errors import EdgefleetError
from .catalog import ChannelChoice, PackageChoice
from .component import Component, Exclusion, parse_component
from .reference import ImageReference
from .semver import Version, parse_version
from .shape import is_name, shown

STANDARD_INPUT = "-"
_COMMON = ("pool", "set", "exclude")
# As much of a digest as container tools show of one, in characters.
_DIGEST_SHOWN = 12


class InvalidSource(EdgefleetError):
    """An entry that does not say what to lock, or says it wrongly."""


@dataclass(frozen=True)
class Source:
    """What every entry has: its place from one on, its set, its pool and what it leaves out.

    ``pool`` None means every pool. A ``set`` that is empty: the documents name their sets.
    """

    number: int
    set: str
    pool: str | None
    exclude: tuple[Exclusion, ...]


@dataclass(frozen=True)
class PinnedImageSetSource(Source):
    """Paths of files or folders, and documents; ``pool`` is for those sets that name none."""

    items: tuple[Any, ...]


@dataclass(frozen=True)
class ImagesSource(Source):
    """References by digest or tag."""

    images: tuple[Component, ...]


@dataclass(frozen=True)
class ReleaseSource(Source):
    """An OpenShift release image."""

    image: ImageReference


@dataclass(frozen=True)
class MicroshiftSource(Source):
    """Paths of files of MicroShift's lists of images, or of the folder where it has them."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class CatalogSource(Source):
    """An operator catalog image, and which packages of it; none means all."""

    image: ImageReference
    packages: tuple[PackageChoice, ...]


@dataclass(frozen=True)
class ManifestsSource(Source):
    """Paths of files or folders of Kubernetes manifests."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class NodeSource(Source):
    """The inventory name of a node."""

    host: str


def parse_sources(entries: Any, origin: str) -> tuple[Source, ...]:
    """Parse the entries; of every set there is one.

    :param entries: what the variable held.
    :param origin: the variable's name.
    :raises EdgefleetError: naming the entry's number and its key.
    """
    if not isinstance(entries, (list, tuple)):
        raise InvalidSource(
            f"reading {origin}", f"it is {shown(entries)}", "A list of sources is needed."
        )
    sources = tuple(_parse(one, f"entry {n} of {origin}", n) for n, one in enumerate(entries, 1))
    numbers: dict[str, int] = {}
    for source in sources:
        if source.set in numbers:
            _refuse(
                f"entry {source.number} of {origin}",
                f"its set is {source.set!r}, as that of entry {numbers[source.set]}",
                "Give one of them another 'set'.",
            )
        if source.set:
            numbers[source.set] = source.number
    _check_standard_input(sources, origin)
    return sources


def _check_standard_input(sources: Iterable[Source], origin: str) -> None:
    readers = [
        source.number
        for source in sources
        if isinstance(source, ManifestsSource)
        for path in source.paths
        if path == STANDARD_INPUT
    ]
    if len(readers) > 1:
        cause = f"it reads standard input, which entry {readers[0]} has read by then"
        _refuse(f"entry {readers[1]} of {origin}", cause, f"Name {STANDARD_INPUT!r} once.")


def _parse(entry: Any, where: str, number: int) -> Source:
    if not isinstance(entry, Mapping):
        _refuse(where, f"it is {shown(entry)}", f"A mapping with one of {_TYPES_NAMED} is needed.")
    types = [key for key in _PARSERS if key in entry]
    if len(types) != 1:
        cause = f"it has {' and '.join(types)}" if types else "it has no type"
        _refuse(where, cause, f"Exactly one of {_TYPES_NAMED} is needed.")
    beside = ("packages",) if types == ["catalog"] else ()
    _check_keys(entry, (types[0], *beside, *_COMMON), where)
    return _PARSERS[types[0]](entry, where, number)


def _pinned_image_set(entry: Mapping[str, Any], where: str, number: int) -> Source:
    if "set" in entry:
        _refuse(where, "'set' stands beside 'pinned_image_set'", "Its documents name their sets.")
    value = entry["pinned_image_set"]
    items = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    odd = [one for one in items if not is_name(one) and not isinstance(one, Mapping)]
    if odd or not items:
        _refuse(
            where,
            f"pinned_image_set {f'holds {shown(odd[0])}' if odd else 'is empty'}",
            "A path, a document, or a list of them is needed.",
        )
    return PinnedImageSetSource(*_common(entry, where, number, ""), items)


def _images(entry: Mapping[str, Any], where: str, number: int) -> Source:
    value = entry["images"]
    if not isinstance(value, (list, tuple)) or not value:
        _refuse(
            where,
            f"images is {shown(value) if value else 'empty'}",
            "A list of references is needed.",
        )
    images = tuple(parse_component("", one, where) for one in value)
    return ImagesSource(*_common(entry, where, number, "images"), images)


def _release(entry: Mapping[str, Any], where: str, number: int) -> Source:
    image = parse_component("", entry["release"], where).reference
    short = image.tag or str(image.digest).partition(":")[2][:_DIGEST_SHOWN]
    return ReleaseSource(*_common(entry, where, number, f"release-{short}"), image)


def _microshift(entry: Mapping[str, Any], where: str, number: int) -> Source:
    paths = _paths(entry, "microshift", where, "A path, or a list of paths, is needed.")
    return MicroshiftSource(*_common(entry, where, number, "microshift"), paths)


def _catalog(entry: Mapping[str, Any], where: str, number: int) -> Source:
    image = parse_component("", entry["catalog"], where).reference
    common = _common(entry, where, number, f"catalog-{image.path.rpartition('/')[2]}")
    packages = tuple(
        _package(one, f"package {n} of {where}")
        for n, one in enumerate(_list(entry, "packages", where), 1)
    )
    _check_each_once([one.name for one in packages], "packages", where)
    return CatalogSource(*common, image, packages)


def _manifests(entry: Mapping[str, Any], where: str, number: int) -> Source:
    needed = f"A path, a list of paths, or {STANDARD_INPUT!r} for standard input is needed."
    paths = _paths(entry, "manifests", where, needed)
    return ManifestsSource(*_common(entry, where, number, "manifests"), paths)


def _node(entry: Mapping[str, Any], where: str, number: int) -> Source:
    host = _one_line(entry, "node", where)
    return NodeSource(*_common(entry, where, number, f"node-{host}"), host)


_PARSERS: dict[str, Callable[[Mapping[str, Any], str, int], Source]] = {
    "pinned_image_set": _pinned_image_set,
    "images": _images,
    "release": _release,
    "microshift": _microshift,
    "catalog": _catalog,
    "manifests": _manifests,
    "node": _node,
}
_TYPES_NAMED = ", ".join(_PARSERS)


def _common(
    entry: Mapping[str, Any], where: str, number: int, name: str
) -> tuple[int, str, str | None, tuple[Exclusion, ...]]:
    name = _one_line(entry, "set", where) if "set" in entry else name
    pool = _one_line(entry, "pool", where) if entry.get("pool") is not None else None
    exclude = tuple(_exclusion(one, where) for one in _list(entry, "exclude", where))
    return number, name, pool, exclude


def _exclusion(value: Any, where: str) -> Exclusion:
    if isinstance(value, Mapping):
        _check_keys(value, ("match", "reason"), f"exclude of {where}")
        pattern = _one_line(value, "match", f"exclude of {where}")
        reason = _one_line(value, "reason", f"exclude of {where}") if "reason" in value else ""
        return Exclusion(pattern, reason)
    return Exclusion(_one_line({"exclude": value}, "exclude", where), "")


def _package(value: Any, where: str) -> PackageChoice:
    if not isinstance(value, Mapping):
        return PackageChoice(_one_line({"name": value}, "name", where))
    _check_keys(value, ("name", "channels"), where)
    name = _one_line(value, "name", where)
    channels = tuple(
        _channel(one, f"channel {n} of {where}")
        for n, one in enumerate(_list(value, "channels", where), 1)
    )
    _check_each_once([one.name for one in channels], "channels", where)
    return PackageChoice(name, channels)


def _channel(value: Any, where: str) -> ChannelChoice:
    if not isinstance(value, Mapping):
        return ChannelChoice(_one_line({"name": value}, "name", where))
    _check_keys(value, ("name", "min_version", "max_version"), where)
    bounds = (_bound(value, key, where) for key in ("min_version", "max_version"))
    choice = ChannelChoice(_one_line(value, "name", where), *bounds)
    low, high = choice.lowest(), choice.max_version
    if low is not None and high is not None and low > high:
        _refuse(where, "min_version is greater than max_version", "Exchange them.")
    return choice


def _bound(value: Mapping[str, Any], key: str, where: str) -> Version | None:
    return None if value.get(key) is None else parse_version(value[key], f"{key} of {where}")


def _paths(entry: Mapping[str, Any], key: str, where: str, needed: str) -> tuple[str, ...]:
    value = entry[key]
    paths = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    odd = [one for one in paths if not is_name(one)]
    if odd or not paths:
        _refuse(where, f"{key} {f'holds {shown(odd[0])}' if odd else 'is empty'}", needed)
    return paths


def _list(value: Mapping[str, Any], key: str, where: str) -> Iterable[Any]:
    found = value.get(key)
    if found is None:
        return ()
    if not isinstance(found, (list, tuple)):
        _refuse(where, f"{key} is {shown(found)}", "A list is needed there.")
    return found


def _one_line(value: Mapping[str, Any], key: str, where: str) -> str:
    if not is_name(value.get(key)):
        _refuse(where, f"{key} is {shown(value.get(key))}", "Text of one line is needed there.")
    return str(value[key])


def _check_keys(value: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = [key for key in value if key not in known]
    if unknown:
        _refuse(
            where, f"it has the unknown key {shown(unknown[0])}", f"There are: {', '.join(known)}."
        )


def _check_each_once(names: list[str], key: str, where: str) -> None:
    twice = [name for n, name in enumerate(names) if name in names[:n]]
    if twice:
        _refuse(where, f"{key} names {twice[0]!r} twice", "Name each once.")


def _refuse(where: str, cause: str, needed: str) -> NoReturn:
    raise InvalidSource(f"reading {where}", cause, needed)
