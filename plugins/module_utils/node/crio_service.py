# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CRI-O as a service: is its configuration valid, and has it taken it?"""

from __future__ import annotations

from ..observed.crio import parse_configured_pins, parse_pull_requests
from ..observed.message import readable_message
from .crio import CONFIG_PATH, DROP_IN_DIRECTORY, TIMEOUT, Crio
from .host import Host
from .reading_host import HostError

# CompileRegexpsForPinnedImages of CRI-O (internal/storage/image.go) slices this entry beyond its end.
_PANIC = "*"
#: Where a copy of the configuration is checked: no daemon reads there, and no boot keeps it.
VALIDATION = "/run/edgefleet-crio"
# For systemctl, which waits for CRI-O to end its containers' monitors, in seconds.
_SERVICE_TIMEOUT = 180
_LOG_LINES = 20
# What CRI-O says at each reload when its drop-in directory was not there at its start: it then
# never looks there again (pkg/config/reload.go, CRI-O 1.36).
NO_DIRECTORY = "Skipping not-existing config path"


class CrioService(Crio):
    """CRI-O on one node, with what changes it.

    :raises HostError: when the node has no CRI-O.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._host: Host = host

    def check_with(self, path: str, text: str | None, has_turn: bool) -> None:
        """Let CRI-O read a copy of its whole configuration in which ``path`` holds ``text``.

        :param text: None for the configuration without that file.
        :param has_turn: without it others may do the same at this moment, each in a place of its own.
        :raises HostError: when CRI-O would not start with it.
        """
        place = VALIDATION if has_turn else f"{VALIDATION}-check-{self._host.process_number()}"
        copy = f"{place}/crio.conf.d"
        try:
            self._host.copy_tree(DROP_IN_DIRECTORY, copy)
            if path.startswith(DROP_IN_DIRECTORY + "/"):
                target = copy + path[len(DROP_IN_DIRECTORY) :]
                self._host.remove(target)
                if text is not None:
                    self._host.write_atomic(target, text, 0o600, f"{place}/candidate")
            self._check(copy, hide=copy)
        finally:
            self._host.remove(place)

    def check(self) -> None:
        """Let CRI-O read its configuration as it lies there.

        :raises HostError: when CRI-O would not start with it.
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
            # What CRI-O said is its whole configuration, which can hold secrets.
            raise HostError(
                "checking CRI-O's configuration",
                f"the list of pins that would be in force holds a lone {_PANIC!r}, on which CRI-O"
                " panics",
                f"Remove it from the files in {DROP_IN_DIRECTORY}; nothing was changed.",
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

    def trouble_since(self, seconds: float) -> str:
        """Return CRI-O's last warnings and errors since an epoch second, joined into one line."""
        lines = [one for one in self._log_since(seconds).splitlines() if _is_trouble(one)]
        return " | ".join(readable_message(one) for one in lines[-_LOG_LINES:])

    def requested_since(self, seconds: float) -> tuple[str, ...]:
        """Return each pull that CRI-O was asked for since an epoch second, as far as its log tells."""
        return parse_pull_requests(self._log_since(seconds))

    def _log_since(self, seconds: float) -> str:
        program = self._host.find_program("journalctl")
        if program is None:
            return ""
        return self._host.run(
            [
                program, "--unit", "crio.service", "--since", f"@{int(seconds)}",
                "--output", "cat", "--no-pager", "--quiet",
            ],
            timeout=TIMEOUT,
        ).stdout  # fmt: skip

    def _systemctl(self) -> str:
        program = self._host.find_program("systemctl")
        if program is None:
            raise HostError("looking for systemctl", "it is not installed", "systemd is needed.")
        return program


def scratch_for(path: str) -> str:
    """Return where a new ``path`` is written first: on its filesystem, outside its folder.

    CRI-O reads every file of the folder; the one above it, it does not.
    """
    folder, _slash, name = path.rpartition("/")
    return f"{folder.rpartition('/')[0]}/.{name}.edgefleet-new"


def _is_trouble(line: str) -> bool:
    return any(word in line for word in ("level=warn", "level=error", "level=fatal", NO_DIRECTORY))
