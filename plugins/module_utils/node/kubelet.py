# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet's limits, where the node has a kubelet."""

from __future__ import annotations

from dataclasses import replace

from ..observed.kubelet import (
    COMMAND_LINE,
    CONFIG_PATHS,
    KubeletLimits,
    is_drop_in,
    parse_kubelet_command,
    parse_kubelet_limits,
)
from ..observed.process import RunningProcess
from .host import Host

_NAME = "kubelet"
# Every user may call a program so, and have it named files to us; none gets it into root's unit
# (cgroups(7), /proc/<pid>/cgroup).
_UNIT = ":/system.slice/kubelet.service"


def read_kubelet_limits(host: Host) -> KubeletLimits | None:
    """Return the limits of the kubelet that runs, or of the first configuration of one, or None.

    One that runs as a service says with its command line which files it read, and what counts more.

    :raises EdgefleetError: when a configuration cannot be understood.
    """
    for process in host.processes():
        cmdline = _cmdline(host, process) if process.name == _NAME else None
        if cmdline:
            return _limits_of_command(host, cmdline)
    for path in CONFIG_PATHS:
        text = host.read(path)
        if text is not None:
            return parse_kubelet_limits(text, path)
    return None


def _cmdline(host: Host, process: RunningProcess) -> str | None:
    """Return the command line of a process of the kubelet's service; None for any other."""
    groups = host.read(f"/proc/{process.pid}/cgroup") or ""
    if not any(line.endswith(_UNIT) for line in groups.splitlines()):
        return None
    return host.read(f"/proc/{process.pid}/cmdline")


def _limits_of_command(host: Host, cmdline: str) -> KubeletLimits:
    command = parse_kubelet_command(cmdline)
    text = host.read(command.config) if command.config else None
    below = host.files_below(command.config_dir) if command.config_dir else ()
    limits = parse_kubelet_limits(
        text or "{}",
        command.config or COMMAND_LINE,
        [(path, host.read(path) or "{}") for path in below if is_drop_in(path)],
        command.flags,
    )
    return replace(limits, root_dir=command.root_dir)
