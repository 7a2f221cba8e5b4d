# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes on which pinning cannot work say so in one line; the others of the run finish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest
from fleet import DROP_IN, Fleet, Run, has_file, stand_in, without
from lab import Node, payload


@contextmanager
def no_crictl(node: Node) -> Iterator[None]:
    """Take crictl away."""
    with without(node, "crictl"):
        yield


@contextmanager
def no_crio(node: Node) -> Iterator[None]:
    """Take CRI-O away."""
    with without(node, "crio"):
        yield


@contextmanager
def crio_stopped(node: Node) -> Iterator[None]:
    """Stop CRI-O."""
    node.exec(["systemctl", "stop", "crio"])
    try:
        yield
    finally:
        node.exec(["systemctl", "start", "crio"])


@contextmanager
def managed_by_mco(node: Node) -> Iterator[None]:
    """Put the file there by which the Machine Config Operator is known."""
    node.write("/etc/machine-config-daemon/currentconfig", "{}")
    try:
        yield
    finally:
        node.exec(["rm", "-r", "/etc/machine-config-daemon"])


@contextmanager
def old_crio(node: Node) -> Iterator[None]:
    """Let CRI-O say that it is of an old version."""
    said = '[ "$1" = --version ] && echo "crio version 1.27.8" || exec {away} "$@"'
    with stand_in(node, "crio", said):
        yield


@contextmanager
def old_python(node: Node) -> Iterator[None]:
    """Let the node's Python be of an old version, for all that runs in it."""
    folder = "/opt/old-python"
    node.exec(["mkdir", folder])
    node.write(
        f"{folder}/sitecustomize.py",
        "import collections, sys\n"
        "Version = collections.namedtuple('Version', 'major minor micro releaselevel serial')\n"
        "sys.version_info = Version(3, 5, 2, 'final', 0)\n",
    )
    try:
        with stand_in(node, "python3", f'PYTHONPATH={folder} exec {{away}} "$@"'):
            yield
    finally:
        node.exec(["rm", "-r", folder])


Trouble = tuple[Callable[[Node], AbstractContextManager[None]], str]


# One on each of two nodes, so that a run meets both.
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            (no_crictl, "looking for crictl: it is not installed"),
            (no_crio, "looking for CRI-O: it is not installed"),
        ),
        (
            (crio_stopped, "CRI-O must be running"),
            (managed_by_mco, "Machine Config Operator manages this node"),
        ),
        (
            (old_crio, "CRI-O 1.27.8 knows no pinned images"),
            (old_python, "its Python is too old. Python 3.8 or newer is needed"),
        ),
    ],
)
def test_one_line_and_nothing_changed(
    fleet: Fleet, images: list[payload.PushedImage], first: Trouble, second: Trouble
) -> None:
    """A troubled node fails with one line and is left as it was; another one is pinned."""
    troubles = {"node1": first, "node2": second}
    sets = [str(fleet.set_file("few", images[:2]))]
    with ExitStack() as stack:
        for name, (trouble, _said) in troubles.items():
            stack.enter_context(trouble(fleet.node(name)))
        run = fleet.pin(pin_images_sets=sets)
    for name, (_trouble, said) in troubles.items():
        assert_refused(run, name, said)
        assert not has_file(fleet.node(name), DROP_IN)
    assert run.node("node3")["state"] == "changed"
    assert images[0].reference in fleet.node("node3").pinned()


def test_verifying_a_node_whose_crio_is_stopped(
    fleet: Fleet, images: list[payload.PushedImage]
) -> None:
    """It deviates by that, and a person is needed."""
    sets = [str(fleet.set_file("few", images[:2]))]
    with crio_stopped(fleet.node("node2")):
        run = fleet.play("verify_images", "--limit", "node2", pin_images_sets=sets)
    assert run.rc != 0
    report = run.node("node2")
    assert "daemon_unreachable" in {one["kind"] for one in report["deviations"]}
    assert report["needs"] == "person"


def assert_refused(run: Run, name: str, said: str) -> None:
    """See a node fail with one line that says it."""
    assert run.rc != 0
    assert run.node(name)["state"] == "failed"
    assert said in run.node(name)["message"]
    assert "\n" not in run.node(name)["message"]


def test_a_broken_file_of_somebody_else(fleet: Fleet, images: list[payload.PushedImage]) -> None:
    """CRI-O is not reloaded into it, it is named, and nothing is changed."""
    node = fleet.node("node2")
    broken = "/etc/crio/crio.conf.d/70-broken"
    sets = [str(fleet.set_file("few", images[:2]))]
    node.write(broken, "pinned_images = = \n")
    try:
        run = fleet.pin("--limit", "node1,node2", pin_images_sets=sets)
        assert_refused(run, "node2", broken)
        assert run.node("node1")["state"] == "changed"
        assert not has_file(node, DROP_IN)
        assert node.exec(["systemctl", "is-active", "crio"]).stdout.strip() == "active"
    finally:
        node.exec(["rm", broken])
