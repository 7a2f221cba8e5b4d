# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks, run by ansible-playbook where there is no node to reach."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
PROGRAM = Path(sys.executable).with_name("ansible-playbook")
# Without a Python no module runs there: the nodes are on this machine, and it stays as it is.
INVENTORY = """
[other]
backup
[edge]
site1
site2
site3
[all:vars]
ansible_connection=local
ansible_python_interpreter=/nonexistent/python
"""
SETS = [{"name": "a", "pool": "edge", "images": ["example.com/a@sha256:" + "a" * 64]}]
REFUSED = (
    "choosing the nodes: no host of the inventory is meant by target {}, so nothing was proven."
    " See its groups and hosts with ansible-inventory --graph, and name some in target."
)


def play(
    folder: Path, playbook: str, *arguments: str, inventory: str | None = INVENTORY
) -> tuple[int, str]:
    """Run a playbook; return its exit code and what it printed."""
    given: list[str | Path] = []
    if inventory is not None:
        (folder / "hosts.ini").write_text(inventory)
        given = ["-i", folder / "hosts.ini"]
    ended = subprocess.run(
        [PROGRAM, playbook if playbook.endswith(".yml") else f"playbooks/{playbook}.yml", *given,
         "-e", json.dumps({"pin_images_sets": SETS}), *arguments],
        cwd=CHECKOUT,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr


def recap(output: str) -> set[str]:
    """Return the hosts that the recap lists."""
    return set(re.findall(r"^(\S+) +: ok=", output.partition("PLAY RECAP")[2], re.MULTILINE))


@pytest.mark.parametrize(
    ("playbook", "arguments", "inventory", "said"),
    [
        ("pin_images", ["-e", "target=egde"], INVENTORY, "egde"),
        ("pin_images", ["-e", '{"target": ["a", "site1:!edge"]}'], INVENTORY, "a,site1:!edge"),
        ("verify_images", ["--limit", "backup"], INVENTORY, "edge with --limit backup"),
        ("unpin_images", [], None, "edge"),
    ],
)
def test_no_node_is_meant(
    tmp_path: Path, playbook: str, arguments: list[str], inventory: str | None, said: str
) -> None:
    """The run fails, and one line says what was asked for and where to look."""
    code, output = play(tmp_path, playbook, *arguments, inventory=inventory)
    assert code == 2, output
    assert json.loads(output.split("FAILED! => ")[1].split("\n\n")[0])["msg"] == REFUSED.format(
        said
    )
    assert "report |" not in output


@pytest.mark.parametrize(
    ("playbook", "inventory", "said"),
    [
        *(
            (
                name,
                None,
                "the inventory has no host, so --limit site1 means none, and nothing was proven",
            )
            for name in ("pin_images", "verify_images", "unpin_images")
        ),
        *(
            (name, inventory, "is done on localhost, which --limit site1 leaves out. Leave it out.")
            for name in ("lock_images", "compare_locks")
            for inventory in (None, INVENTORY)
        ),
    ],
)
def test_a_limit_that_leaves_no_host(
    tmp_path: Path, playbook: str, inventory: str | None, said: str
) -> None:
    """Ansible ends well a play that no host is left for; ours fails, in one line."""
    code, output = play(tmp_path, playbook, "--limit", "site1", inventory=inventory)
    assert code != 0, output
    assert said in output
    assert "PLAY RECAP" not in output


@pytest.mark.parametrize("playbook", ["lock_images", "compare_locks"])
def test_a_limit_to_the_control_node(tmp_path: Path, playbook: str) -> None:
    """It means what these playbooks mean."""
    code, output = play(tmp_path, playbook, "--limit", "localhost", inventory=None)
    assert code == 2, output
    assert recap(output) == {"localhost"}


@pytest.mark.parametrize(
    ("playbook", "arguments", "nodes"),
    [
        ("pin_images", ["-e", '{"target": ["site1", "site3"]}'], {"site1", "site3"}),
        ("verify_images", ["--limit", "site2:site3:backup"], {"site2", "site3"}),
        ("unpin_images", ["-e", "target=edge:!site3"], {"site1", "site2"}),
    ],
)
def test_the_nodes_that_are_meant(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    playbook: str,
    arguments: list[str],
    nodes: set[str],
) -> None:
    """The recap and the report are theirs alone, and there is a title more on the screen.

    There is one report, also where the user's strategy would make as many as nodes.
    """
    monkeypatch.setenv("ANSIBLE_STRATEGY", "free")
    code, output = play(tmp_path, playbook, *arguments)
    assert code == 2, output
    assert recap(output) == nodes
    assert "choosing the nodes" not in output
    assert output.count("\n2 failed\n") == output.count("nodes are whole.") == 1
    assert "Go on when one is" not in output
    assert output.count("\nPLAY [") == 2


def test_secrets_of_others_are_not_asked_for(tmp_path: Path) -> None:
    """A run needs the password of a vault for its own nodes only."""
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/other.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n3130\n")
    code, output = play(tmp_path, "verify_images")
    assert code == 2, output
    assert recap(output) == {"site1", "site2", "site3"}


def test_this_machine_without_an_inventory(tmp_path: Path) -> None:
    """Ansible knows it all the same, by its address too."""
    stopped = ["-e", "ansible_python_interpreter=/nonexistent/python"]
    code, output = play(tmp_path, "pin_images", "-e", "target=127.0.0.1", *stopped, inventory=None)
    assert code == 2, output
    assert "\n1 failed\n" in output


def test_a_source_that_is_no_node(tmp_path: Path) -> None:
    """Its name is not taken for an address."""
    source = json.dumps({"pin_images_sources": [{"node": "golden"}], "pin_images_lock": "x"})
    code, output = play(tmp_path, "lock_images", "-e", source)
    assert code == 2, output
    assert "reading what node golden holds: it is no host of the inventory. Give" in output
    assert "UNREACHABLE" not in output


def test_locking_with_a_name_of_no_option(tmp_path: Path) -> None:
    """Another platform would be locked than was meant; those of the other playbooks are known."""
    given = {"pin_images_platform": "linux/arm64", "pin_images_lock": "x", "pin_images_deep": True}
    code, output = play(tmp_path, "lock_images", "-e", json.dumps(given))
    assert code == 2, output
    said = "there is no option pin_images_platform, pin_images_platforms may be meant. No node was"
    assert said in output
    assert "Lock the images" not in output


ROLE = """
- hosts: edge
  gather_facts: false
  serial: 1
  tasks:
    - ansible.builtin.include_role: {name: edgefleet.crio.pin_images}
"""


def test_one_node_after_the_other(tmp_path: Path) -> None:
    """With serial, a batch says nothing of nodes whose turn is to come."""
    path = tmp_path / "serial.yml"
    path.write_text(ROLE)
    code, output = play(tmp_path, str(path))
    assert code == 2, output
    assert "\n1 failed\n" in output
    assert "site2" not in output
