# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file-based operator catalog, as github.com/operator-framework/operator-registry reads it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Iterable, Iterator, Mapping, NoReturn, Sequence

from ..errors import EdgefleetError
from .component import Component, parse_component, unique
from .json_text import iterate_json
from .semver import Version, parse_range, parse_version
from .shape import check_length, is_name, shown
from .yaml_text import load_documents

# The label that names the catalog's folder within its image.
CONFIGS_LABEL = "operators.operatorframework.io.index.configs.v1"
# What matters here (alpha/declcfg/declcfg.go); other schemas are for others.
_PACKAGE, _CHANNEL, _BUNDLE = "olm.package", "olm.channel", "olm.bundle"
# Catalogs of this size are written as JSON; YAML takes many times the memory. In characters.
_YAML_MAX = 64 * 1024 * 1024


class InvalidCatalog(EdgefleetError):
    """A catalog that contradicts itself, or lacks what was asked of it."""


@dataclass(frozen=True)
class ChannelEntry:
    """A bundle's place in a channel: what it replaces, skips, and the range that it skips."""

    name: str
    replaces: str
    skips: tuple[str, ...]
    skip_range: str


@dataclass(frozen=True)
class Bundle:
    """A bundle: its version as written, its image and the images that it needs."""

    name: str
    version: str
    components: tuple[Component, ...]


@dataclass(frozen=True)
class Package:
    """A package: its channels, and its bundles by name."""

    name: str
    default_channel: str
    channels: Mapping[str, tuple[ChannelEntry, ...]]
    bundles: Mapping[str, Bundle]


@dataclass(frozen=True)
class Catalog:
    """Every package of a catalog, by name, and where the catalog came from."""

    origin: str
    packages: Mapping[str, Package]


@dataclass(frozen=True)
class ChannelChoice:
    """A channel's head; or, with a bound, every bundle in it from one version to another.

    Bounds are inclusive. One without a pre-release means all of its version: Red Hat stamps the
    builds of 4.14.0 as pre-releases, such as 4.14.0-202310201027. One with a pre-release orders as
    semantic versions do.
    """

    name: str
    min_version: Version | None = None
    max_version: Version | None = None

    def lowest(self) -> Version | None:
        """Return the first version that the lower bound means, as in ranges of OLM: 4.14.0-0."""
        low = self.min_version
        return replace(low, pre_release=("0",)) if low and not low.pre_release else low


@dataclass(frozen=True)
class PackageChoice:
    """A package, and which of its channels; none means its default channel's head."""

    name: str
    channels: tuple[ChannelChoice, ...] = ()


@dataclass
class _Contents:
    """What documents came to so far."""

    defaults: dict[str, str] = field(default_factory=dict)
    channels: dict[str, dict[str, tuple[ChannelEntry, ...]]] = field(default_factory=dict)
    bundles: dict[str, dict[str, Bundle]] = field(default_factory=dict)


def parse_catalog(files: Iterable[tuple[str, str]], origin: str) -> Catalog:
    """Parse the files of a catalog's folder; their order does not matter.

    Each is a stream of JSON documents or of YAML documents. Every document has a schema; those of
    schemas that say nothing of images are left alone.

    :param files: path and text of each that counts (see ``indexignore.catalog_files``); they are
        taken one at a time, and no text is kept.
    :param origin: the catalog's image, for messages.
    :raises EdgefleetError: naming the file when one is neither JSON nor YAML, or a document is
        not what its schema asks for; naming the packages that are referred to and not there.
    """
    contents = _Contents()
    for path, text in files:
        where = f"{path} of {origin}"
        for document in _documents(text, where):
            _add(contents, document, where)
    if not contents.defaults:
        _refuse(f"reading the catalog {origin}", f"it has no {_PACKAGE}")
    missing = sorted({*contents.channels, *contents.bundles} - set(contents.defaults))
    if missing:
        _refuse(
            f"reading the catalog {origin}",
            f"its channels and bundles name packages without an {_PACKAGE}: {', '.join(missing)}",
        )
    packages = {
        name: Package(
            name, default, contents.channels.get(name, {}), contents.bundles.get(name, {})
        )
        for name, default in sorted(contents.defaults.items())
    }
    return Catalog(origin, packages)


