# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node's image store really holds of its layers, file by file; for the deep look only."""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from typing import ContextManager, Iterator, Protocol

from ..observed.crio import RunningConfig
from ..observed.found_file import ABSENT
from ..observed.store import StoreContents, StoredImage, StoredLayer
from ..observed.tar_split import StoredFile
from .host import Host, LocalHost
from .reading_host import HostError, kind_of
from .store import contents_of

# A line of a record holds up to 1 MiB of padding (tar-split tar/asm/disassemble.go), as base64.
_LINE_MAX = 4 << 20
# As the kernel (MAXSYMLINKS).
_LINKS_MAX = 40


class LayerTree(Protocol):
    """The unpacked files of one layer."""

    def found(self, path: bytes) -> StoredFile:
        """Return what lies at a path of the layer; links among its folders stay within it.

        :raises HostError: when it cannot be looked at.
        """


class ContentHost(Host, Protocol):
    """A :class:`Host` that also looks into layers."""

    def unpacked_lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a gzip file; none where there is no file.

        :raises HostError: when it is torn, or has a line of more than 4 MiB.
        """

    def tree(self, root: str) -> ContextManager[LayerTree]:
        """Open a folder with a layer's files.

        :raises HostError: when it is not there.
        """


class LocalContentHost(LocalHost):
    """The machine that this process runs on."""

    def unpacked_lines(self, path: str) -> Iterator[bytes]:
        """See :meth:`ContentHost.unpacked_lines`."""
        try:
            with gzip.open(path, "rb") as stream:
                while True:
                    line = stream.readline(_LINE_MAX + 1)
                    if len(line) > _LINE_MAX:
                        raise HostError(f"reading {path}", "it has a line that is too long")
                    if not line:
                        return
                    yield line
        except (EOFError, zlib.error) as error:
            raise HostError(f"reading {path}", f"it is torn: {error}") from None
        except OSError as error:
            raise HostError(f"reading {path}", error.strerror or str(error)) from None

    @contextlib.contextmanager
    def tree(self, root: str) -> Iterator[LayerTree]:
        """See :meth:`ContentHost.tree`."""
        try:
            descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise HostError(f"looking into {root}", str(error.strerror)) from None
        try:
            yield _LocalTree(descriptor)
        finally:
            os.close(descriptor)


class _LocalTree:
    """Finds files from a folder's handle, as a container whose root that is would."""

    def __init__(self, root: int) -> None:
        self._root = root
        # A layer's files come folder by folder.
        self._last = (b"", b"")

    def found(self, path: bytes) -> StoredFile:
        """See :meth:`LayerTree.found`."""
        folder, _slash, base = path.strip(b"/").rpartition(b"/")
        if folder != self._last[0]:
            self._last = (folder, self._real(folder))
        try:
            status = os.stat(
                os.path.join(self._last[1], base or b"."),
                dir_fd=self._root,
                follow_symlinks=False,
            )
        except (FileNotFoundError, NotADirectoryError):
            return StoredFile(ABSENT)
        except OSError as error:
            raise HostError("looking at it", str(error.strerror)) from None
        return StoredFile(kind_of(status.st_mode), status.st_size)

    def _real(self, folder: bytes) -> bytes:
        """Return a folder's path without links; an absolute one starts at the layer's top."""
        todo = folder.split(b"/")[::-1]
        real: list[bytes] = []
        links = 0
        while todo:
            part = todo.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                real = real[:-1]
                continue
            target = self._link(b"/".join([*real, part]))
            if target is None or links == _LINKS_MAX:
                real.append(part)
                continue
            links += 1
            if target.startswith(b"/"):
                real = []
            todo += target.split(b"/")[::-1]
        return b"/".join(real)

    def _link(self, path: bytes) -> bytes | None:
        try:
            return os.readlink(path, dir_fd=self._root)
        except OSError:
            return None


class LayerStore:
    """The image stores of a node: what they list, and where the files of a layer lie."""

    def __init__(self, host: ContentHost, config: RunningConfig) -> None:
        self._host = host
        self._roots: dict[str, str] = {}
        images: dict[str, StoredImage] = {}
        layers: dict[str, StoredLayer] = {}
        for root in config.store_roots():
            contents = contents_of(host, root)
            images.update(contents.images)
            layers.update(contents.layers)
            self._roots.update(dict.fromkeys(contents.layers, root))
        self.contents = StoreContents(images, layers)

    def has_record(self, identifier: str) -> bool:
        """Say whether a layer's record is there."""
        return self._host.exists(self._record(identifier))

    def record(self, identifier: str) -> Iterator[bytes]:
        """Yield the lines of a layer's record; see :meth:`ContentHost.unpacked_lines`."""
        return self._host.unpacked_lines(self._record(identifier))

    def tree(self, identifier: str) -> ContextManager[LayerTree]:
        """Open the files of a layer; see :meth:`ContentHost.tree`."""
        return self._host.tree(f"{self._roots[identifier]}/overlay/{identifier}/diff")

    def _record(self, identifier: str) -> str:
        return f"{self._roots[identifier]}/overlay-layers/{identifier}.tar-split.gz"
