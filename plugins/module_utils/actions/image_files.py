# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read files out of an image in its registry, with no more of its layers than that takes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Mapping

from ..decisions.layer_measure import measure_layer
from ..documents.json_text import DOCUMENT_MAX
from ..errors import EdgefleetError
from ..node.control_host import ControlHost
from ..node.layer_blobs import LayerBlobs
from ..node.reading_host import HostError
from ..node.skopeo import Skopeo
from ..observed.layer_files import LayerFiles, read_layer_files
from ..observed.layer_stream import PACKINGS, InvalidLayer, tar_entries
from ..observed.manifest import Layer, Manifest, digest_of
from .measure import remember_measure

_MODE = 0o644
# The largest operator index has some 200 MB below its folder. In bytes.
_FOLDER_MAX = 512 << 20
# skopeo brings layers by this kind of digest only.
_FETCHED = "sha256:"


class UnreadableImage(EdgefleetError):
    """An image whose layers are not what they should be."""


class ImageFiles:
    """Files of images; what was read once is remembered by the image's digest.

    Layers of which :meth:`file` had to be read are measured as well: they are not fetched once more
    for that. What :meth:`folder` is asked for is of catalogs, which no node pulls.

    :param cache_folder: an absolute path; layers lie there while they are read.
    """

    def __init__(self, host: ControlHost, skopeo: Skopeo, cache_folder: str) -> None:
        self._host = host
        self._cache_folder = cache_folder
        self._blobs = LayerBlobs(host, skopeo, f"{cache_folder}/layers", f"{cache_folder}/turn")

    def file(self, reference: str, manifest: Manifest, path: str) -> str | None:
        """Return a document's text, None when the image has none; the top layer comes first.

        :param reference: the image by the digest of that manifest.
        :raises EdgefleetError: when a layer cannot be had or read, or the text is longer than
            any document may be.
        """
        known = self._known(reference, path)
        if known is None:
            known = {}
            for layer in reversed(manifest.layers):
                files = self._read(reference, layer, path, DOCUMENT_MAX, measures=True)
                if files.files:
                    known = dict(files.files)
                if files.files or files.hides(path):
                    break
            self._remember(reference, path, known)
        return known.get(path)

    def folder(self, reference: str, manifest: Manifest, path: str) -> Mapping[str, str]:
        """Return the texts of all files below a folder, by their paths in it.

        :param reference: the image by the digest of that manifest.
        :raises EdgefleetError: when a layer cannot be had or read.
        """
        known = self._known(reference, path)
        if known is None:
            found: dict[str, str] = {}
            for layer in manifest.layers:
                found = self._read(reference, layer, path, _FOLDER_MAX, measures=False).on(found)
            known = {name[len(path) + 1 :]: text for name, text in found.items()}
            self._remember(reference, path, known)
        return known

    def _read(
        self, reference: str, layer: Layer, path: str, limit: int, *, measures: bool
    ) -> LayerFiles:
        with self._blobs.alone():
            try:
                packing = self._bring(reference, layer)
                with self._blobs.unpacked(layer.digest, layer.size, packing) as chunks:
                    files = read_layer_files(chunks, path, limit)
                if measures:
                    with self._blobs.unpacked(layer.digest, layer.size, packing) as chunks:
                        measure = measure_layer(tar_entries(chunks))
                    # Whoever measures then fetches it once more.
                    with suppress(HostError):
                        remember_measure(self._host, self._cache_folder, layer.digest, measure)
                return files
            except InvalidLayer as error:
                raise UnreadableImage(
                    f"reading layer {layer.digest} of {reference}", error.cause
                ) from None
            finally:
                self._blobs.remove(layer.digest)

    def _bring(self, reference: str, layer: Layer) -> str:
        """Have a layer here; return how it is packed."""
        packing = PACKINGS.get(layer.media_type)
        if packing is None:
            raise InvalidLayer(f"its media type {layer.media_type!r} is no layer's")
        if not layer.digest.startswith(_FETCHED):
            raise InvalidLayer("skopeo brings layers by sha256 digests only")
        if not self._blobs.has(layer.digest):
            self._blobs.fetch(reference, [layer.digest], layer.size)
        if not self._blobs.has(layer.digest):
            raise InvalidLayer("what the registry served does not match it")
        return packing

    def _known(self, reference: str, path: str) -> dict[str, str] | None:
        digest, _line, text = (self._host.read(self._place(reference, path)) or "").partition("\n")
        if not digest or digest_of(text) != digest:
            return None
        known: dict[str, str] = json.loads(text)
        return known

    def _remember(self, reference: str, path: str, found: Mapping[str, str]) -> None:
        text = json.dumps(found, sort_keys=True)
        place = self._place(reference, path)
        try:
            self._host.write_atomic(place, f"{digest_of(text)}\n{text}", _MODE, f"{place}.new")
        except HostError:
            return

    def _place(self, reference: str, path: str) -> str:
        name = digest_of(f"{reference} {path}").partition(":")[2]
        return f"{self._cache_folder}/contents/{name}"
