# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a catalog count: all but those that ``.indexignore`` files name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Iterable, Mapping

IGNORE_FILE = ".indexignore"
_ANY_FOLDERS = "**"
# One thing of a pattern, and one range within brackets (wildmatch.c of git).
_TOKEN = re.compile(
    r"(?P<wildcard>[*?])"
    r"|\[(?P<negated>[!^]?)(?P<members>(?:\\.|[^\\])(?:\\.|[^\\\]])*)\]"
    r"|(?P<plain>\\.|[^\\*?[])",
    re.DOTALL,
)
_MEMBER = re.compile(r"(?P<low>\\.|[^\\])(?:-(?P<high>\\.|[^\\]))?", re.DOTALL)


@dataclass(frozen=True)
class _Pattern:
    """One line of an ignore file, taken apart as go-git does (gitignore/pattern.go)."""

    folder: tuple[str, ...]
    includes: bool
    folders_only: bool
    parts: tuple[str, ...]

    def matches(self, path: tuple[str, ...]) -> bool:
        """Say whether the line is about a file."""
        if path[: len(self.folder)] != self.folder or len(path) <= len(self.folder):
            return False
        below = path[len(self.folder) :]
        if len(self.parts) == 1:
            return self._matches_any_part(below)
        return self._matches_from_the_folder(below)

    def _matches_any_part(self, below: tuple[str, ...]) -> bool:
        """A line without slashes is about a name at any depth, and what lies below it."""
        above = () if self.includes else below[:-1]
        among = above if self.folders_only else (*above, below[-1])
        return any(match_name(self.parts[0], name) for name in among)

    def _matches_from_the_folder(self, below: tuple[str, ...]) -> bool:
        anywhere = matched = False
        for part in self.parts:
            if part == _ANY_FOLDERS:
                anywhere = True
            elif part:
                skipped = _skipped(part, below, anywhere)
                if skipped is None:
                    return False
                below, matched, anywhere = below[skipped + 1 :], True, False
        if anywhere:
            return bool(below) and not self.folders_only
        return matched and (not self.includes if below else not self.folders_only)


def catalog_files(paths: Iterable[str], ignore_texts: Mapping[str, str]) -> list[str]:
    """Return the files that operator-registry reads of a catalog's folder, sorted.

    As there (walkFiles of alpha/declcfg/load.go, on github.com/joelanford/ignore and go-git): the
    last line that is about a file decides, a line with an exclamation mark takes it in again, and
    a file of a folder that is left out can be taken in again.

    :param paths: every file, relative to the folder, with slashes; ignore files too.
    :param ignore_texts: the text of every ``.indexignore``, by its path.
    """
    patterns = [
        _parse_line(line.strip(), tuple(path.split("/")[:-1]))
        for path in sorted(ignore_texts, key=lambda one: one.split("/"))
        for line in ignore_texts[path].splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]
    return sorted(path for path in paths if not _left_out(tuple(path.split("/")), patterns))


def match_name(pattern: str, name: str) -> bool:
    """Match a name without slashes as git does, in a time that grows with both lengths only.

    ``*``, ``?``, ``[a-z]``, ``[!a-z]``, ``[^a-z]``, and a backslash before what is to stand for
    itself; a pattern that ends within one of them matches nothing.
    """
    tokens = _tokens(pattern)
    if tokens is None:
        return False
    at = place = resume = 0
    star = -1
    while place < len(name):
        if at < len(tokens) and tokens[at] is _STAR:
            star, resume, at = at, place, at + 1
        elif at < len(tokens) and tokens[at].matches(name[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            # What the last star stands for grows by one; earlier stars need no second try.
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return all(token is _STAR for token in tokens[at:])


@dataclass(frozen=True)
class _Token:
    """What one character may be: within the ranges, or without them when negated."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def matches(self, character: str) -> bool:
        """Say whether a character is one of them."""
        inside = any(low <= character <= high for low, high in self.ranges)
        return inside != self.negated


_STAR = _Token(())
_ANY = _Token((), negated=True)


def _tokens(pattern: str) -> list[_Token] | None:
    tokens: list[_Token] = []
    place = 0
    while place < len(pattern):
        match = _TOKEN.match(pattern, place)
        if match is None:
            return None
        tokens.append(_token(*match.group("wildcard", "plain", "negated", "members")))
        place = match.end()
    return tokens


# Patterns repeat what they are made of.
@lru_cache(maxsize=1000)
def _token(
    wildcard: str | None, plain: str | None, negated: str | None, members: str | None
) -> _Token:
    """Return one token from what was matched; a last character is without its backslash."""
    if wildcard:
        return _STAR if wildcard == "*" else _ANY
    if plain:
        return _Token(((plain[-1], plain[-1]),))
    ranges = tuple(
        (one["low"][-1], (one["high"] or one["low"])[-1]) for one in _MEMBER.finditer(members or "")
    )
    return _Token(ranges, bool(negated))


def _left_out(path: tuple[str, ...], patterns: list[_Pattern]) -> bool:
    if path[-1] == IGNORE_FILE:
        return True
    for pattern in reversed(patterns):
        if pattern.matches(path):
            return not pattern.includes
    return False


def _parse_line(line: str, folder: tuple[str, ...]) -> _Pattern:
    includes = line.startswith("!")
    line = line[1:] if includes else line
    folders_only = line.endswith("/")
    parts = tuple((line[:-1] if folders_only else line).split("/"))
    return _Pattern(folder, includes, folders_only, parts)


def _skipped(part: str, below: tuple[str, ...], anywhere: bool) -> int | None:
    """Return how many names stand before the one that ``part`` matches."""
    among = below if anywhere else below[:1]
    return next((n for n, name in enumerate(among) if match_name(part, name)), None)
