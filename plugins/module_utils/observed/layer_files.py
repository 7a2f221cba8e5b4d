# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one layer does to the files below a folder of its image; nothing of it is ever unpacked."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import Iterable, Iterator, Mapping

from .layer_stream import InvalidLayer

# How layers take files of lower ones away (OCI image specification, layer.md).
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
# The largest operator index has some 200 MB below its folder.
_CONTENT_MAX = 1 << 30
_CHUNK = 1 << 20


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


def read_layer_files(chunks: Iterable[bytes], folder: str) -> LayerFiles:
    """Read a layer's tar.

    :param chunks: the tar, unpacked.
    :param folder: a path in the image, without slashes around it; a file's own path does as well.
    :raises InvalidLayer: when it is no tar, a file of the folder is a link that leads out of it,
        or there is too much.
    """
    files: dict[str, str] = {}
    replaced: set[str] = set()
    emptied: set[str] = set()
    try:
        with tarfile.open(fileobj=_Reader(chunks), mode="r|", bufsize=_CHUNK) as tar:  # type: ignore[call-overload] # it only reads
            left = _CONTENT_MAX
            for member in tar:
                path = _path(member.name)
                above, _slash, name = path.rpartition("/")
                if name == _OPAQUE:
                    emptied.add(above)
                elif name.startswith(_WHITEOUT):
                    replaced.add(f"{above}/{name[len(_WHITEOUT) :]}".lstrip("/"))
                elif not member.isdir():
                    replaced.add(path)
                    if path == folder or path.startswith(f"{folder}/"):
                        files[path] = _text(tar, member, files, left)
                        left -= len(files[path])
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise InvalidLayer(f"it is no tar, {error}") from None
    return LayerFiles(files, frozenset(replaced), frozenset(emptied))


class _Reader:
    """Chunks of bytes behind the one method that tarfile calls."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes, none at the end."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken


def _text(
    tar: tarfile.TarFile, member: tarfile.TarInfo, files: Mapping[str, str], left: int
) -> str:
    if member.islnk() and _path(member.linkname) in files:
        return files[_path(member.linkname)]
    if not member.isreg():
        raise InvalidLayer(f"{member.name} is no plain file")
    if member.size > left:
        raise InvalidLayer(f"there are more than {_CONTENT_MAX} bytes in its folder")
    content = tar.extractfile(member)
    return content.read().decode("utf-8", errors="backslashreplace") if content else ""


def _path(name: str) -> str:
    """Return an entry's path in the image; ``..`` leads nowhere above its top."""
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))


def _above(path: str) -> Iterator[str]:
    """Yield every folder above a path, its image's top last."""
    while path:
        path = path.rpartition("/")[0]
        yield path
