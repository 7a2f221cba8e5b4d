# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a catalog count."""

from __future__ import annotations

import re

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.indexignore import (
    catalog_files,
    match_name,
)
from hypothesis import given
from hypothesis import strategies as st

FILES = [
    "a/catalog.json",
    "a/b/catalog.yaml",
    "a/b/c/notes.txt",
    "README.md",
    "docs/README.md",
    "docs/a/b.yaml",
]


def left_out(**ignored: str) -> list[str]:
    """Return the files that do not count; folders' names stand for their ignore files."""
    texts = {
        ".indexignore" if folder == "root" else f"{folder.replace('_', '/')}/.indexignore": text
        for folder, text in ignored.items()
    }
    kept = catalog_files([*FILES, *texts], texts)
    assert kept == sorted(kept)
    return [one for one in FILES if one not in kept]


def test_without_ignore_files_all_count() -> None:
    """Every file is read, whatever its ending; ignore files are not."""
    assert left_out() == []
    assert catalog_files(["b", "a", ".indexignore", "x/.indexignore"], {}) == ["a", "b"]


@pytest.mark.parametrize(
    ("lines", "out"),
    [
        ("", []),
        ("# README.md\n\n", []),
        ("README.md", ["README.md", "docs/README.md"]),
        ("  README.md  \r\n", ["README.md", "docs/README.md"]),
        ("/README.md", ["README.md"]),
        ("docs/README.md", ["docs/README.md"]),
        ("docs", ["docs/README.md", "docs/a/b.yaml"]),
        ("docs/", ["docs/README.md", "docs/a/b.yaml"]),
        ("/docs/", ["docs/README.md", "docs/a/b.yaml"]),
        ("README.md/", []),
        ("/README.md/", []),
        ("*.yaml", ["a/b/catalog.yaml", "docs/a/b.yaml"]),
        ("a/*", ["a/catalog.json", "a/b/catalog.yaml", "a/b/c/notes.txt"]),
        ("a/*/*.yaml", ["a/b/catalog.yaml"]),
        ("a/**", ["a/catalog.json", "a/b/catalog.yaml", "a/b/c/notes.txt"]),
        ("a/**/", []),
        ("**/c/*", ["a/b/c/notes.txt"]),
        ("**/notes.txt", ["a/b/c/notes.txt"]),
        ("a/**/notes.txt", ["a/b/c/notes.txt"]),
        ("a/**/other.txt", []),
        ("README.md/**", []),
        ("a/b/catalog.yaml/x", []),
        ("c/notes.txt", []),
        ("*\n!a/catalog.json", [one for one in FILES if one != "a/catalog.json"]),
        ("*\n!*.json", [one for one in FILES if one != "a/catalog.json"]),
        ("*\n!docs/", FILES),
        ("*\n!/docs", FILES),
        ("*\n!docs/**", [one for one in FILES if not one.startswith("docs/")]),
        ("!*.json\n*.json", ["a/catalog.json"]),
        ("/", []),
    ],
)
def test_lines(lines: str, out: list[str]) -> None:
    """A line is about names, paths, folders; the last that is about a file decides."""
    assert left_out(root=lines) == out


def test_a_folders_own_ignore_file() -> None:
    """It is about what lies in that folder only, and comes after those above."""
    assert left_out(docs="README.md") == ["docs/README.md"]
    assert left_out(a_b="/catalog.yaml") == ["a/b/catalog.yaml"]
    assert left_out(root="*.md", docs="!README.md") == ["README.md"]
    assert left_out(a_b="*") == ["a/b/catalog.yaml", "a/b/c/notes.txt"]


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("a*c", "abbc", True),
        ("a*c", "abbcd", False),
        ("*a*b*", "xxaxxbxx", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("", "", True),
        ("*", "", True),
        ("[ab]", "b", True),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[!a-c]x", "dx", True),
        ("[]a]", "]", True),
        ("[a-]", "-", True),
        (r"[\]]", "]", True),
        (r"[\a-\c]", "b", True),
        (r"\*", "*", True),
        (r"\*", "a", False),
        ("[", "[", False),
        ("[a", "a", False),
        ("a\\", "a\\", False),
    ],
)
def test_names(pattern: str, name: str, matches: bool) -> None:
    """Wildcards as git has them; a malformed pattern matches nothing."""
    assert match_name(pattern, name) is matches


def test_many_stars_take_no_time() -> None:
    """No pattern makes matching go on for ever."""
    assert not match_name("*a" * 60 + "b", "a" * 5000)


@given(st.text(alphabet="ab*?"), st.text(alphabet="ab"))
def test_wildcards_agree_with_regular_expressions(pattern: str, name: str) -> None:
    """The plain wildcards mean what they mean everywhere."""
    squeezed = re.sub(r"\*+", "*", pattern)
    expression = squeezed.replace("*", ".*").replace("?", ".")
    assert match_name(pattern, name) is bool(re.fullmatch(expression, name))


@given(st.text(), st.text(alphabet="ab/.*!x"))
def test_any_text_is_taken(line: str, path: str) -> None:
    """No line leads to an error."""
    assert catalog_files([path], {".indexignore": line}) in ([path], [])
