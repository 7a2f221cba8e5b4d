# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""crictl: what the daemon holds; what changes that is in ``image_service``."""

from __future__ import annotations

from typing import Callable, Sequence

from ..observed.crio import CrioVersion, parse_runtime_version
from ..observed.images import DaemonImage, parse_crictl_images, parse_running_images
from ..observed.message import readable_message
from .reading_host import CommandFailed, Completed, HostError, ReadingHost

# Where CRI-O listens unless told otherwise (pkg/config/config.go: CrioSocketPath).
SOCKET = "unix:///var/run/crio/crio.sock"
# For connecting and for lists; crictl's own 2 s is short for a node that pulls. In seconds.
_TIMEOUT = 30
# crictl checks the image filesystem as it connects, and can meet a file that a pull just renamed.
_HARMLESS = "unable to get usage for"
_HARMLESS_TRIES = 10
_HARMLESS_DELAY = 0.2
# What is said of an image that the store lists and has no record of any more (containers/storage:
# store.go); CRI-O then lists no image at all, and removes none. Its repair deletes what it does not
# know, a layer that is being unpacked too: so CRI-O must not run, and that is not for us to decide.
_UNREADABLE = "consider removing the image to resolve the issue"
_REPAIR = (
    "The store has lost a part of that image. CRI-O 1.31 and newer mend it while they do not run:"
    " systemctl stop crio; crio check --quick --repair; systemctl start crio. Then run again."
)


class Crictl:
    """crictl on one node.

    :raises HostError: when the node has no crictl.
    """

    def __init__(self, host: ReadingHost) -> None:
        self._host = host
        program = host.find_program("crictl")
        if program is None:
            raise HostError("looking for crictl", "it is not installed", "Install cri-tools.")
        self._program = program

    def images(self) -> tuple[DaemonImage, ...]:
        """Return what the daemon lists.

        :raises CommandFailed: when the daemon does not answer.
        """
        return parse_crictl_images(self._answer(["images", "-o", "json"]))

    def version(self) -> CrioVersion:
        """Return the version of the CRI-O that runs; the installed one may be newer.

        :raises CommandFailed: when the daemon does not answer.
        """
        return parse_runtime_version(self._answer(["version"]))

    def images_in_use(self) -> frozenset[str]:
        """Return names and identifiers of the images of all containers, running or not.

        :raises CommandFailed: when the daemon does not answer.
        """
        return parse_running_images(self._answer(["ps", "-a", "-o", "json"]))

    def _answer(self, arguments: Sequence[str]) -> str:
        completed = self._run(arguments, self._host.run)
        if completed.rc != 0:
            cause = readable_message(completed.stderr)
            raise CommandFailed(
                f"asking CRI-O with 'crictl {arguments[0]}'",
                cause,
                _REPAIR if _UNREADABLE in cause else "CRI-O must be running.",
                completed,
            )
        return completed.stdout

    def _run(
        self,
        arguments: Sequence[str],
        start: Callable[[Sequence[str]], Completed],
        timeout: int = _TIMEOUT,
    ) -> Completed:
        argv = [
            self._program,
            "--runtime-endpoint",
            SOCKET,
            # An image endpoint of /etc/crictl.yaml would win over the one above.
            "--image-endpoint",
            SOCKET,
            "--timeout",
            f"{timeout}s",
            *arguments,
        ]
        for _attempt in range(_HARMLESS_TRIES):
            completed = start(argv)
            if completed.rc == 0 or _HARMLESS not in completed.stderr:
                break
            self._host.sleep(_HARMLESS_DELAY)
        return completed
