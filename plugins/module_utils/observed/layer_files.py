# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one layer does to the files below a folder of its image; nothing of it is ever unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, Mapping

from .layer_stream import FILE, FOLDER, HARD_LINK, Entry, InvalidLayer, tar_entries

# How layers take files of lower ones away (OCI image specification, layer.md).
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


@dataclass(frozen=True)
class LayerFiles:
    """``files`` are the texts that the layer adds below the folder, by their paths in the image.

    Files of lower layers at a path in ``replaced``, or below one, are gone; those below a path in
    ``emptied`` too.
    """

    files: Mapping[str, str]
    replaced: frozenset[str]
    emptied: frozenset[str]

    def hides(self, path: str) -> bool:
        """Say whether a lower layer's file at ``path`` is gone."""
        above = list(_above(path))
        return not self.replaced.isdisjoint([path, *above]) or not self.emptied.isdisjoint(above)

    def on(self, lower: Mapping[str, str]) -> dict[str, str]:
        """Return the files there are with this layer above ``lower``."""
        return {**{path: lower[path] for path in lower if not self.hides(path)}, **self.files}


def read_layer_files(chunks: Iterable[bytes], folder: str, limit: int) -> LayerFiles:
    """Read a layer's tar.

    :param chunks: the tar, unpacked.
    :param folder: a path in the image, without slashes around it; a file's own path does as well.
    :param limit: how many bytes of it may be for the folder, headers and contents.
    :raises InvalidLayer: when it is no tar, a file of the folder is a link that leads out of it,
        or there is too much.
    """
    reader = _Reader(folder, limit)
    for entry in tar_entries(chunks, reader.takes):
        reader.add(entry)
    return LayerFiles(reader.files, frozenset(reader.replaced), frozenset(reader.emptied))


class _Reader:
    """What the entries so far came to. What is neither above nor below the folder is not kept."""

    def __init__(self, folder: str, limit: int) -> None:
        self.files: dict[str, str] = {}
        self.replaced: set[str] = set()
        self.emptied: set[str] = set()
        self._folder = folder
        self._limit = self._left = limit

    def takes(self, entry: Entry) -> bool:
        """Say whether an entry is a file whose text counts; refuse it when it is too much."""
        path = _path(entry.name)
        if not self._is_below(path):
            return False
        self._count(len(entry.header) + entry.size)
        return entry.kind == FILE and not path.rpartition("/")[2].startswith(_WHITEOUT)

    def add(self, entry: Entry) -> None:
        """Take an entry."""
        path = _path(entry.name)
        above, _slash, name = path.rpartition("/")
        if name == _OPAQUE:
            self._note(self.emptied, above)
        elif name.startswith(_WHITEOUT):
            self._note(self.replaced, f"{above}/{name[len(_WHITEOUT) :]}".lstrip("/"))
        elif entry.kind != FOLDER:
            self._note(self.replaced, path)
            if self._is_below(path):
                self.files[path] = self._text(entry, path)

    def _note(self, paths: set[str], path: str) -> None:
        if self._is_below(path) or path in _above(self._folder):
            paths.add(path)

    def _is_below(self, path: str) -> bool:
        return path == self._folder or path.startswith(f"{self._folder}/")

    def _text(self, entry: Entry, path: str) -> str:
        if entry.kind == HARD_LINK and _path(entry.target) in self.files:
            text = self.files[_path(entry.target)]
            self._count(len(text))
            return text
        if entry.kind != FILE:
            raise InvalidLayer(f"{path} is no plain file")
        return entry.content.decode("utf-8", errors="backslashreplace")

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise InvalidLayer(f"there are more than {self._limit} bytes for {self._folder}")


def _path(name: bytes) -> str:
    """Return an entry's path in the image; ``..`` leads nowhere above its top."""
    parts = name.decode("utf-8", errors="backslashreplace").split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def _above(path: str) -> Iterator[str]:
    """Yield every folder above a path, its image's top last."""
    while path:
        path = path.rpartition("/")[0]
        yield path
