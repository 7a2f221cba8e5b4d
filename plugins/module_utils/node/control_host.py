# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control side asks of its own machine beside what a node is asked: large files, streams."""

from __future__ import annotations

import os
import subprocess  # nosec B404 # lists of arguments only, never a shell
import tempfile
from typing import BinaryIO, Generator, Protocol, Sequence, cast

from .host import Host, LocalHost
from .reading_host import (
    CommandFailed,
    Completed,
    HostError,
    program_environment,
    run_program,
    text_of,
)

# What is read at once of files and output that are not kept in memory as a whole.
_CHUNK = 1 << 20


class ControlHost(Host, Protocol):
    """A :class:`Host` that also reads what is too large to be kept in memory."""

    def run_in(self, folder: str, argv: Sequence[str]) -> Completed:
        """Run a program to its end in a folder, which is made."""

    def stream(self, argv: Sequence[str]) -> Generator[bytes, None, None]:
        """Run a program and return its output as it comes; it ends when the generator is closed.

        :raises CommandFailed: after the output, when it ended with a failure.
        """

    def read_chunks(self, path: str) -> Generator[bytes, None, None]:
        """Return a file's bytes in chunks of up to 1 MiB."""

    def move(self, source: str, target: str) -> None:
        """Move a file within its filesystem, in one step; make the target's folder."""


class LocalControlHost(LocalHost):
    """The machine that this process runs on."""

    def run_in(self, folder: str, argv: Sequence[str]) -> Completed:
        """See :meth:`ControlHost.run_in`."""
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError as error:
            raise HostError(f"making {folder}", str(error.strerror)) from None
        return run_program(argv, folder=folder)

    def stream(self, argv: Sequence[str]) -> Generator[bytes, None, None]:
        """See :meth:`ControlHost.stream`."""
        with tempfile.TemporaryFile() as said:
            try:
                program = subprocess.Popen(  # nosec B603 # no shell
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    env=program_environment(),
                )
            except OSError as error:
                raise HostError(f"running {argv[0]}", str(error)) from None
            with program:
                try:
                    yield from _chunks(cast("BinaryIO", program.stdout))
                except GeneratorExit:
                    program.kill()
                    raise
            said.seek(0)
            ended = Completed(tuple(argv), program.returncode, "", text_of(said.read()))
        if ended.rc != 0:
            cause = ended.stderr or f"it ended with {ended.rc}"
            raise CommandFailed(f"running {argv[0]}", cause, "", ended)

    def read_chunks(self, path: str) -> Generator[bytes, None, None]:
        """See :meth:`ControlHost.read_chunks`."""
        try:
            # A pipe in the place of a file would block for ever: it reads as empty.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
                yield from _chunks(stream)
        except OSError as error:
            raise HostError(f"reading {path}", str(error.strerror)) from None

    def move(self, source: str, target: str) -> None:
        """See :meth:`ControlHost.move`."""
        try:
            os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
            os.replace(source, target)
        except OSError as error:
            raise HostError(f"writing {target}", str(error.strerror)) from None


def _chunks(stream: BinaryIO) -> Generator[bytes, None, None]:
    while True:
        chunk = stream.read(_CHUNK)
        if not chunk:
            return
        yield chunk
