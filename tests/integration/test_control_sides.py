# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main playbook from other control sides: an installed tarball, older and newer ansible-core."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from fleet import CHECKOUT, Control, Fleet, out_of_reach, without
from lab import payload
from tooling import build, venvs

CORES, _ABSENT = venvs.matrix()


def pin_twice(fleet: Fleet, images: list[payload.PushedImage]) -> None:
    """Pin two images, see CRI-O report them, and see the second run change nothing."""
    sets = [str(fleet.set_file("few", images[:2]))]
    first = fleet.pin(pin_images_sets=sets)
    assert first.rc == 0
    for name in fleet.names:
        assert {image.reference for image in images[:2]} <= fleet.node(name).pinned()
    again = fleet.pin(pin_images_sets=sets)
    assert again.rc == 0
    assert set(again.changed().values()) == {0}
    assert "DEPRECATION" not in first.output


SITE = """
- ansible.builtin.import_playbook: edgefleet.crio.pin_images
- ansible.builtin.import_playbook: edgefleet.crio.verify_images
"""


def pin_and_verify_with_troubled_nodes(fleet: Fleet, images: list[payload.PushedImage]) -> None:
    """One is whole, one has no crictl, one is gone: both plays of a process report on all three."""
    sets = [str(fleet.set_file("few", images[:2]))]
    (fleet.work / "site.yml").write_text(SITE)
    site = Fleet(
        fleet.lab, fleet.work, replace(fleet.control, folder=fleet.work, playbook="{}.yml")
    )
    with out_of_reach(fleet.node("node3")), without(fleet.node("node2"), "crictl"):
        run = site.play("site", pin_images_sets=sets)
    assert run.rc != 0
    first, second = (part.partition("PLAY ")[0] for part in run.output.split("Report on every")[1:])
    assert re.search(r"^node1 +converged ", first, re.MULTILINE)
    assert re.search(r"^node2 +failed +looking for crictl: it is not inst", first, re.MULTILINE)
    assert re.search(r"^node3 +unreachable ", first, re.MULTILINE)
    assert "\nNeeds a person: node2.\nThe next run tries again: node3.\n" in first
    assert re.search(r"^node1 +converged ", second, re.MULTILINE)
    assert "2 failed" in second


@pytest.mark.parametrize(("version", "bin_dir"), CORES, ids=[version for version, _bin in CORES])
def test_ansible_core(
    fleet: Fleet, images: list[payload.PushedImage], version: str, bin_dir: Path
) -> None:
    """Each promised ansible-core runs the main playbook, and says nothing of deprecation."""
    said = subprocess.run(
        [bin_dir / "ansible-playbook", "--version"], capture_output=True, text=True, check=True
    )
    assert version in said.stdout
    fleet = Fleet(fleet.lab, fleet.work, Control(program=str(bin_dir / "ansible-playbook")))
    pin_twice(fleet, images)
    pin_and_verify_with_troubled_nodes(fleet, images)


def test_installed_from_the_tarball(
    fleet: Fleet, images: list[payload.PushedImage], tmp_path: Path
) -> None:
    """Built, installed into an empty path, and run from there by its full name."""
    _tarball, installed = build.install(tmp_path)
    assert CHECKOUT not in installed.parents
    control = Control(folder=installed, playbook="edgefleet.crio.{}", collections=installed)
    fleet = Fleet(fleet.lab, fleet.work, control)
    sets = [str(fleet.set_file("few", images[:2]))]
    run = fleet.play("pin_images", pin_images_sets=sets)
    assert run.rc == 0
    assert {image.reference for image in images[:2]} <= fleet.node("node1").pinned()
