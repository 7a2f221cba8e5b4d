# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: three real nodes, thirty images, pinned, proven, healed.

``make demo`` calls it; with ``KEEP=1`` in the environment the nodes stay up.
"""

from __future__ import annotations

import os
import signal
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
# Ansible's own lines for hosts that a task did not change say nothing here that the report does not.
_QUIET = {"ANSIBLE_DISPLAY_OK_HOSTS": "false", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false"}
_SETTINGS = " ".join(f"{name}={value}" for name, value in _QUIET.items())


def main() -> int:
    """Run the demonstration; return the exit code."""
    # Whoever ends us wants the nodes away.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        _run(keep=os.environ.get("KEEP") == "1")
    except KeyboardInterrupt:
        print("demo: stopped, nothing stays behind", file=sys.stderr)
        return 130
    return 0


def _run(keep: bool) -> None:
    _say("Start three CRI-O nodes and a registry")
    lab = Lab.up([NodeSpec(name) for name in _NODES])
    try:
        _say("Fill the registry with 30 images that share layers")
        offered = lab.offer(payload.demo())
        _demonstrate(lab)
    except KeyboardInterrupt:
        # Asked again while it is taken down, it would leave half of it.
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, signal.SIG_IGN)
        keep = False
        raise
    finally:
        if not keep:
            _say("Take everything down")
            lab.down()
    if keep:
        _say("The nodes stay up")
        print("\n".join(_next_commands(lab, offered)))
    else:
        print(
            "`KEEP=1 make demo` leaves them up, to go on by hand; for nodes of yours: README.md, Use it"
        )


def _next_commands(lab: Lab, offered: Path) -> list[str]:
    """Return how to go on by hand, in an order that makes sense, each with what it shows."""
    folder = Path(_PROGRAM).parent
    image = min(lab.node("node1").pinned())
    pin = "ansible-playbook playbooks/pin-images.yml -i $lab"
    locking = "ansible-playbook playbooks/lock_images.yml -i $lab"
    lock = f"-e pin_images_lock={lab.state_dir}/demo.lock.yml"
    commands = [
        ("for a short screen, in the checkout", f"export PATH={folder}:$PATH {_SETTINGS}"),
        ("where the nodes are", f"lab={lab.inventory}"),
        ("is all as it should be?", "ansible-playbook playbooks/verify_images.yml -i $lab"),
        ("break something", f"ansible -i $lab node1 -a 'crictl rmi {image}'"),
        ("is it noticed?", "ansible-playbook playbooks/verify_images.yml -i $lab"),
        ("what would be done, and does it fit?", f"{pin} --check --diff"),
        ("refused where it does not fit", f"{pin} -e pin_images_min_free_bytes=1000000000000"),
        ("pin again", pin),
        ("lock what is wanted, for review", f"{locking} -e pin_images_sets={offered} {lock}"),
        ("does all of it still answer?", f"{locking} --check {lock}"),
        ("pin from the lock", f"{pin} {lock}"),
        ("pin nothing any more", "ansible-playbook playbooks/unpin_images.yml -i $lab"),
        ("take down", f"make lab-down NAME={lab.name}"),
    ]
    return [line for what, command in commands for line in (f"# {what}", command)]


def _demonstrate(lab: Lab) -> None:
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
    print(f"$ {_SETTINGS} {' '.join(_COMMAND)} {lab.inventory}", flush=True)
    started = time.monotonic()
    argv = [_PROGRAM, *_COMMAND[1:], str(lab.inventory)]
    subprocess.run(argv, cwd=_CHECKOUT, check=True, env={**os.environ, **_QUIET})
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