def select_components(
    catalog: Catalog, choices: Sequence[PackageChoice] = ()
) -> tuple[Component, ...]:
    """Return the images of the chosen bundles: each one's own, and those that it needs.

    A bundle's own image is named after the bundle, and so is a related image without a name.

    :param choices: none means every package.
    :raises InvalidCatalog: when a package or channel is not there (it lists those that are), a
        channel has no head or several, or no bundle of it is within a range.
    """
    wanted = choices or [PackageChoice(name) for name in catalog.packages]
    return unique(
        component
        for choice in wanted
        for bundle in _chosen_bundles(catalog, choice)
        for component in bundle.components
    )


def channel_head(package: Package, channel: str, origin: str) -> str:
    """Return the name of a channel's head: what no other entry replaces or skips.

    This is ``Channel.Head`` of operator-registry (alpha/model/model.go). Where that finds several,
    those go that the skipRange of another of them contains.

    :raises InvalidCatalog: when not exactly one remains; it names those that do.
    """
    entries = package.channels[channel]
    below = {entry.replaces for entry in entries}
    below.update(name for entry in entries for name in entry.skips)
    heads = [entry for entry in entries if entry.name not in below]
    where = f"channel {channel!r} of package {package.name!r} in {origin}"
    if len(heads) > 1:
        # Of several that skip each other, all remain.
        heads = [
            one for one in heads if not _is_in_a_skip_range(one, heads, package, where)
        ] or heads
    if len(heads) != 1:
        names = sorted(one.name for one in heads or entries)
        cause = f"it has {len(heads)} heads" if heads else "every entry is below another"
        _refuse(
            f"finding the head of {where}",
            f"{cause}: {', '.join(names)}",
            "Give the channel a min_version and max_version.",
        )
    return heads[0].name


def _is_in_a_skip_range(
    entry: ChannelEntry, heads: Sequence[ChannelEntry], package: Package, where: str
) -> bool:
    bundle = _bundle(package, entry.name, where)
    version = parse_version(bundle.version, f"bundle {entry.name!r} in {where}")
    return any(
        version in parse_range(one.skip_range, f"entry {one.name!r} of {where}")
        for one in heads
        if one.skip_range and one.name != entry.name
    )


def _chosen_bundles(catalog: Catalog, choice: PackageChoice) -> list[Bundle]:
    package = catalog.packages.get(choice.name)
    if package is None:
        _refuse(
            f"choosing package {choice.name!r} of {catalog.origin}",
            "the catalog has no such package",
            f"There are: {', '.join(catalog.packages)}.",
        )
    channels = choice.channels or (ChannelChoice(package.default_channel),)
    return [one for channel in channels for one in _of_channel(package, channel, catalog.origin)]


def _of_channel(package: Package, choice: ChannelChoice, origin: str) -> list[Bundle]:
    if not package.channels.get(choice.name):
        is_there = choice.name in package.channels
        filled = sorted(name for name, entries in package.channels.items() if entries)
        _refuse(
            f"choosing channel {choice.name!r} of package {package.name!r} in {origin}",
            "the channel has no bundles" if is_there else "the package has no such channel",
            f"Those with bundles are: {', '.join(filled) or 'none'}.",
        )
    where = f"channel {choice.name!r} of package {package.name!r} in {origin}"
    if choice.min_version is None and choice.max_version is None:
        return [_bundle(package, channel_head(package, choice.name, origin), where)]
    bundles = [
        package.bundles[entry.name]
        for entry in package.channels[choice.name]
        if entry.name in package.bundles
    ]
    versions = {
        one.name: parse_version(one.version, f"bundle {one.name!r} in {where}") for one in bundles
    }
    low, high = choice.lowest(), choice.max_version
    chosen = [
        one
        for one in bundles
        if (low is None or low <= versions[one.name])
        and (high is None or versions[one.name] <= high)
    ]
    if not chosen:
        there = ", ".join(one.version for one in sorted(bundles, key=lambda b: versions[b.name]))
        _refuse(
            f"choosing versions of {where}",
            "none is within the range",
            f"There are: {there or 'none'}.",
        )
    return sorted(chosen, key=lambda one: versions[one.name])


def _bundle(package: Package, name: str, where: str) -> Bundle:
    bundle = package.bundles.get(name)
    if bundle is None:
        _refuse(f"reading {where}", f"its entry {name!r} has no {_BUNDLE}")
    return bundle


