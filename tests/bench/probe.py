# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read off a node from outside: its modules' usage, its network and disk counters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import Node
from lab.machine import STORE

from .on_node.measured_python import RECORD

_PROGRAM = Path(__file__).parent / "on_node" / "measured_python.py"
INTERPRETER = "/usr/local/libexec/measured-python"


@dataclass(frozen=True)
class ModuleRun:
    """One module that Ansible ran on a node; times in seconds of the node's monotonic clock.

    CPU and peak memory are those of the module and the programs that it ran; the peak is the
    largest single process.
    """

    module: str
    started: float
    ended: float
    cpu_seconds: float
    peak_bytes: int
    output: str

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return self.ended - self.started

    @property
    def result(self) -> dict[str, Any]:
        """What it returned to Ansible."""
        result: dict[str, Any] = json.loads(self.output)
        return result


def start_recording(node: Node) -> dict[str, str]:
    """Record from now on; returns the variables with which Ansible must run for that."""
    node.write(INTERPRETER, f"#!/usr/bin/python3\n{_PROGRAM.read_text()}", 0o755)
    node.write(str(RECORD), "")
    return {"ansible_python_interpreter": INTERPRETER}


def recorded(node: Node) -> list[ModuleRun]:
    """The modules that ran since the recording started, in the order in which they ended."""
    return [ModuleRun(**json.loads(line)) for line in node.read(str(RECORD)).splitlines()]


def only(runs: Sequence[ModuleRun], module: str) -> ModuleRun:
    """The one run of a module; ValueError when there were none or several."""
    (run,) = [run for run in runs if run.module == module]
    return run


def received_bytes(node: Node) -> int:
    """The bytes that the node's interface has received, headers among them."""
    for line in node.read("/proc/net/dev").splitlines():
        interface, _colon, counters = line.partition(":")
        if interface.strip() == "eth0":
            return int(counters.split()[0])
    raise ValueError(f"{node.name} has no eth0")


def used_store_bytes(node: Node) -> int:
    """The bytes in use on the filesystem of the image store, all of them written."""
    node.exec(["sync", "--file-system", STORE])
    counted = node.exec(["stat", "--file-system", "--format=%b %f %S", STORE]).stdout
    total, free, unit = map(int, counted.split())
    return (total - free) * unit
