# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what a document held: in words for messages, and within bounds."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..errors import EdgefleetError

# How much of a wrong value is worth showing, in characters.
_SHOWN_MAX = 80
# Whole numbers from here on are named, not shown: Python refuses to print very long ones.
_NUMBER_MAX = 2**64
# How many values the aliases of one YAML text may stand for: ten times an operator index.
_VALUES_MAX = 20_000_000


class TooLarge(EdgefleetError):
    """A document that would take more memory or time than any real one."""


class TwiceNamed(EdgefleetError):
    """Two sets of one name."""


def shown(value: Any) -> str:
    """Return a value for a message: short, on one line, whatever aliases it is made of."""
    if value is None:
        return "nothing"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN_MAX else value[:_SHOWN_MAX] + "...")
    if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < _NUMBER_MAX):
        return repr(value)
    return f"a {type(value).__name__}"


def is_name(value: Any) -> bool:
    """Say whether ``value`` is text of one line, without white space around it."""
    return isinstance(value, str) and bool(value) and value == value.strip() and value.isprintable()


def check_set_names(sets: Iterable[tuple[str, str]]) -> None:
    """Refuse two sets of one name: in a cluster the second would replace the first.

    :param sets: the name of each, and where it stands.
    :raises TwiceNamed: naming both places.
    """
    places: dict[str, str] = {}
    for name, place in sets:
        if name in places:
            raise TwiceNamed(
                f"set {name!r} of {place}",
                f"{places[name]} has a set of that name too",
                "Every set needs a name of its own.",
            )
        places[name] = place


def check_length(text: str, limit: int, origin: str) -> None:
    """Refuse a text of more than ``limit`` characters.

    :raises TooLarge: with both numbers.
    """
    if len(text) > limit:
        raise TooLarge(
            f"reading {origin}",
            f"it has {len(text)} characters",
            f"At most {limit} are read.",
        )


def check_expansion(value: Any, origin: str) -> None:
    """Refuse what YAML aliases blow up, or turn into a thing that holds itself.

    :param value: lists and mappings, as YAML or JSON gave them.
    :raises TooLarge: before anything walks through it.
    """
    sizes: dict[int, int] = {}
    above: set[int] = set()
    stack = [value]
    while stack:
        node, key = stack[-1], id(stack[-1])
        inner = _containers(node)
        if key in sizes:
            stack.pop()
        elif key in above:
            sizes[key] = 1 + len(node) + sum(sizes[id(one)] for one in inner)
            above.discard(key)
            if sizes[key] > _VALUES_MAX:
                raise TooLarge(
                    f"reading {origin}",
                    f"its aliases stand for more than {_VALUES_MAX} values",
                    "Write it without aliases.",
                )
        else:
            above.add(key)
            if any(id(one) in above for one in inner):
                raise TooLarge(
                    f"reading {origin}", "an alias in it holds itself", "Write it without aliases."
                )
            stack += inner


def _containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, Mapping) else value
    return [one for one in inner if isinstance(one, (Mapping, list, tuple))]


def require_at_least(options: Mapping[str, float], least: Mapping[str, float]) -> None:
    """Refuse options that are too small.

    :raises EdgefleetError: for the first of them.
    """
    for option, number in least.items():
        if options[option] < number:
            raise EdgefleetError(
                f"option {option}", f"{options[option]} is too small", f"At least {number}."
            )