def _documents(text: str, where: str) -> Iterator[Any]:
    """Yield documents: JSON if the text begins so and has no YAML separator, YAML otherwise."""
    if text.lstrip()[:1] == "{" and "\n---" not in text:
        yield from iterate_json(text, where)
        return
    check_length(text, _YAML_MAX, where)
    documents = load_documents(text, where)
    yield from documents


def _add(contents: _Contents, document: Any, where: str) -> None:
    if not isinstance(document, Mapping):
        _refuse(f"reading {where}", f"it holds {shown(document)} where a document should be")
    schema = document.get("schema")
    if not isinstance(schema, str) or not schema:
        _refuse(f"reading {where}", f"the schema of a document is {shown(schema)}")
    if schema == _PACKAGE:
        name = _name(document, "name", f"an {schema} in {where}")
        default = _name(document, "defaultChannel", f"{schema} {name!r} in {where}")
        _put(contents.defaults, name, default, f"{schema} {name!r} in {where}")
    elif schema == _CHANNEL:
        name = _name(document, "name", f"an {schema} in {where}")
        place = f"{schema} {name!r} in {where}"
        channels = contents.channels.setdefault(_name(document, "package", place), {})
        _put(channels, name, _entries(document, place), place)
    elif schema == _BUNDLE:
        name = _name(document, "name", f"an {schema} in {where}")
        place = f"{schema} {name!r} in {where}"
        bundles = contents.bundles.setdefault(_name(document, "package", place), {})
        _put(bundles, name, _parse_bundle(document, name, place), place)


def _put(named: dict[str, Any], name: str, value: Any, place: str) -> None:
    if name in named:
        _refuse(f"reading {place}", "the catalog has it twice")
    named[name] = value


def _entries(document: Mapping[str, Any], place: str) -> tuple[ChannelEntry, ...]:
    entries = tuple(
        ChannelEntry(
            name=_name(one, "name", f"an entry of {place}"),
            replaces=_text(one, "replaces", place),
            skips=tuple(_skips(one, place)),
            skip_range=_text(one, "skipRange", place),
        )
        for one in _mappings(document, "entries", place)
    )
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        _refuse(f"reading {place}", f"the entry {twice!r} stands there twice")
    return entries


def _skips(entry: Mapping[str, Any], place: str) -> list[str]:
    skips = entry.get("skips") or []
    if not isinstance(skips, list) or not all(isinstance(one, str) for one in skips):
        _refuse(f"reading {place}", "the skips of an entry are no list of names")
    return skips


def _parse_bundle(document: Mapping[str, Any], name: str, place: str) -> Bundle:
    images = [(name, _text(document, "image", place))]
    images += [
        (_text(one, "name", place) or name, _text(one, "image", place))
        for one in _mappings(document, "relatedImages", place)
    ]
    # A bundle may lack an image, as may what it relates to (validateImagePullSpec of
    # alpha/declcfg/declcfg_to_model.go).
    components = unique(parse_component(one, image, place) for one, image in images if image)
    return Bundle(name, _version(document, place), components)


def _version(document: Mapping[str, Any], place: str) -> str:
    """Return the version as written; of a bundle that nobody chooses it need not be right."""
    for one in _mappings(document, "properties", place):
        value = one.get("value")
        if one.get("type") == _PACKAGE and isinstance(value, Mapping):
            return _text(value, "version", place)
    return ""


def _mappings(document: Mapping[str, Any], key: str, place: str) -> list[Mapping[str, Any]]:
    value = document.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        _refuse(f"reading {place}", f"{key} is no list of mappings")
    return value


def _name(document: Mapping[str, Any], key: str, place: str) -> str:
    value = document.get(key)
    if not is_name(value):
        _refuse(f"reading {place}", f"its {key} is {shown(value)}")
    return str(value)


def _text(document: Mapping[str, Any], key: str, place: str) -> str:
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable():
        _refuse(f"reading {place}", f"{key} is {shown(value)}", f"{key} must be text of one line.")
    return value


def _refuse(problem: str, cause: str, needed: str = "A valid catalog is needed.") -> NoReturn:
    raise InvalidCatalog(problem, cause, needed)
