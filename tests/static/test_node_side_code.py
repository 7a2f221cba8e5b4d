# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for code that runs on nodes and that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "plugins/modules").glob("*.py"))
CORE = sorted((ROOT / "plugins/module_utils").rglob("*.py"))
# The files through which everything passes that touches a machine.
HOSTS = [
    ROOT / f"plugins/module_utils/node/{name}.py"
    for name in ("reading_host", "filesystems", "host", "control_host")
]
# Builtins that touch a machine, end a program, or run text as code.
KEPT_OUT = {"open", "print", "input", "exit", "quit", "breakpoint", "eval", "exec", "__import__"}


def name_of(file: Path) -> str:
    """Return a file's name in the checkout, as the id of its test."""
    return str(file.relative_to(ROOT))


def builtins_called(source: str) -> set[str]:
    """Return which of the builtins that are kept out, or of sys.exit, a source calls."""
    called = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in KEPT_OUT | {"sys.exit"}:
                called.add(name)
    return called


def test_there_is_node_side_code() -> None:
    assert MODULES
    assert set(HOSTS) <= set(CORE)


@pytest.mark.parametrize("file", MODULES + CORE, ids=name_of)
def test_grammar_is_that_of_python_3_8(file: Path) -> None:
    ast.parse(file.read_text(), filename=str(file), feature_version=(3, 8))


def test_newer_grammar_is_seen() -> None:
    with pytest.raises(SyntaxError):
        ast.parse("match 1:\n    case _: pass\n", feature_version=(3, 8))


@pytest.mark.parametrize("file", [f for f in MODULES + CORE if f not in HOSTS], ids=name_of)
def test_only_host_opens_files_and_nothing_prints_or_exits(file: Path) -> None:
    assert builtins_called(file.read_text()) == set()


@pytest.mark.parametrize("host", HOSTS, ids=name_of)
def test_host_neither_prints_nor_exits(host: Path) -> None:
    assert builtins_called(host.read_text()) <= {"open"}


@pytest.mark.parametrize("name", sorted(KEPT_OUT | {"sys.exit"}))
def test_a_call_that_is_kept_out_is_seen(name: str) -> None:
    assert builtins_called(f"def f():\n    return {name}('x')\n") == {name}


@pytest.mark.parametrize("file", CORE, ids=name_of)
def test_what_is_public_in_the_core_has_a_docstring(file: Path) -> None:
    documented = ast.FunctionDef, ast.ClassDef
    tree = ast.parse(file.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    members = [member for scope in (tree, *classes) for member in scope.body]
    public = [m for m in members if isinstance(m, documented) and not m.name.startswith("_")]
    assert [m.name for m in public if not ast.get_docstring(m)] == []


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_a_module_has_at_most_150_lines_of_code(file: Path) -> None:
    tree = ast.parse(file.read_text())
    documentation = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    lines: set[int] = set()
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if not any(isinstance(t, ast.Name) and t.id in documentation for t in targets):
            lines.update(range(statement.lineno, (statement.end_lineno or 0) + 1))
    assert len(lines) <= 150
