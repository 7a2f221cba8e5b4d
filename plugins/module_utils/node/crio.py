# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CRI-O on a node: version, configuration, drop-ins, reload."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..observed.crio import (
    CrioVersion,
    RunningConfig,
    parse_configured_pins,
    parse_crio_version,
    parse_running_config,
)
from ..observed.failure import readable_message
from .host import CommandFailed, Completed, Host, HostError

CONFIG_PATH = "/etc/crio/crio.conf"
DROP_IN_DIRECTORY = "/etc/crio/crio.conf.d"
# Where the Machine Config Operator keeps what it last applied: the node's files are then its own.
MCO_MARKER = "/etc/machine-config-daemon/currentconfig"
# A line that is no comment and names the key: a file without one cannot set pins.
_PINS_LINE = re.compile(r"^[^#\n]*pinned_images", re.MULTILINE)
# What stands in a configuration of ours to see whether another file replaces it.
_SENTINEL = "edgefleet.invalid/sentinel"
_SENTINEL_CONFIG = f'[crio.image]\npinned_images = ["{_SENTINEL}"]\n'
# CompileRegexpsForPinnedImages of CRI-O (internal/storage/image.go) slices this entry beyond its end.
_PANIC = "*"
# Where a copy of the configuration is checked: no daemon reads there, and no boot keeps it.
_VALIDATION = "/run/edgefleet-crio"
# For programs that answer at once, in seconds.
_TIMEOUT = 60
# For systemctl, which waits for CRI-O to end its containers' monitors, in seconds.
_SERVICE_TIMEOUT = 180
_LOG_LINES = 20
# What CRI-O says at each reload when its drop-in directory was not there at its start: it then
# never looks there again (pkg/config/reload.go, CRI-O 1.36).
NO_DIRECTORY = "Skipping not-existing config path"


@dataclass(frozen=True)
class DropIn:
    """A file of CRI-O's configuration that may set pins, and its text."""

    path: str
    text: str


