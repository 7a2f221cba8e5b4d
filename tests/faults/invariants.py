# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on a node after a fault and before the next run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import (
    parse_drop_in,
    render_drop_in,
)
from fleet import DROP_IN, JOURNAL, has_file
from lab import Node

if TYPE_CHECKING:
    from .site import Site

_DIRECTORY = "/etc/crio/crio.conf.d"
# What lies in it on a lab node, beside what a fault puts there and takes away again.
_FILES = {"10-crio.conf", "50-pinned-images"}


def check_files(site: Site, node: Node) -> None:
    """See nothing but whole, valid files where CRI-O reads, and nothing of ours beside them."""
    files = set(node.exec(["ls", "-A", _DIRECTORY]).stdout.split())
    assert files <= _FILES, f"{node.name} has {files - _FILES} in {_DIRECTORY}"
    node.exec(["crio", "--config", "", "--config-dir", _DIRECTORY, "config"])
    if not has_file(node, DROP_IN):
        return
    text = node.read(DROP_IN)
    pins = parse_drop_in(text)
    assert pins is not None, f"the drop-in of {node.name} is not whole: {text}"
    assert text == render_drop_in(pins)
    assert set(pins) <= site.references("old") | site.references("new")


def journal_lines(node: Node) -> list[str]:
    """The lines of a node's journal."""
    text = node.read(JOURNAL) if has_file(node, JOURNAL) else ""
    assert text.endswith("\n") or not text, f"the journal of {node.name} is torn"
    return text.splitlines()


def pulled(node: Node, before: list[str]) -> set[str]:
    """What the journal says was pulled since; every line of it is whole JSON."""
    entries = [json.loads(line) for line in journal_lines(node)[len(before) :]]
    return {one["reference"] for one in entries if one.get("outcome") == "pulled"}


def check_images(node: Node, kept: frozenset[str], pulled: set[str], *, has_images: bool) -> None:
    """See what is kept pinned and what was pulled present, before and after a restart of CRI-O."""
    for restart in (False, True):
        if restart:
            node.exec(["systemctl", "restart", "crio"])
        node.wait_ready()
        if has_images:
            unpinned = kept - node.pinned()
            assert not unpinned, f"{node.name} no longer has pinned: {unpinned}"
            present = {name for image in node.images() for name in image["repoDigests"]}
            assert pulled <= present, f"{node.name} lost what it pulled: {pulled - present}"
