# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on a node after a fault and before the next run, and after that one."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import (
    parse_drop_in,
    render_drop_in,
)
from fleet import DROP_IN, JOURNAL, has_file
from lab import Node

#: What somebody else pins in a file of his own, where a fault says so.
FOREIGN = "example.com/x@sha256:" + "a" * 64
_DIRECTORY = "/etc/crio/crio.conf.d"
# What lies in it on a lab node, beside what a fault puts there and takes away again.
_FILES = {"10-crio.conf", "50-pinned-images"}
# What a run or a pull of CRI-O that died may leave: none of it outlives the next run.
_TORN = (
    "/var/tmp/container_images_storage*",
    "/etc/crio/.*.edgefleet-new",
    "/run/edgefleet-crio*",
    "/var/lib/edgefleet-crio/.journal.new",
)


def check_files(node: Node, kept: frozenset[str], allowed: Iterable[str]) -> None:
    """See nothing but whole, valid files where CRI-O reads; the drop-in has what is kept, and no others.

    Where nothing is kept, there may be no drop-in.
    """
    files = set(node.exec(["ls", "-A", _DIRECTORY]).stdout.split())
    assert files <= _FILES, f"{node.name} has {files - _FILES} in {_DIRECTORY}"
    node.exec(["crio", "--config", "", "--config-dir", _DIRECTORY, "config"])
    if not kept and not has_file(node, DROP_IN):
        return
    text = node.read(DROP_IN)
    pins = parse_drop_in(text)
    assert pins is not None, f"the drop-in of {node.name} is not whole: {text}"
    assert text == render_drop_in(pins)
    assert set(pins) <= {*allowed, FOREIGN}
    assert kept <= set(pins), f"the drop-in of {node.name} lacks {sorted(kept - set(pins))}"


def journal_lines(node: Node) -> list[str]:
    """The lines of a node's journal."""
    text = node.read(JOURNAL) if has_file(node, JOURNAL) else ""
    assert text.endswith("\n") or not text, f"the journal of {node.name} is torn"
    return text.splitlines()


def pulled(node: Node, before: list[str]) -> set[str]:
    """What the journal says was pulled since; every line of it is whole JSON."""
    entries = [json.loads(line) for line in journal_lines(node)[len(before) :]]
    return {one["reference"] for one in entries if one.get("outcome") == "pulled"}


def present(node: Node) -> set[str]:
    """The digest references of all images that CRI-O has."""
    return node.present_and_pinned()[0]


def torn(node: Node) -> list[str]:
    """What lies there of work that died."""
    script = f'for path in {" ".join(_TORN)}; do [ ! -e "$path" ] || echo "$path"; done'
    return node.exec(["sh", "-c", script]).stdout.split()


def room_used(node: Node) -> int:
    """What the store and CRI-O's temporary directory take, in bytes."""
    argv = ["df", "--block-size=1", "--output=used", "/var/lib/containers", "/var/tmp"]
    return sum(int(line) for line in node.exec(argv).stdout.split()[1:])
