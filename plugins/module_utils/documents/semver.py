# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions and ranges of versions as github.com/blang/semver reads them, which OLM uses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from ..errors import EdgefleetError
from .shape import shown

# Parse of blang/semver (semver.go): numbers without leading zeroes, each within 64 bits.
_NUMBER = r"(?:0|[1-9][0-9]{0,18})"
_PRE_RELEASE = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-({_PRE_RELEASE}(?:\.{_PRE_RELEASE})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_VERSION_MAX = 256
_RANGE_MAX = 4096
# One comparison of a range: an operator, perhaps white space, and a version, perhaps with x for
# its last numbers (ParseRange of blang/semver, range.go).
_COMPARISON = re.compile(r"(==|=|!=|!|>=|>|<=|<|)\s*([0-9][^\s<>=!|]*)")
_WILDCARD = re.compile(rf"({_NUMBER})(?:\.({_NUMBER}))?(?:\.x){{1,2}}")


class InvalidVersion(EdgefleetError):
    """Text that is no semantic version, or no range of them."""


@total_ordering
@dataclass(frozen=True)
class Version:
    """A semantic version; what follows a plus sign does not count and is not kept."""

    numbers: tuple[int, int, int]
    pre_release: tuple[str, ...]

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        """Order as semver.org says: a pre-release before its release, numbers before words."""
        parts = tuple(
            (False, int(one), "") if one.isdigit() else (True, 0, one) for one in self.pre_release
        )
        return self.numbers, not self.pre_release, parts


@dataclass(frozen=True)
class VersionRange:
    """Versions that meet every comparison of at least one alternative."""

    alternatives: tuple[tuple[tuple[str, Version], ...], ...]

    def __contains__(self, version: Version) -> bool:
        return any(
            all(_holds(version, operator, bound) for operator, bound in comparisons)
            for comparisons in self.alternatives
        )


def parse_version(text: object, origin: str) -> Version:
    """Parse ``major.minor.patch[-pre-release][+build]``, e.g. ``4.14.0-202310201027``.

    :raises InvalidVersion: naming ``origin``.
    """
    match = None
    if isinstance(text, str) and len(text) <= _VERSION_MAX:
        match = _VERSION.fullmatch(text)
    if match is None:
        raise InvalidVersion(
            f"version {shown(text)} of {origin}",
            "it is no semantic version",
            "Text like '4.14.0' or '4.14.0-202310201027' is needed.",
        )
    pre_release = match[4]
    return Version(
        (int(match[1]), int(match[2]), int(match[3])),
        tuple(pre_release.split(".")) if pre_release else (),
    )


def parse_range(text: object, origin: str) -> VersionRange:
    """Parse a range such as ``>=4.11.0 <4.14.0-202310201027 || 5.0.x``.

    White space joins comparisons, ``||`` separates alternatives.

    :raises InvalidVersion: naming ``origin``.
    """
    if not isinstance(text, str) or len(text) > _RANGE_MAX:
        raise _no_range(text, origin)
    return VersionRange(tuple(_comparisons(part, text, origin) for part in text.split("||")))


def _comparisons(part: str, text: str, origin: str) -> tuple[tuple[str, Version], ...]:
    found: list[tuple[str, Version]] = []
    rest = part.strip()
    while rest:
        match = _COMPARISON.match(rest)
        if match is None:
            raise _no_range(text, origin)
        found += _comparison(match[1], match[2], origin)
        rest = rest[match.end() :].lstrip()
    if not found:
        raise _no_range(text, origin)
    return tuple(found)


def _comparison(operator: str, written: str, origin: str) -> list[tuple[str, Version]]:
    operator = {"": "=", "==": "=", "!": "!="}.get(operator, operator)
    wildcard = _WILDCARD.fullmatch(written)
    if wildcard is None:
        return [(operator, parse_version(written, origin))]
    major, minor = int(wildcard[1]), int(wildcard[2] or 0)
    low = Version((major, minor, 0), ())
    high = Version((major, minor + 1, 0) if wildcard[2] else (major + 1, 0, 0), ())
    # expandWildcardVersion of blang/semver; != with a wildcard can hold for no version there.
    return {
        "=": [(">=", low), ("<", high)],
        "!=": [("<", low), (">=", high)],
        ">": [(">=", high)],
        ">=": [(">=", low)],
        "<": [("<", low)],
        "<=": [("<", high)],
    }[operator]


def _holds(version: Version, operator: str, bound: Version) -> bool:
    return {
        "=": version == bound,
        "!=": version != bound,
        ">": version > bound,
        ">=": version >= bound,
        "<": version < bound,
        "<=": version <= bound,
    }[operator]


def _no_range(text: object, origin: str) -> InvalidVersion:
    return InvalidVersion(
        f"version range {shown(text)} of {origin}",
        "it is no range of semantic versions",
        "Text like '>=4.11.0 <4.14.0' is needed.",
    )
