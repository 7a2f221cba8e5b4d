# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo as a new user sees it, and each command that it prints to go on by hand."""

from __future__ import annotations

import os
import subprocess

from fleet import CHECKOUT

# These show what a failing run looks like, by the comments above them.
_FAILING = ("is it noticed?", "refused where it does not fit")


def shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as typed in the checkout."""
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert "Traceback" not in done.stdout
    return done


def test_what_it_shows_and_what_it_offers() -> None:
    """Pinned, nothing to do, healed; then each command ends as its comment says, and takes it down."""
    shown = shell("python tests/demo.py", KEEP="1")
    assert shown.returncode == 0
    shown_lines, _stays, offered = shown.stdout.partition("=== The nodes stay up\n")
    assert [line for line in shown_lines.splitlines() if line.endswith("30 pinned")]
    assert "requests to the registry meanwhile: 0" in shown_lines
    lines = offered.strip().splitlines()
    *commands, (_what, take_down) = zip(lines[::2], lines[1::2], strict=True)
    settings = []
    try:
        for comment, command in commands:
            if command.startswith(("export ", "lab=")):
                settings.append(command)
                continue
            done = shell("; ".join((*settings, command)))
            assert (done.returncode != 0) == (comment.removeprefix("# ") in _FAILING)
    finally:
        assert shell(take_down).returncode == 0
