# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand in for a node's Python: run what Ansible sends, and note what that took and returned."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

RECORD = Path("/run/edgefleet-bench.jsonl")
_MODULE = re.compile(rb"module_fqn='([\w.]+)'")


def main() -> int:
    """Run it; return its exit code."""
    script = sys.stdin.buffer.read()
    started = time.monotonic()
    with subprocess.Popen(
        ["/usr/bin/python3", *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(script)
        process.stdin.close()
        said = process.stdout.read()
        # Not process.wait(): the usage is this child's, with the programs that it ran.
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    name = _MODULE.search(script)
    entry = {
        "module": name[1].decode().rpartition(".")[2] if name else "",
        "started": started,
        "ended": time.monotonic(),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
        "output": said.decode(errors="replace"),
    }
    with RECORD.open("a") as record:
        record.write(json.dumps(entry) + "\n")
    sys.stdout.buffer.write(said)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
