# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of one play that are set to different images: each gets its own, as Ansible itself tells them apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
DIGEST = "sha256:" + "a" * 64
# The role's own tasks up to where a node would be asked, and what each node would be asked for.
PLAY = {
    "hosts": "all",
    "gather_facts": False,
    "tasks": [
        {
            "ansible.builtin.include_role": {
                "name": "edgefleet.crio.pin_images", "tasks_from": "read", "public": True,
            }
        },
        {
            "ansible.builtin.copy": {
                "content": "{{ __pin_images_references | to_json }}",
                "dest": "{{ lookup('env', 'ANSWERS') }}/{{ inventory_hostname }}",
                "mode": "0644",
            }
        },
    ],
}  # fmt: skip


def image(name: str) -> str:
    """Return a reference."""
    return f"example.com/{name}@{DIGEST}"


def one_set(name: str, pool: str = "edge") -> dict[str, Any]:
    """Return a set of one image of the same name."""
    return {"name": name, "pool": pool, "images": [image(name)]}


def wanted(
    folder: Path, nodes: dict[str, Any], play: dict[str, Any] | None = None
) -> tuple[dict[str, list[str]], str]:
    """Return what each node wants, by Ansible, with variables of the nodes and of the play; and the screen."""
    answers = folder / "answers"
    answers.mkdir()
    local = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": nodes, "vars": local}}))
    (folder / "play.yml").write_text(yaml.safe_dump([{**PLAY, "vars": play or {}}]))
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "inventory.yml",
            "play.yml",
        ],
        cwd=folder,
        env={
            **os.environ,
            "ANSWERS": str(answers),
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    found = {one.name: json.loads(one.read_text()) for one in answers.iterdir()}
    return found, done.stdout + done.stderr


def test_sets_of_their_own(tmp_path: Path) -> None:
    """In whichever order: by the inventory, with pools, and by the default where it says nothing."""
    base = [one_set("base"), one_set("control", "control")]
    nodes = {
        "a": {"pin_images_sets": base},
        "b": {"pin_images_sets": [one_set("other")]},
        "c": {"pin_images_sets": base, "pin_images_pool": "control"},
        "d": {"pin_images_sets": "{{ elsewhere }}", "elsewhere": [one_set("elsewhere")]},
    }
    found, _screen = wanted(tmp_path, nodes)
    assert found == {
        "a": [image("base")], "b": [image("other")], "c": [image("control")],
        "d": [image("elsewhere")],
    }  # fmt: skip


@pytest.mark.parametrize("first", [{}, {"pin_images_sets": [one_set("all")]}])
def test_a_variable_of_the_play_holds_for_all(tmp_path: Path, first: dict[str, Any]) -> None:
    """Over what the inventory says, also where the first node's inventory happens to say the same."""
    nodes = {"a": first, "b": {"pin_images_sets": [one_set("other")]}}
    found, _screen = wanted(tmp_path, nodes, {"pin_images_sets": [one_set("all")]})
    assert found == {"a": [image("all")], "b": [image("all")]}


def test_what_the_play_makes_of_a_setting(tmp_path: Path) -> None:
    """A node for which that is not the first one's is refused in one line, and never gets another one's."""
    nodes = {
        name: {
            "pin_images_sets": [{**one_set("x"), "images": [f"{{{{ registry }}}}/{name}@{DIGEST}"]}]
        }
        for name in "ab"
    }
    found, screen = wanted(tmp_path, nodes, {"registry": "example.com"})
    assert found == {"a": [image("a")]}
    assert "its inventory does not tell pin_images_sets without variables of the play" in " ".join(
        screen.split()
    )


def test_what_the_play_makes_of_a_pool(tmp_path: Path) -> None:
    """The same for a pool that only the node itself can tell."""
    sets = [one_set("x"), one_set("y", "control")]
    nodes = {"a": {"site": "edge"}, "b": {"site": "control"}}
    play = {"pin_images_sets": sets, "pin_images_pool": "{{ site }}"}
    found, screen = wanted(tmp_path, nodes, play)
    assert found == {"a": [image("x")]}
    assert "its inventory does not tell pin_images_pool without variables of the play" in " ".join(
        screen.split()
    )


def test_bad_input_of_some(tmp_path: Path) -> None:
    """Nothing is begun, and the line names the nodes that are set to it."""
    bad = {"pin_images_sets": [{**one_set("x"), "images": ["example.com/x:latest"]}]}
    nodes = {"a": {"pin_images_sets": [one_set("base")]}, **dict.fromkeys("bcdef", bad)}
    found, screen = wanted(tmp_path, nodes)
    assert found == {}
    assert "for b, c, d and 2 more: image reference" in " ".join(screen.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pin_images_retries": "many"}, "argument 'pin_images_retries' is of type "),
        ({"pin_images_on_conflict": "mrge"}, "must be one of: fail, merge, got: mrge"),
        ({"pin_images_max_parallel": "0"}, "pin_images_max_parallel is 0, at least 1 is needed"),
    ],
)
def test_an_option_of_one_node_that_is_wrong(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    """Nobody is asked for anything; the node is named, and what it should be, without the whole spec."""
    nodes = {name: {"pin_images_sets": [one_set("base")]} for name in ("a", "b", "c")}
    nodes["b"].update(options)
    found, screen = wanted(tmp_path, nodes)
    assert found == {}
    message = " ".join(screen.split())
    assert "for b: " in message
    assert said in message.replace("'", "'").replace("''", "'")
    assert "No node was touched." in message
    assert "argument_spec_data" not in screen


@pytest.mark.parametrize("name", ["pin_images_lok", "pinned_images_lock"])
@pytest.mark.parametrize("where", ["inventory", "play"])
def test_a_name_of_no_option(tmp_path: Path, where: str, name: str) -> None:
    """It would be ignored, and another lock be taken than was meant: nobody is asked for anything."""
    nodes = {
        name: {"pin_images_sets": [one_set("base")], "pin_images_measure": True} for name in "ab"
    }
    misspelt = {name: "site.lock.yml"}
    nodes["b"].update(misspelt if where == "inventory" else {})
    found, screen = wanted(tmp_path, nodes, misspelt if where == "play" else None)
    assert found == {}
    message = " ".join(screen.split())
    whose = "for b: " if where == "inventory" else ""
    assert f"{whose}there is no option {name}, pin_images_lock may be meant." in message
