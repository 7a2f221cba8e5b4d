# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's Python on a node is killed or halted at one of its effects, by strace from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import Node

from .on_node.killed_python import FOLDER, PLAN, TRACE
from .site import Site

_PROGRAM = Path(__file__).parent / "on_node" / "killed_python.py"
INTERPRETER = "/usr/local/libexec/killed-python"


@dataclass(frozen=True)
class Death:
    """At the n-th call of a name in one thread, in a module's n-th turn of a run; from 1.

    With KILL it ends before that call, with STOP it halts for good after it.
    """

    module: str
    turn: int
    call: str
    nth: int
    signal: str = "KILL"

    def __str__(self) -> str:
        """What it is, as a part of a case's name."""
        return f"{self.module}-{self.turn}-{self.call}-{self.nth}"


@contextmanager
def planned(site: Site, death: Death) -> Iterator[None]:
    """Have it happen in the run of this block, and see that it did."""
    _plan(site.node, death)
    yield
    trace = site.node.read(str(TRACE))
    assert "killed by SIGKILL" in trace, f"it lived on: {trace}"


@contextmanager
def halting(site: Site, halt: Death) -> Iterator[None]:
    """Have it halt in the run of this block."""
    _plan(site.node, halt)
    yield


def is_halted(node: Node) -> bool:
    """Say whether it did."""
    script = f"grep --quiet 'stopped by SIGSTOP' {TRACE}"
    return node.exec(["sh", "-c", script], check=False).returncode == 0


def _plan(node: Node, death: Death) -> None:
    node.exec(["sh", "-c", f"rm -rf {FOLDER} && mkdir {FOLDER}"])
    node.write(INTERPRETER, f"#!/usr/bin/python3\n{_PROGRAM.read_text()}", 0o755)
    node.write(str(PLAN), json.dumps(asdict(death)))
