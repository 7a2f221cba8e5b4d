# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packed layers in a folder of the machine that locks, as an OCI image layout names them."""

from __future__ import annotations

import hashlib
from contextlib import closing, contextmanager
from itertools import chain
from typing import ContextManager, Generator, Iterator, Sequence

from ..observed.layer_stream import (
    GZIP,
    ZSTD,
    InvalidLayer,
    bounded,
    check_packing,
    gunzip,
    unpacked_limit,
)
from .control_host import ControlHost
from .host import Host
from .reading_host import CommandFailed, HostError
from .skopeo import Skopeo

# Reading some layers is over by then; all those of a release take longer, and whoever waits for
# them is told so. In seconds.
_PATIENCE = 60.0


def require_zstd(host: Host) -> str:
    """Return zstd's path; Python before 3.14 cannot unpack it by itself.

    :raises HostError: when it is not installed.
    """
    program = host.find_program("zstd")
    if program is None:
        raise HostError(
            "looking for zstd", "it is not installed, and layers are packed with it", "Install it."
        )
    return program


class LayerBlobs:
    """The layers in ``folder``; every digest is a sha256 one, already checked to be one.

    :param folder: an absolute path; fetched layers lie in ``blobs/sha256`` below it.
    :param turn: the absolute path of the file that a run locks while it has the folder.
    """

    def __init__(self, host: ControlHost, skopeo: Skopeo, folder: str, turn: str) -> None:
        self._host = host
        self._skopeo = skopeo
        self._folder = folder
        self._turn = turn

    def alone(self) -> ContextManager[None]:
        """Hold the folder: another run would clear what is on its way, and remove what is read.

        It is let go of when the process ends, however it ends.

        :raises HostError: when another run still holds it after a minute, saying whose, since when.
        """
        problem = f"waiting for {self._folder} on the control node"
        return self._host.exclusive(self._turn, "read layers", _PATIENCE, problem)

    def has(self, digest: str) -> bool:
        """Say whether a layer is here with that digest; what has another one is removed."""
        path = self._path(digest)
        if not self._host.exists(path):
            return False
        found = hashlib.sha256()
        for chunk in self._host.read_chunks(path):
            found.update(chunk)
        if found.hexdigest() == _encoded(digest):
            return True
        self._host.remove(path)
        return False

    def fetch(self, reference: str, digests: Sequence[str], size: int) -> None:
        """Bring layers of a reference, of ``size`` bytes in all.

        :raises CommandFailed: when the registry did not give one; the ones before it are here.
        """
        # One name for each, so that the next run clears what a killed one left.
        coming = f"{self._folder}/coming-{_encoded(digests[0])}"
        wanted = {_encoded(digest): digest for digest in digests}
        self._host.remove(coming)
        try:
            self._skopeo.layers(reference, digests, size, coming)
        finally:
            for path in self._host.files_below(coming):
                name = path.rpartition("/")[2]
                if name in wanted:
                    self._host.move(path, self._path(wanted[name]))
            self._host.remove(coming)

    def remove(self, digest: str) -> None:
        """Remove a layer."""
        self._host.remove(self._path(digest))

    @contextmanager
    def unpacked(self, digest: str, size: int, packing: str) -> Iterator[Iterator[bytes]]:
        """Give a layer's tar, in chunks, within the bound for ``size`` packed bytes.

        :raises InvalidLayer: also while it is read, when it is not packed so, or is too large.
        """
        with closing(self._host.read_chunks(self._path(digest))) as packed:
            start = next(packed, b"")
            check_packing(start, packing)
            if packing == ZSTD:
                with closing(self._unzstd(digest)) as chunks:
                    yield bounded(chunks, unpacked_limit(size))
            else:
                whole = chain((start,), packed)
                yield bounded(
                    gunzip(whole) if packing == GZIP else whole,
                    unpacked_limit(size),
                )

    def _unzstd(self, digest: str) -> Generator[bytes, None, None]:
        argv = [require_zstd(self._host), "-d", "-c", "-q", self._path(digest)]
        with closing(self._host.stream(argv)) as chunks:
            try:
                yield from chunks
            except CommandFailed as error:
                # It names the file first, the end of a long path only.
                cause = error.cause.partition(" : ")[2] or error.cause
                raise InvalidLayer(f"its zstd is damaged, {cause}") from None

    def _path(self, digest: str) -> str:
        return f"{self._folder}/blobs/sha256/{_encoded(digest)}"


def _encoded(digest: str) -> str:
    return digest.partition(":")[2]
