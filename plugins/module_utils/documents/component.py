# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A component: an image that a source asks for, and the name it has there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Iterable, Sequence

from ..errors import EdgefleetError
from .reference import ImageReference, parse_reference

# What a reference without tag and digest means to every container tool (TagNameOnly of
# github.com/distribution/reference, normalize.go).
_DEFAULT_TAG = "latest"


class UselessExclusion(EdgefleetError):
    """A pattern that leaves nothing out."""


@dataclass(frozen=True)
class Component:
    """An image by digest, by tag or both; ``name`` is empty where the source has none."""

    name: str
    reference: ImageReference


@dataclass(frozen=True)
class Exclusion:
    """A glob of what is to be left out, and why."""

    pattern: str
    reason: str


@dataclass(frozen=True)
class Excluded:
    """A component that was left out, and the first exclusion that did it."""

    component: Component
    exclusion: Exclusion


def parse_component(name: str, reference: Any, origin: str) -> Component:
    """Return a component with its reference normalised.

    A reference without tag and digest has the tag ``latest``, as everywhere.

    :raises InvalidReference: naming ``origin``.
    """
    parsed = parse_reference(reference, origin)
    if parsed.tag is None and parsed.digest is None:
        parsed = replace(parsed, tag=_DEFAULT_TAG)
    return Component(name, parsed)


def unique(components: Iterable[Component]) -> tuple[Component, ...]:
    """Return each component once, where it came first; one image may have several names."""
    return tuple(dict.fromkeys(components))


def apply_exclusions(
    components: Sequence[Component], exclusions: Sequence[Exclusion], origin: str
) -> tuple[tuple[Component, ...], tuple[Excluded, ...]]:
    """Part what stays from what is left out.

    A pattern is a case-sensitive glob in which ``*`` stands for slashes too. It is held against
    a component's name, its reference, and its repository, and must match the whole of one. An
    image that a component that stays needs as well, stays with all its names.

    :returns: what stays, in its order, and what is left out.
    :raises UselessExclusion: when a pattern leaves nothing out: a misspelt one would lock what
        was to be left out.
    """
    verdicts = [(one, _first_match(one, exclusions)) for one in components]
    needed = {one.reference: one.name for one, exclusion in verdicts if exclusion is None}
    for exclusion in exclusions:
        matched = [one for one in components if _matches(one, exclusion.pattern)]
        if all(one.reference in needed for one in matched):
            raise UselessExclusion(
                f"excluding {exclusion.pattern!r} from {origin}",
                _useless_cause(matched, needed),
                "Correct the pattern or take it out.",
            )
    kept = tuple(one for one in components if one.reference in needed)
    excluded = tuple(
        Excluded(one, exclusion)
        for one, exclusion in verdicts
        if exclusion is not None and one.reference not in needed
    )
    return kept, excluded


def _first_match(component: Component, exclusions: Sequence[Exclusion]) -> Exclusion | None:
    return next((one for one in exclusions if _matches(component, one.pattern)), None)


def _matches(component: Component, pattern: str) -> bool:
    reference = component.reference
    texts = (component.name, str(reference), reference.repository)
    return any(fnmatchcase(text, pattern) for text in texts if text)


def _useless_cause(matched: Sequence[Component], needed: dict[ImageReference, str]) -> str:
    if not matched:
        return "nothing there matches it"
    first = matched[0]
    return f"{first.reference} is needed as {needed[first.reference]!r} too"
