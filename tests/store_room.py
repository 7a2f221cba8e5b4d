# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The room on a node's store: what the storage check says of it, what is used, and its filling."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

from fleet import CHECKOUT
from lab import Lab, Node
from lab.machine import STORE

KUBELET = "/var/lib/kubelet/config.yaml"
BALLAST = f"{STORE}/ballast"


def check_storage(
    lab: Lab, nodes: str, locked: dict[str, Any], **options: Any
) -> dict[str, dict[str, Any]]:
    """Run the module on nodes, and return what each answers."""
    options = {"locked": locked, "min_free_bytes": 0, **options}
    argv = [
        "ansible", nodes, "-i", str(lab.inventory), "--one-line", "--become",
        "-m", "edgefleet.crio.node_storage_check", "-a", json.dumps(options),
    ]  # fmt: skip
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"
    }  # fmt: skip
    said = subprocess.run(
        argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    found = re.findall(r"^(\S+) \| (?:SUCCESS|FAILED!) => (.*)$", said.stdout, re.MULTILINE)
    assert found, said.stdout + said.stderr
    return {name: json.loads(answer) for name, answer in found}


def room_for(answer: dict[str, Any], use: str) -> dict[str, Any]:
    """Return the filesystem that an answer has for a use."""
    return next(one for one in answer["filesystems"] if use in one["uses"])


def room_for_images(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the filesystem of the image store."""
    return room_for(answer, "images")


def used(node: Node, path: str = STORE) -> tuple[int, int]:
    """Return the bytes and inodes in use on a filesystem."""
    node.exec(["sync"])
    said = node.exec(["stat", "-f", "-c", "%S %b %f %c %d", path]).stdout
    size, blocks, free, inodes, free_inodes = map(int, said.split())
    return (blocks - free) * size, inodes - free_inodes


def available(node: Node) -> int:
    """Return the bytes that are free on the store's filesystem, for others than root."""
    size, blocks = map(int, node.exec(["stat", "-f", "-c", "%S %a", STORE]).stdout.split())
    return size * blocks


def leave(node: Node, wanted: int) -> None:
    """Fill the store's filesystem until so many bytes are free, to 64 KiB."""
    size = 0
    node.exec(["rm", "-f", BALLAST])
    for _try in range(5):
        node.exec(["sync"])
        size += available(node) - wanted
        node.exec(["fallocate", "--length", str(size), BALLAST])
        if abs(available(node) - wanted) < 64 * 1024:
            return
        node.exec(["truncate", "--size", str(size), BALLAST])
    raise AssertionError(f"{available(node)} bytes are free, {wanted} were wanted")
