# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CRI-O on a node, as it is read: version, configuration, drop-ins.

A look at a node needs no more, and every run uploads it to every node: what changes CRI-O is in
``crio_service``, as what changes images is in ``image_service`` and not in ``crictl``.
"""

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
from ..observed.message import readable_message
from .reading_host import CommandFailed, Completed, HostError, ReadingHost

CONFIG_PATH = "/etc/crio/crio.conf"
DROP_IN_DIRECTORY = "/etc/crio/crio.conf.d"
# Where the Machine Config Operator keeps what it last applied: the node's files are then its own.
MCO_MARKER = "/etc/machine-config-daemon/currentconfig"
# A line that is no comment and names the key: a file without one cannot set pins.
_PINS_LINE = re.compile(r"^[^#\n]*pinned_images", re.MULTILINE)
# What stands in a configuration of ours to see whether another file replaces it.
_SENTINEL = "edgefleet.invalid/sentinel"
_SENTINEL_CONFIG = f'[crio.image]\npinned_images = ["{_SENTINEL}"]\n'
# For programs that answer at once, in seconds.
TIMEOUT = 60


@dataclass(frozen=True)
class DropIn:
    """A file of CRI-O's configuration that may set pins, and its text."""

    path: str
    text: str


class Crio:
    """CRI-O on one node.

    :raises HostError: when the node has no CRI-O.
    """

    def __init__(self, host: ReadingHost) -> None:
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

        :raises CommandFailed: when it is not running, or could not start again, as this program reads
            the files first.
        """
        # Up to 1.28 the sub-command was a program of its own.
        own = self._host.find_program("crio-status")
        argv = [own, "config"] if own else [self._program, "status", "config"]
        completed = self._checked(
            argv,
            "asking CRI-O for its configuration",
            "CRI-O must be running, and its files be as it can read them.",
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

    def _checked(
        self,
        argv: list[str],
        problem: str,
        needed: str = "",
        hide: str = "",
        stdin: str = "",
        timeout: float = TIMEOUT,
    ) -> Completed:
        """Run ``argv``; a failure becomes an error that names ``hide``, a copy, as the original."""
        completed = self._host.run(argv, timeout=timeout, stdin=stdin)
        if completed.rc != 0:
            cause = readable_message(completed.stderr)
            if hide:
                cause = cause.replace(hide, DROP_IN_DIRECTORY)
            raise CommandFailed(problem, cause, needed, completed)
        return completed