class Crio:
    """CRI-O on one node.

    :raises HostError: when the node has no CRI-O.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        program = host.find_program("crio")
        if program is None:
            raise HostError("looking for CRI-O", "it is not installed", "Install CRI-O.")
        self._program = program

    def version(self) -> CrioVersion:
        """Return the version of the installed CRI-O."""
        completed = self._checked([self._program, "--version"], "asking for the version of CRI-O")
        return parse_crio_version(completed.stdout)

    def running_config(self) -> RunningConfig:
        """Return what the running CRI-O says of its configuration.

        :raises CommandFailed: when it is not running.
        """
        # Up to 1.28 the sub-command was a program of its own.
        own = self._host.find_program("crio-status")
        argv = [own, "config"] if own else [self._program, "status", "config"]
        completed = self._checked(
            argv, "asking CRI-O for its configuration", "CRI-O must be running."
        )
        return parse_running_config(completed.stdout)

    def is_managed_by_mco(self) -> bool:
        """Say whether OpenShift's Machine Config Operator owns this node's files."""
        return self._host.exists(MCO_MARKER)

    def files_with_pins(self) -> list[DropIn]:
        """Return the configuration files whose text names pins, in the order CRI-O reads them."""
        paths = (CONFIG_PATH, *self._host.files_below(DROP_IN_DIRECTORY))
        texts = ((path, self._host.read(path)) for path in paths)
        return [DropIn(path, text) for path, text in texts if text and _PINS_LINE.search(text)]

    def pins_of(self, drop_in: DropIn) -> tuple[str, ...] | None:
        """Return the pins that one file sets, as CRI-O itself reads it; None when it sets none.

        An empty list is a setting too, which CRI-O prints like none at all: so the file is read
        on top of a configuration with a pin of ours, and the question is whether that is gone.

        :raises CommandFailed: when CRI-O cannot read the file.
        """
        completed = self._checked(
            [self._program, "--config", "/dev/stdin", "--config-dir", drop_in.path, "config"],
            f"reading the pins of {drop_in.path}",
            "CRI-O must be able to read the file.",
            stdin=_SENTINEL_CONFIG,
        )
        pins = parse_configured_pins(completed.stdout)
        return None if pins == (_SENTINEL,) else pins

    def check_with(self, path: str, text: str | None) -> None:
        """Let CRI-O read a copy of its whole configuration in which ``path`` holds ``text``.

        :param text: None for the configuration without that file.
        :raises CommandFailed: when CRI-O would not start with it.
        """
        copy = f"{_VALIDATION}/crio.conf.d"
        try:
            self._host.copy_tree(DROP_IN_DIRECTORY, copy)
            if path.startswith(DROP_IN_DIRECTORY + "/"):
                target = copy + path[len(DROP_IN_DIRECTORY) :]
                self._host.remove(target)
                if text is not None:
                    self._host.write_atomic(target, text, 0o600, f"{_VALIDATION}/candidate")
            self._check(copy, hide=copy)
        finally:
            self._host.remove(_VALIDATION)

    def check(self) -> None:
        """Let CRI-O read its configuration as it lies there.

        :raises CommandFailed: when CRI-O would not start with it.
        """
        self._check(DROP_IN_DIRECTORY)

    def _check(self, directory: str, hide: str = "") -> None:
        single = CONFIG_PATH if self._host.exists(CONFIG_PATH) else ""
        completed = self._checked(
            [self._program, "--config", single, "--config-dir", directory, "config"],
            "checking CRI-O's configuration",
            f"The files in {DROP_IN_DIRECTORY} must be valid; nothing was changed.",
            hide=hide,
        )
        if _PANIC in parse_configured_pins(completed.stdout):
            raise CommandFailed(
                "checking CRI-O's configuration",
                f"the list of pins that would be in force holds a lone {_PANIC!r}, on which CRI-O"
                " panics",
                f"Remove it from the files in {DROP_IN_DIRECTORY}; nothing was changed.",
                completed,
            )

    def reload(self) -> None:
        """Have CRI-O read its configuration again; it does so on its own time."""
        self._checked(
            [self._systemctl(), "reload", "crio.service"],
            "reloading CRI-O",
            timeout=_SERVICE_TIMEOUT,
        )

    def restart(self) -> None:
        """Restart CRI-O; running containers go on."""
        self._checked(
            [self._systemctl(), "restart", "crio.service"],
            "restarting CRI-O",
            timeout=_SERVICE_TIMEOUT,
        )

    def log_since(self, seconds: float) -> str:
        """Return CRI-O's last warnings and errors since an epoch second, joined into one line."""
        program = self._host.find_program("journalctl")
        if program is None:
            return ""
        completed = self._host.run(
            [
                program, "--unit", "crio.service", "--since", f"@{int(seconds)}",
                "--output", "cat", "--no-pager", "--quiet",
            ],
            timeout=_TIMEOUT,
        )  # fmt: skip
        lines = [one for one in completed.stdout.splitlines() if _is_trouble(one)]
        return " | ".join(readable_message(one) for one in lines[-_LOG_LINES:])

    def _systemctl(self) -> str:
        program = self._host.find_program("systemctl")
        if program is None:
            raise HostError("looking for systemctl", "it is not installed", "systemd is needed.")
        return program

    def _checked(
        self,
        argv: list[str],
        problem: str,
        needed: str = "",
        hide: str = "",
        stdin: str = "",
        timeout: float = _TIMEOUT,
    ) -> Completed:
        """Run ``argv``; a failure becomes an error that names ``hide``, a copy, as the original."""
        completed = self._host.run(argv, timeout=timeout, stdin=stdin)
        if completed.rc != 0:
            cause = readable_message(completed.stderr)
            if hide:
                cause = cause.replace(hide, DROP_IN_DIRECTORY)
            raise CommandFailed(problem, cause, needed, completed)
        return completed


def scratch_for(path: str) -> str:
    """Return where a new ``path`` is written first: on its filesystem, outside its folder.

    CRI-O reads every file of the folder; the one above it, it does not.
    """
    folder, _slash, name = path.rpartition("/")
    return f"{folder.rpartition('/')[0]}/.{name}.edgefleet-new"


def _is_trouble(line: str) -> bool:
    return any(word in line for word in ("level=warn", "level=error", "level=fatal", NO_DIRECTORY))
