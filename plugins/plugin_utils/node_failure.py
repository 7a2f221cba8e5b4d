# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a run failed on a node: what ssh, sudo, Python, Ansible and our steps say, in a class and a line."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LOGIN = "login"
DISK = "disk"
UNREACHABLE = "unreachable"
KILLED = "killed"
PYTHON = "python"
BUSY = "busy"
DEVIATES = "deviates"
OTHER = "other"

# A shell returns this and the number of the signal that ended its program (POSIX, 2.8.2).
_RC_SIGNALS = 128
# How the messages of the role pin_verify begin.
_DEVIATES = "the node deviates"
# What the steps say when they met another run, or somebody's pull.
_BUSY = ("another run holds this node", "somebody's pull is in flight")
# What interpreters and ansible-core say of a node whose Python cannot run the modules.
_OLD_PYTHON = (
    "future feature annotations is not defined",
    "cannot import name 'Protocol' from 'typing'",
    "requires a minimum of Python",
    "SyntaxError: invalid syntax",
)
_VIA_SSH = "Failed to connect to the host via ssh: "
# What ssh adds to what a module printed on a terminal.
_CLOSED = "Shared connection to"
# What ssh says beside the cause: of a new host key, of a connection that it keeps for the next task,
# and once the way through a jump host did not lead on.
_NOISE = re.compile(
    r"Warning: Permanently added .*? to the list of known hosts\.?"
    r"|kex_exchange_identification: .*|debug\d: .*"
    r"|Connection (?:closed by|reset by|to) UNKNOWN port \d+(?: timed out)?"
    r"|stdio forwarding failed.*|.*ControlSocket .* already exists, disabling multiplexing.*"
)
# What ssh and sudo say to a login that they do not let in.
_REFUSED = (
    "Permission denied",
    "Host key verification failed",
    "Too many authentication failures",
    "Bad owner or permissions on",
    "Bad configuration option",
    "administratively prohibited",
    "a password is required",
    "Missing sudo password",
    "Incorrect sudo password",
    "Invalid/incorrect password",
)
# What ssh says of a way that leads to nobody; banners may follow.
_NO_WAY = (
    "open failed:",
    "connect to host",
    "Could not resolve",
    "timed out",
    "Connection refused",
    "Connection reset",
    "No route to host",
)
# Before a module is sent Ansible makes a folder for it, and calls a node unreachable where it cannot.
_NO_FOLDER = "Failed to create temporary directory"
_NO_FOLDER_SAID = "stderr output: "
_BAD_DISK = ("Read-only file system", "No space left on device", "Disk quota exceeded")


@dataclass(frozen=True)
class NodeFailure:
    """``cause`` is one of the constants above, ``message`` one line."""

    cause: str
    message: str


def failure_of_node(failure: Mapping[str, Any], is_unreachable: bool) -> NodeFailure:
    """Return why a task failed.

    :param failure: its result, as Ansible returns it.
    :param is_unreachable: whether Ansible calls the node unreachable.
    """
    if is_unreachable:
        return _of_connection(str(failure.get("msg") or ""))
    said = " ".join(
        str(failure.get(key) or "") for key in ("msg", "module_stderr", "module_stdout")
    )
    if any(sign in said for sign in _OLD_PYTHON):
        return NodeFailure(PYTHON, "its Python is too old")
    if "module_stdout" in failure:
        return _of_silent_module(failure)
    message = _one_line(str(failure.get("msg") or ""))
    if message.startswith(_DEVIATES):
        return NodeFailure(DEVIATES, message)
    is_busy = any(sign in message for sign in _BUSY)
    return NodeFailure(BUSY if is_busy else OTHER, message)


def _of_connection(said: str) -> NodeFailure:
    """Say why a node could not be worked on: of all that ssh prints, the line that tells."""
    if _NO_FOLDER in said:
        why = _one_line(said.partition(_NO_FOLDER_SAID)[2])
        message = f"no folder for Ansible's modules could be made{f': {why}' if why else ''}"
        return NodeFailure(DISK if any(sign in why for sign in _BAD_DISK) else LOGIN, message)
    printed = _NOISE.sub("", said.partition(_VIA_SSH)[2])
    lines = [_one_line(line) for line in printed.splitlines() if line.strip()]
    lines = lines or [_one_line(said)]
    for cause, signs in ((LOGIN, _REFUSED), (DISK, _BAD_DISK), (UNREACHABLE, _NO_WAY)):
        for line in lines:
            if any(sign in line for sign in signs):
                return NodeFailure(cause, line)
    return NodeFailure(UNREACHABLE, lines[-1])


def _of_silent_module(failure: Mapping[str, Any]) -> NodeFailure:
    """Say how a module ended that returned nothing: ansible-core only says that it did not."""
    code = int(failure.get("rc") or 0)
    # Below 0 where no shell was between, as over a local connection.
    number = -code if code < 0 else code - _RC_SIGNALS
    if number in set(signal.Signals):
        name = signal.Signals(number).name
        hint = ", as when memory runs out" if number == signal.SIGKILL else ""
        return NodeFailure(KILLED, f"a module was killed on the node ({name}, rc {code}{hint})")
    # Without pipelining there is a terminal, on which both come together.
    printed = f"{failure['module_stdout']}\n{failure.get('module_stderr') or ''}"
    lines = [line for line in printed.splitlines() if line.strip() and _CLOSED not in line]
    last = _one_line(lines[-1]) if lines else "it printed nothing"
    return NodeFailure(OTHER, f"a module gave no answer (rc {code}): {last}")


def _one_line(said: str) -> str:
    # ansible-core 2.19 and newer put these words before the cause.
    line = " ".join(said.split())
    return line.replace("Task failed: ", "").replace("Action failed: ", "")
