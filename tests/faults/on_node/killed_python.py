# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand in for a node's Python: run what Ansible sends, one module of it under strace.

The plan names the module, which of its turns in this run, and at which system call on our own files it
gets a signal: its name and which of that name in its thread. Both are counted from 1. KILL comes before
that call, STOP after it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path("/run/edgefleet-faults")
PLAN = FOLDER / "plan.json"
TRACE = FOLDER / "trace"
_PYTHON = "/usr/bin/python3"
_MODULE = re.compile(rb"module_fqn='[\w.]*\.(\w+)'")
# What changes a file, or makes the change lasting; reading harms nobody.
_CALLS = "write,pwrite64,fchmod,fsync,mkdirat,renameat,unlinkat"
# Every file of ours, and the folders by whose handles they are made, renamed and removed; a dead pull's
# folder is one once it is removed.
_FILES = (
    "/run",
    "/run/edgefleet-crio",
    "/run/edgefleet-crio/crio.conf.d",
    "/etc/crio",
    "/etc/crio/crio.conf.d",
    "/etc/crio/crio.conf.d/50-pinned-images",
    "/etc/crio/.50-pinned-images.edgefleet-new",
    "/run/edgefleet-crio/candidate",
    "/run/edgefleet-crio/crio.conf.d/50-pinned-images",
    "/var/lib/edgefleet-crio",
    "/var/lib/edgefleet-crio/journal.jsonl",
    "/var/lib/edgefleet-crio/turn",
    "/var/tmp",
    "/var/tmp/container_images_storage4711",
    "/var/tmp/container_images_storage4711.edgefleet-going",
)


def main() -> None:
    """Become Python, or strace with Python below it."""
    script = sys.stdin.buffer.read()
    stdin = os.memfd_create("script")
    os.write(stdin, script)
    os.lseek(stdin, 0, os.SEEK_SET)
    os.dup2(stdin, 0)
    argv = [_PYTHON, *sys.argv[1:]]
    module = _MODULE.search(script)
    death = _death_of(module[1].decode()) if module else None
    if death:
        argv = [*_strace(**death), *argv]
    os.execv(argv[0], argv)


def _death_of(module: str) -> dict[str, Any] | None:
    """Count this turn of the module, and return what the plan has for it."""
    plan = json.loads(PLAN.read_text())
    counter = FOLDER / f"turns-{module}"
    turn = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(turn))
    is_planned = (module, turn) == (plan["module"], plan["turn"])
    return {key: plan[key] for key in ("call", "nth", "signal")} if is_planned else None


def _strace(call: str, nth: int, signal: str) -> list[str]:
    paths = [word for path in _FILES for word in ("-P", path)]
    return [
        *("/usr/bin/strace", "-f", "-qq", "-y", "-o", str(TRACE), *paths),
        *("-e", f"trace={_CALLS}", "-e", f"inject={call}:signal={signal}:when={nth}", "--"),
    ]


if __name__ == "__main__":
    main()
