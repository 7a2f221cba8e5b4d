# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""skopeo: manifests from registries, with the user's usual configuration of registries."""

from __future__ import annotations

import threading
from typing import Sequence

from ..observed.failure import classify_failure
from ..observed.message import readable_message
from .control_host import ControlHost
from .reading_host import CommandFailed, Completed, HostError

# A registry that does not answer is given up on after this many seconds.
_TIMEOUT = "60s"
# How often in a row it may not answer before nothing more is asked of it: as many as ask at once
# (actions/lock.py) can find it silent together, and each has waited for all of that time.
_SILENCES = 8
_SILENT = ("timeout", "unreachable")
# How long to wait before what a registry answered with an error, or a link broke, is asked again, in
# seconds. skopeo 1.9.3 with --retry-times tries again where nobody listens, and not after a 502.
_WAITS = (1.0, 2.0)
# What skopeo says where no connection came about, or nothing came over it: that does not pass so soon.
_NOBODY = ("dial tcp", "i/o timeout")
# While layers come: seconds, and in addition what they take at so many bytes a second (1 Mbit).
_LAYERS_TIMEOUT = 300
_SLOWEST_LINK = 125_000


class Skopeo:
    """skopeo on the machine that locks. Safe to use from several threads.

    A registry that does not answer, time after time, is asked for no further manifest.

    :param auth_file: path of an auth file, or empty for the user's own.
    :raises HostError: when it is not installed.
    """

    def __init__(self, host: ControlHost, auth_file: str) -> None:
        self._host = host
        self._auth = ["--authfile", auth_file] if auth_file else []
        program = host.find_program("skopeo")
        if program is None:
            raise HostError("looking for skopeo", "it is not installed", "Install skopeo here.")
        self._program = program
        self._lock = threading.Lock()
        # How often in a row registries did not answer, and what that looked like.
        self._silences: dict[str, tuple[int, str]] = {}

    def manifest(self, reference: str) -> str:
        """Return the manifest or index of a reference, by tag or digest, as it was served.

        :raises CommandFailed: when the registry does not have or give it.
        """
        return self._inspect(reference, "--raw")

    def config(self, reference: str) -> str:
        """Return the image configuration of a reference that is a single manifest, as served.

        :raises CommandFailed: when the registry does not have or give it.
        """
        return self._inspect(reference, "--config", "--raw")

    def layers(self, reference: str, digests: Sequence[str], size: int, folder: str) -> None:
        """Bring layers of a reference, of ``size`` bytes in all, into files below ``folder``.

        They come in the order of ``digests``, each in a file named by the digest's hexadecimal part
        as soon as it is complete and its digest is right. The command is hidden in skopeo's help,
        and there from before 1.9 up to 1.22: the only one that brings single layers as they are.

        :raises CommandFailed: when one could not be had; the ones before it are there.
        """
        limit = f"{_LAYERS_TIMEOUT + size // _SLOWEST_LINK}s"
        argv = [self._program, "--command-timeout", limit, "layers", *self._auth]
        completed = self._host.run_in(folder, [*argv, f"docker://{reference}", *digests])
        if completed.rc != 0:
            raise CommandFailed(
                f"reading layers of {reference} from its registry",
                readable_message(completed.stderr),
                "",
                completed,
            )

    def _inspect(self, reference: str, *options: str) -> str:
        problem, registry = f"reading {reference} from its registry", reference.partition("/")[0]
        silences, last = self._silences.get(registry, (0, ""))
        if silences >= _SILENCES:
            cause = f"not asked, as {registry} did not answer {silences} times in a row: {last}"
            raise CommandFailed(problem, cause, "", Completed((), 1, "", ""))
        argv = [self._program, "--command-timeout", _TIMEOUT, "inspect", *options, *self._auth]
        completed, cause = self._tried([*argv, f"docker://{reference}"])
        with self._lock:
            silences = self._silences.get(registry, (0, ""))[0]
            is_silent = classify_failure(cause) in _SILENT
            self._silences[registry] = (silences + 1, cause) if is_silent else (0, "")
        if completed.rc != 0:
            raise CommandFailed(problem, cause, "", completed)
        return completed.stdout

    def _tried(self, argv: Sequence[str]) -> tuple[Completed, str]:
        """Return how skopeo ended, and why it failed: a failure that may pass is tried again."""
        for wait in _WAITS:
            completed, cause = self._ended(argv)
            if not _may_pass(cause):
                return completed, cause
            self._host.sleep(wait)
        return self._ended(argv)

    def _ended(self, argv: Sequence[str]) -> tuple[Completed, str]:
        completed = self._host.run(argv)
        return completed, readable_message(completed.stderr) if completed.rc else ""


def _may_pass(cause: str) -> bool:
    """Say whether it is a registry's error, or a connection that broke, by skopeo's message."""
    return classify_failure(cause) == "unreachable" and not any(one in cause for one in _NOBODY)
