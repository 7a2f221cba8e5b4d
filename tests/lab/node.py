"""A node as tests see it: commands, files, images, pods."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .commands import LabError
from .machine import STORE, Machine
from .network import Network
from .pod import Pod
from .processes import Process, wait_for

# A node boots in two or three seconds; a busy machine and two more labs are allowed for.
_BOOT_SECONDS = 90


class Node:
    """One CRI-O node of a lab."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._init: Process | None = None

    @property
    def name(self) -> str:
        """Its name, in the inventory too."""
        return self._machine.spec.name

    @property
    def address(self) -> str:
        """The address of its sshd."""
        return self._machine.address

    @property
    def network(self) -> Network:
        """The lab's network."""
        return self._machine.network

    @property
    def console(self) -> Path:
        """The console log of the machine, on this side."""
        return self._machine.console

    def exec(
        self,
        argv: Sequence[str],
        *,
        check: bool = True,
        stdin: str | None = None,
        timeout: float | None = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the node as root, without ssh; LabError when it fails and `check`."""
        done = self._machine.exec(self._running(), argv, stdin=stdin, timeout=timeout)
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-2000:]
            raise LabError(f"{self.name}: {' '.join(argv)}: exit {done.returncode}: {said}")
        return done

    def read(self, path: str) -> str:
        """The text of a file in the node."""
        return self.exec(["cat", path]).stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file into the node, folders included."""
        script = 'mkdir -p "$(dirname "$0")" && cat >"$0" && chmod "$1" "$0"'
        self.exec(["sh", "-c", script, path, f"{mode:o}"], stdin=text)

    def images(self) -> list[dict[str, Any]]:
        """The images that CRI-O reports, as crictl prints them."""
        images: list[dict[str, Any]] = json.loads(self._crictl("images", "-o", "json"))["images"]
        return images

    def pinned(self) -> set[str]:
        """The digest references of all images that CRI-O reports as pinned."""
        return self.present_and_pinned()[1]

    def present_and_pinned(self) -> tuple[set[str], set[str]]:
        """The digest references of all images that CRI-O has, and of the pinned, in one answer."""
        images = self.images()
        pinned = [image for image in images if image["pinned"]]
        return _references(images), _references(pinned)

    def run_pod(self, reference: str) -> Pod:
        """Run a pod from an image of the lab (`lab.payload`); pulled if need be."""
        return Pod.start(self, reference)

    def wipe_store(self) -> None:
        """Empty CRI-O's store behind its back, as an exchanged disk would."""
        self.exec(["systemctl", "stop", "crio"])
        # The overlay driver leaves a bind mount of its own folder in the store.
        unmount = f"umount -q {STORE}/storage/overlay; true"
        self.exec(["sh", "-c", f"{unmount}; find {STORE} -mindepth 1 -delete"])
        self.exec(["systemctl", "start", "crio"])

    def power_cut(self) -> None:
        """Cut the power: nothing is shut down, and what was not yet on a disk is lost."""
        self._machine.power_cut()

    def reboot(self) -> None:
        """Reboot, as systemctl does it: all is shut down and written; wait until the node answers."""
        init = self._running()
        self.exec(["systemctl", "reboot"])
        # nspawn ends as well, and leaves it to its unit to start it again (--keep-unit).
        self._machine.went_off(init)
        self.start()

    def start(self) -> None:
        """Power on again, from the same disks, and wait until the node answers."""
        self._machine.power_on()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until sshd and CRI-O answer; LabError with what the node said when they do not."""
        try:
            wait_for(self._ssh_answers, f"sshd of {self.name}", seconds=_BOOT_SECONDS)
            wait_for(self._crio_answers, f"CRI-O of {self.name}", seconds=_BOOT_SECONDS)
        except LabError as error:
            raise LabError(f"{error}\n{self._last_words()}") from error

    def _crictl(self, *words: str) -> str:
        # crictl allows the daemon two seconds; a busy machine may take longer.
        return self.exec(["crictl", "--timeout=30s", *words]).stdout

    def _running(self) -> Process:
        if self._init is None or not self._init.alive:
            self._init = self._machine.init()
        if self._init is None:
            raise LabError(f"{self.name} does not run")
        return self._init

    def _ssh_answers(self) -> bool:
        self.network.require()
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _crio_answers(self) -> bool:
        active = self.exec(["systemctl", "is-active", "--quiet", "crio"], check=False)
        if active.returncode != 0:
            return False
        return self.exec(["crictl", "version"], check=False).returncode == 0

    def _last_words(self) -> str:
        console = self.console.read_text(errors="replace")[-3000:] if self.console.exists() else ""
        try:
            journal = self.exec(["journalctl", "--no-pager", "-n", "30"], check=False).stdout
        except LabError as error:
            journal = str(error)
        return f"console:\n{console}\njournal:\n{journal}"


def _references(images: Iterable[dict[str, Any]]) -> set[str]:
    return {reference for image in images for reference in image["repoDigests"]}
