# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what another version of CRI-O answers about pins, for the tests of the table of versions.

    python tests/record_crio.py FOLDER ...

Each folder has the programs of one version: `crio`, `pinns`, and up to 1.28 `crio-status`. They run on a lab
node, one after the other, and what they and crictl say goes to `tests/data/crio/VERSION.json`.
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab import Lab, Node, NodeSpec
from lab.network import REGISTRY_HOST
from lab.oci import LayerSpec
from lab.payload import ImageSpec, Payload
from lab.registry import NAMESPACE

_RECORDS = Path(__file__).parent / "data/crio"
# In the place of the lab's own registry, which has another address each time.
_REGISTRY = "registry.example.com"
_DROP_IN = "/etc/crio/crio.conf.d/50-pinned-images"
_KIB = 1024
_SMALL = Payload(
    "recorded",
    tuple(ImageSpec(f"recorded/{name}", (LayerSpec(name, 2, 8 * _KIB),)) for name in "abc"),
)
# A pull of so many seconds, in whose middle the link is silent.
_LINK_BITS = 2_000_000
_LARGE_SECONDS = 4
_LARGE = Payload(
    "recorded-large",
    (ImageSpec("recorded/large", (LayerSpec("large", 4, _LARGE_SECONDS * _LINK_BITS // 8),)),),
)
# More than the ten seconds after which some versions end a pull. Senders ask again after 12.6 s, as
# TCP doubles its wait each time.
_SILENT_SECONDS = 11.5
# What a reload changes shows within one; what it leaves, after that, it leaves for good.
_RELOAD_SECONDS = 3
# Which of the three images are on the list, and how CRI-O came to know it.
_LISTS = (
    ("start", ""),
    ("reload", "a"),
    ("reload", "ab"),
    ("reload", "ac"),
    ("reload", "bc"),
    ("reload", "c"),
    ("reload", ""),
    ("start", "ab"),
)


def main(folders: Sequence[str]) -> int:
    """Record what the version in each folder answers."""
    with Lab.up([NodeSpec("node1")]) as lab:
        names = [image.reference for image in lab.push(_SMALL)]
        (large,) = lab.push(_LARGE)
        node = lab.node("node1")
        for folder in folders:
            _install(node, Path(folder))
            for name in names:
                node.exec(["crictl", "pull", name])
            version = node.exec(["crio", "--version"]).stdout
            answers = {
                "version": version,
                "runtime_version": node.exec(["crictl", "version"]).stdout,
                "lists": [_listed(node, by, _chosen(names, letters)) for by, letters in _LISTS],
                "inspected": _inspected(node, names[0]),
                "running_config": _running_config(node),
                "stalled_pull": _stalled_pull(lab, node, large.reference),
            }
            text = json.dumps(answers, indent=1).replace(names[0].partition("/")[0], _REGISTRY)
            (_RECORDS / f"{version.split()[2]}.json").write_text(f"{text}\n")
    return 0


def _install(node: Node, folder: Path) -> None:
    """Exchange CRI-O's programs; the store is a new one, as an older version may not read a newer's."""
    node.exec(["systemctl", "stop", "crio"])
    for program in folder.iterdir():
        text = base64.b64encode(gzip.compress(program.read_bytes(), 1)).decode()
        script = 'base64 -d | gunzip >"$0.new" && chmod 755 "$0.new" && mv "$0.new" "$0"'
        node.exec(["sh", "-c", script, f"/usr/bin/{program.name}"], stdin=text)
    node.exec(["rm", "-f", _DROP_IN])
    node.wipe_store()
    node.wait_ready()


def _chosen(names: Sequence[str], letters: str) -> list[str]:
    return [name for name, letter in zip(names, "abc", strict=True) if letter in letters]


def _listed(node: Node, by: str, names: list[str]) -> dict[str, Any]:
    """Have CRI-O take a list; what crictl then says of the images."""
    entries = json.dumps(names)
    node.write(_DROP_IN, f"[crio.image]\npinned_images = {entries}\n")
    if by == "start":
        node.exec(["systemctl", "restart", "crio"])
        node.wait_ready()
    else:
        node.exec(["systemctl", "reload", "crio"])
        time.sleep(_RELOAD_SECONDS)
    answer = json.loads(node.exec(["crictl", "images", "-o", "json"]).stdout)
    return {"taken_by": by, "pinned_images": names, "answer": answer}


def _inspected(node: Node, name: str) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(node.exec(["crictl", "inspecti", name]).stdout)["status"]
    return status


def _running_config(node: Node) -> str:
    """What the daemon says of its configuration, less comments and empty lines."""
    asked = node.exec(["crio", "status", "config"], check=False)
    if asked.returncode != 0:
        asked = node.exec(["crio-status", "config"])
    lines = [line for line in asked.stdout.splitlines() if line.strip()]
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def _stalled_pull(lab: Lab, node: Node, name: str) -> dict[str, Any]:
    """Pull over a link that is silent for a while in the middle; how that ended."""
    pull = ["crictl", "--timeout=120s", "pull", name]
    lab.network.limit(NAMESPACE, _LINK_BITS)
    try:
        with ThreadPoolExecutor(1) as pool:
            pulled = pool.submit(node.exec, pull, check=False)
            time.sleep(_LARGE_SECONDS / 2)
            with lab.network.silent(REGISTRY_HOST):
                time.sleep(_SILENT_SECONDS)
            done = pulled.result()
    finally:
        lab.network.unlimit(NAMESPACE)
    said = done.stdout + done.stderr
    return {"silent_seconds": _SILENT_SECONDS, "exit_code": done.returncode, "said": said}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
