# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role's argument specs, defaults and README say of its variables is the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted((Path(__file__).resolve().parents[2] / "roles").iterdir())


def options(role: Path) -> dict[str, Any]:
    """Return the options of all entry points of a role by their names."""
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    found: dict[str, Any] = {}
    for spec in specs.values():
        for name, option in spec.get("options", {}).items():
            assert found.setdefault(name, option) == option, "entry points disagree"
    return found


def entry_points(role: Path) -> set[str]:
    """Return the names of the task files that a play may enter a role by."""
    return set(yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"])


@pytest.fixture(params=ROLES, ids=lambda role: role.name)
def role(request: pytest.FixtureRequest) -> Path:
    """Return one role after the other."""
    path: Path = request.param
    return path


def test_defaults_are_those_of_the_specs(role: Path) -> None:
    """Each default stands in both places, with one value."""
    path = role / "defaults/main.yml"
    defaults = yaml.safe_load(path.read_text()) if path.exists() else {}
    specified = {name: one["default"] for name, one in options(role).items() if "default" in one}
    assert defaults == specified
    assert all(("default" in one) != one.get("required", False) for one in options(role).values())


def test_names_carry_the_roles_prefix(role: Path) -> None:
    """No variable of a role can meet another role's."""
    assert all(name.startswith(f"{role.name}_") for name in options(role))


def test_entry_points_are_there(role: Path) -> None:
    """Each entry point that has a spec has a task file."""
    assert all((role / f"tasks/{name}.yml").exists() for name in entry_points(role))


def test_the_readme_names_every_variable_and_entry_point(role: Path) -> None:
    """Nothing that may be set is undocumented."""
    text = (role / "README.md").read_text()
    assert [name for name in options(role) if f"`{name}`" not in text] == []
    assert [name for name in entry_points(role) - {"main"} if name not in text] == []


def test_options_are_converted_where_they_are_used(role: Path) -> None:
    """Surveys and -e give strings, and specs do not convert: booleans and numbers are piped."""
    files = sorted([*(role / "tasks").glob("*.yml"), *(role / "vars").glob("*.yml")])
    used = "\n".join(path.read_text() for path in files)
    for name, option in options(role).items():
        converter = {"bool": "bool", "int": "int", "float": "float"}.get(option["type"])
        # A module, or the role that it is passed on to, converts it.
        passed_on = f'"{{{{ {name} }}}}"' in used
        if converter and not passed_on:
            assert f"{name} | {converter}" in used, name


def test_the_report_reads_what_the_roles_register() -> None:
    """Each step is registered by a role, and the report asks for no other one, nor forgets one."""
    root = ROLES[0].parent
    registered = {
        name
        for path in root.glob("*/tasks/*.yml")
        for name in re.findall(
            r"(?:register: |^ +)(__pin_images_\w+|\w+_result)\b", path.read_text(), re.MULTILINE
        )
    }
    variables = yaml.safe_load((root / "pin_images/vars/main.yml").read_text())
    steps = variables["__pin_images_steps"]
    assert {*steps, variables["__pin_images_read_in"]} <= registered
    report = (root.parent / "plugins/plugin_utils/report.py").read_text()
    read = set(re.findall(r'"(__pin_images_\w+|\w+_result)"', report))
    # The look comes first, whatever its name, with what the layers add; a reload is told by what it
    # leaves.
    told = {"__pin_images_look", "__pin_images_content", "runtime_reload_result"}
    assert read == set(steps) - told


def test_names_that_look_like_options_of_pin_images() -> None:
    """The role refuses a name that is no option; those that only the playbooks take it knows."""
    root = ROLES[0].parent / "pin_images"
    options = yaml.safe_load((root / "defaults/main.yml").read_text())
    others = yaml.safe_load((root / "vars/main.yml").read_text())["__pin_images_others"]
    taken = {
        name
        for path in root.parent.parent.glob("playbooks/*.yml")
        for name in re.findall(r"\bpin_images_\w+", path.read_text())
    }
    assert taken - set(options) == set(others)
