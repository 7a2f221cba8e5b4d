# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks, run as users run them, against the nodes of a lab."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import Lab, Node, payload
from lab.registry import Registry

CHECKOUT = Path(__file__).resolve().parent.parent
DROP_IN = "/etc/crio/crio.conf.d/50-pinned-images"
JOURNAL = "/var/lib/edgefleet-crio/journal.jsonl"
_RECAP = re.compile(
    r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE
)


@dataclass(frozen=True)
class Run:
    """A run of ansible-playbook that has ended."""

    rc: int
    output: str
    result: dict[str, Any]

    def node(self, name: str) -> dict[str, Any]:
        """Return what the run's document says of a node."""
        node: dict[str, Any] = self.result["nodes"][name]
        return node

    def changed(self) -> dict[str, int]:
        """Return the number of changed tasks of each host, as the recap counts them."""
        return {match[1]: int(match[3]) for match in _RECAP.finditer(self.output)}

    def tasks_on(self, name: str) -> list[str]:
        """Return the titles of the tasks that a host answered, in their order."""
        found = []
        title = ""
        for line in self.output.splitlines():
            if line.startswith("TASK ["):
                title = line[len("TASK [") : line.rindex("]")]
            elif re.match(rf"(ok|changed): \[{re.escape(name)}\]", line):
                found.append(title)
        return found


@dataclass(frozen=True)
class Running:
    """A run of ansible-playbook that goes on."""

    process: subprocess.Popen[bytes]
    output: Path
    result: Path

    def wait(self) -> Run:
        """Wait for its end; one that was killed left no document."""
        returned = self.process.wait()
        document = json.loads(self.result.read_text()) if self.result.exists() else {}
        return Run(returned, self.output.read_text(), document)


@dataclass(frozen=True)
class Control:
    """Where ansible-playbook runs: which one, in which folder, and how it names our playbooks.

    With `collections` it sees nothing of the checkout, else by `config` the checkout's collection.
    """

    program: str = "ansible-playbook"
    folder: Path = CHECKOUT
    playbook: str = "playbooks/{}.yml"
    collections: Path | None = None
    config: Path = CHECKOUT / "ansible.cfg"

    def environment(self) -> dict[str, str]:
        """Return the environment that makes it find the collection."""
        if self.collections:
            # Nothing of the checkout, whose configuration `make` names.
            own = {key: value for key, value in os.environ.items() if key != "ANSIBLE_CONFIG"}
            return {**own, "ANSIBLE_COLLECTIONS_PATH": str(self.collections)}
        return {**os.environ, "ANSIBLE_CONFIG": str(self.config)}


def has_file(node: Node, path: str) -> bool:
    """Say whether a node has something at a path."""
    return node.exec(["test", "-e", path], check=False).returncode == 0


@contextmanager
def without(node: Node, program: str) -> Iterator[str]:
    """Take a program away for a while; yields its path, beside which it lies as `<path>.away`."""
    path = node.exec(["sh", "-c", f"command -v {program}"]).stdout.strip()
    node.exec(["mv", path, f"{path}.away"])
    try:
        yield path
    finally:
        node.exec(["mv", f"{path}.away", path])


@contextmanager
def out_of_reach(node: Node) -> Iterator[None]:
    """Have a node answer to no ssh for a while."""
    node.exec(["systemctl", "stop", "ssh"])
    # Connections that ssh keeps open for the next run outlive the service.
    node.exec(["systemctl", "kill", "--kill-who=all", "ssh"])
    try:
        yield
    finally:
        node.exec(["systemctl", "start", "ssh"])


@contextmanager
def stand_in(node: Node, program: str, script: str) -> Iterator[None]:
    """Have a script of the shell in the place of a program, in which `{away}` is the program."""
    with without(node, program) as path:
        node.write(path, f"#!/bin/sh\n{script.format(away=f'{path}.away')}\n", 0o755)
        yield


_RELOAD_UNIT = "/etc/systemd/system/crio.service.d/deaf.conf"
_SAYS_OLD = """\
case " $* " in
*" version "*) {away} "$@" | sed 's/^RuntimeVersion:.*/RuntimeVersion:  1.28.4/' ;;
*) exec {away} "$@" ;;
esac"""


