# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: three real nodes, thirty images, pinned, proven, healed.

``make demo`` calls it; with ``KEEP=1`` in the environment the nodes stay up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from lab import Lab, NodeSpec, payload

_CHECKOUT = Path(__file__).resolve().parent.parent
_COMMAND = ["ansible-playbook", "playbooks/pin-images.yml", "-i"]
# The one beside this Python: it need not be on the PATH of whoever goes on by hand.
_PROGRAM = str(Path(sys.executable).with_name("ansible-playbook"))
_NODES = ("node1", "node2", "node3")


def main() -> int:
    """Run the demonstration; return the exit code."""
    keep = os.environ.get("KEEP") == "1"
    _say("Start three CRI-O nodes and a registry")
    lab = Lab.up([NodeSpec(name) for name in _NODES])
    try:
        _demonstrate(lab)
    finally:
        if not keep:
            _say("Take everything down")
            lab.down()
    if keep:
        _say("The nodes stay up")
        print(f"pin again:  {' '.join([_PROGRAM, *_COMMAND[1:]])} {lab.inventory}")
        print(f"verify:     {_PROGRAM} playbooks/verify_images.yml -i {lab.inventory}")
        print(f"take down:  make lab-down NAME={lab.name}")
    return 0


def _demonstrate(lab: Lab) -> None:
    _say("Fill the registry with 30 images that share layers")
    lab.offer(payload.demo())
    _show_nodes(lab)

    _say("Pin them")
    _pin(lab)
    _show_nodes(lab)

    _say("Run it again: nothing changes, and one task for each node does the looking")
    mark = lab.registry.mark()
    _pin(lab)
    print(f"requests to the registry meanwhile: {len(lab.registry.requests(since=mark))}")

    victim = min(lab.node("node2").pinned())
    _say(f"Remove an image by hand on node2: crictl rmi {victim}")
    lab.node("node2").exec(["crictl", "rmi", victim])
    _show_nodes(lab)

    _say("Run it once more: healed")
    _pin(lab)
    _show_nodes(lab)


def _pin(lab: Lab) -> None:
    print(f"$ {' '.join(_COMMAND)} {lab.inventory}", flush=True)
    started = time.monotonic()
    subprocess.run([_PROGRAM, *_COMMAND[1:], str(lab.inventory)], cwd=_CHECKOUT, check=True)
    print(f"({time.monotonic() - started:.1f} s)")


def _show_nodes(lab: Lab) -> None:
    print("\nwhat CRI-O itself says ('crictl images' on each node):")
    for name in _NODES:
        images = lab.node(name).images()
        pinned = sum(1 for image in images if image["pinned"])
        print(f"  {name}: {len(images)} images, {pinned} pinned")


def _say(text: str) -> None:
    print(f"\n=== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
