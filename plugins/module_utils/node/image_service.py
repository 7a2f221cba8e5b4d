# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""crictl again, for the calls that change what the daemon holds."""

from __future__ import annotations

import threading

from .crictl import Crictl
from .host import Host
from .reading_host import Completed

# An image of some hundred thousand files takes a slow disk a while. In seconds.
_REMOVE_TIMEOUT = 600
#: What stands in the environment of the programs that pull for us, by which they are known when the
#: run that started them was killed.
_NAME, _VALUE = "EDGEFLEET_CRIO", "pull"
PULLS = f"{_NAME}={_VALUE}"
_SETTINGS = {_NAME: _VALUE}


class ImageService(Crictl):
    """The daemon's images on one node, to be pulled and removed.

    :raises HostError: when the node has no crictl.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._host: Host = host

    def pull(self, reference: str, stop: threading.Event) -> Completed:
        """Pull one image; credentials come from CRICTL_AUTH or CRICTL_CREDS in the environment.

        When crictl is ended, as by ``stop``, CRI-O cancels the pull.
        """
        return self._run(
            ["pull", reference], lambda argv: self._host.run_until(argv, stop, _SETTINGS)
        )

    def remove(self, reference: str) -> Completed:
        """Take one name from its image; the image goes with its last name."""
        return self._run(["rmi", reference], self._host.run, _REMOVE_TIMEOUT)