@contextmanager
def taking_pins_at_starts(node: Node) -> Iterator[None]:
    """Have a node's CRI-O say that it is 1.28.4, and be deaf to reloads as that is."""
    node.write(_RELOAD_UNIT, "[Service]\nExecReload=\nExecReload=/bin/true\n")
    node.exec(["systemctl", "daemon-reload"])
    try:
        with stand_in(node, "crictl", _SAYS_OLD):
            yield
    finally:
        node.exec(["rm", _RELOAD_UNIT])
        node.exec(["systemctl", "daemon-reload"])


class Fleet:
    """A lab's nodes, seen by the one who runs the playbooks."""

    def __init__(self, lab: Lab, work: Path, control: Control | None = None) -> None:
        """Take the lab, a folder for sets and locks, and another control side than the checkout."""
        self.lab = lab
        self.work = work
        self.control = control or Control()
        self.home = Path.home()
        self._numbers = itertools.count(1)

    def reset(self) -> None:
        """Bring every node to where it never saw us: no images, no drop-in, no journal, no log."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.reset_node, self.names))

    def reset_node(self, name: str) -> None:
        """Bring one node there."""
        node = self.lab.node(name)
        node.exec(
            ["sh", "-c", f"rm -rf /var/lib/edgefleet-crio {DROP_IN} /etc/crio/crio.conf.d/60-*"]
        )
        node.exec(["systemctl", "restart", "crio"])
        # What CRI-O was asked for decides on the order of pulls.
        node.exec(["journalctl", "--rotate", "--vacuum-size=1", "--quiet"])
        ours = [image["id"] for image in node.images() if not image["repoTags"]]
        if ours:
            node.exec(["crictl", "rmi", *ours])

    @property
    def names(self) -> list[str]:
        """The nodes' names."""
        return [node.name for node in self.lab.nodes]

    def node(self, name: str) -> Node:
        """Return a node."""
        return self.lab.node(name)

    def set_file(self, name: str, images: list[payload.PushedImage], pool: str = "edge") -> Path:
        """Write a PinnedImageSet."""
        path = self.work / f"{name}.yml"
        path.write_text(payload.pinned_image_set(name, pool, images))
        return path

    def blobs_fetched(self, since: int, registry: Registry | None = None) -> set[str]:
        """Return the digests of the blobs that nodes asked a registry for since a mark."""
        addresses = {node.address for node in self.lab.nodes}
        return {
            one.path.rsplit("/", 1)[-1]
            for one in (registry or self.lab.registry).requests(since=since)
            if "/blobs/" in one.path and one.client in addresses
        }

    def play(self, playbook: str, *arguments: str, **variables: object) -> Run:
        """Run a playbook of the checkout; variables go through ``-e`` as JSON."""
        run = self.start(playbook, *arguments, **variables).wait()
        print(run.output)
        assert "Traceback" not in run.output
        return run

    def start(self, playbook: str, *arguments: str, **variables: object) -> Running:
        """Start a playbook, in a session of its own as on a terminal of its own."""
        number = next(self._numbers)
        result, output = self.work / f"run-{number}.json", self.work / f"run-{number}.txt"
        argv = [
            self.control.program,
            self.control.playbook.format(playbook),
            "-i",
            str(self.lab.inventory),
            "-e",
            json.dumps({"pin_images_result": str(result), **variables}),
            *arguments,
        ]
        environment = {
            **self.control.environment(),
            "HOME": str(self.home),
            # Another lab may have had the same address, and other images there.
            "XDG_CACHE_HOME": str(self.work / "cache"),
            "ANSIBLE_NOCOLOR": "1",
        }
        with output.open("w") as stream:
            stream.write(f"$ {shlex.join(argv)}\n")
            stream.flush()
            process = subprocess.Popen(
                argv,
                cwd=self.control.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Running(process, output, result)

    def pin(self, *arguments: str, **variables: object) -> Run:
        """Run pin-images.yml."""
        return self.play("pin-images", *arguments, **variables)

    def lock(self, sets: object, path: Path, **variables: object) -> Run:
        """Run lock_images.yml."""
        return self.play(
            "lock_images", pin_images_sets=sets, pin_images_lock=str(path), **variables
        )
