# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module by itself on a real node: in check mode, for real, again, and again in check mode."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from fleet import CHECKOUT, DROP_IN, JOURNAL, Fleet, has_file
from lab import Node, payload
from lab.processes import wait_for

Module = Callable[..., dict[str, Any]]
# What Ansible adds: of a path that exists its owner and so on.
_OWN = {
    "changed", "diff", "invocation", "ansible_facts", "warnings", "deprecations",
    "uid", "gid", "owner", "group", "mode", "size", "state",
}  # fmt: skip


@pytest.fixture
def node(fleet: Fleet) -> Node:
    """Give a node that never saw us."""
    return fleet.node("node3")


@pytest.fixture
def run(fleet: Fleet, node: Node) -> Module:
    """Return what runs a module on the node, and returns its answer."""

    def run(name: str, check: bool = False, **options: Any) -> dict[str, Any]:
        argv = [
            "ansible", node.name, "-i", str(fleet.lab.inventory), "--one-line",
            "-m", f"edgefleet.crio.{name}", "-a", json.dumps(options), *(["--check"] if check else []),
        ]  # fmt: skip
        environment = {**os.environ, **fleet.control.environment(), "ANSIBLE_NOCOLOR": "1"}
        said = subprocess.run(
            argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
        )
        found = re.search(
            r"^\S+ \| (?:SUCCESS|CHANGED|FAILED!) => (.*)$", said.stdout, re.MULTILINE
        )
        assert found, said.stdout + said.stderr
        answer: dict[str, Any] = json.loads(found[1])
        return answer

    return run


def four_times(run: Module, name: str, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run it in check mode, for real, again and again in check mode; return the first two answers."""
    predicted = run(name, check=True, **options)
    done = run(name, **options)
    again = run(name, **options)
    checked = run(name, check=True, **options)
    assert (predicted["changed"], done["changed"]) == (True, True)
    assert (again["changed"], checked["changed"]) == (False, False)
    keys = [set(one) - _OWN for one in (predicted, done, again, checked)]
    assert keys[0] == keys[1] == keys[2] == keys[3]
    return predicted, done


def test_the_drop_in(run: Module, node: Node, images: list[payload.PushedImage]) -> None:
    """Created, changed, removed: the prediction is what is done, and check mode writes nothing."""
    one, two = (image.reference for image in images[:2])
    assert run("crio_pinned_file", check=True, references=[one])["changed"]
    assert not has_file(node, DROP_IN)
    assert not has_file(node, JOURNAL)
    for options, listed in (
        ({"references": [one]}, [one]),
        ({"state": "staged", "references": [two]}, sorted([one, two])),
        ({"references": [two]}, [two]),
    ):
        predicted, done = four_times(run, "crio_pinned_file", **options)
        assert predicted["references"] == done["references"] == listed
        assert all(f'"{reference}"' in node.read(DROP_IN) for reference in listed)
    four_times(run, "crio_pinned_file", state="absent")
    assert not has_file(node, DROP_IN)


def test_the_reload(run: Module, node: Node, images: list[payload.PushedImage]) -> None:
    """CRI-O has the list, then it has it no more."""
    reference = images[0].reference
    node.exec(["crictl", "pull", reference])
    run("crio_pinned_file", references=[reference])
    predicted, done = four_times(run, "crio_reload", references=[reference])
    assert predicted["action"] == done["action"] == "reload"
    assert done["unpinned"] == [reference]
    assert reference in node.pinned()
    run("crio_pinned_file", state="absent")
    _predicted, done = four_times(run, "crio_reload", references=[])
    assert done["stale"] == [reference]
    assert reference not in node.pinned()


def test_the_images(run: Module, node: Node, images: list[payload.PushedImage]) -> None:
    """Pulled, and removed once nothing pins them; one that was never ours stays."""
    ours, other = images[0].reference, images[1].reference
    node.exec(["crictl", "pull", other])
    predicted, done = four_times(run, "pinned_image_set", references=[ours])
    assert [one["outcome"] for one in predicted["images"]] == ["would_pull"]
    assert [one["outcome"] for one in done["images"]] == ["pulled"]
    run("crio_pinned_file", references=[ours])
    run("crio_reload", references=[ours])
    run("crio_pinned_file", state="absent")
    run("crio_reload", references=[])
    wait_for(lambda: ours not in node.pinned(), "CRI-O to let go of the image", seconds=20)
    predicted, done = four_times(run, "pinned_image_set", state="absent", references=[])
    assert [one["outcome"] for one in predicted["images"]] == ["would_remove"]
    assert [one["outcome"] for one in done["images"]] == ["removed"]
    listed = {digest for one in node.images() for digest in one["repoDigests"]}
    assert (ours in listed, other in listed) == (False, True)


def test_what_only_reads(run: Module, node: Node, images: list[payload.PushedImage]) -> None:
    """No change in either mode, the same answer in both, and nothing is written."""
    reference = images[0].reference
    node.exec(["crictl", "pull", reference])
    layer = {"digest": "sha256:" + "a" * 64, "size": 1000}
    locked = {
        "images": [{"reference": reference, "layers": [layer["digest"]]}], "layers": [layer],
    }  # fmt: skip
    for name, options in (
        ("pinned_image_set_info", {"references": [reference]}),
        ("node_storage_check", {"locked": locked, "min_free_bytes": 0}),
        ("image_store_info", {}),
    ):
        read, checked = run(name, **options), run(name, check=True, **options)
        assert read["changed"] is checked["changed"] is False
        assert set(read) == set(checked)
        assert not has_file(node, JOURNAL)
    kinds = {
        one["kind"] for one in run("pinned_image_set_info", references=[reference])["deviations"]
    }
    assert kinds == {"unpinned", "file_differs"}
