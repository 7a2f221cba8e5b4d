# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake node that also has layers: records in a dictionary, and what lies in their folders."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import HostError
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.tar_split import StoredFile
from unit.fake_host import IMAGES_JSON, LAYERS_JSON, STORE, FakeHost


class FakeTree:
    """The files of one layer, with their sizes."""

    def __init__(self, sizes: dict[str, int]) -> None:
        """Take the sizes by name."""
        self._sizes = sizes

    def found(self, path: bytes) -> StoredFile:
        """See LayerTree."""
        size = self._sizes.get(path.decode())
        return StoredFile() if size is None else StoredFile("file", size)


class FakeContentHost(FakeHost):
    """A ContentHost; a layer ``x`` has one recorded file ``file of x`` of 5 bytes."""

    def __init__(self, images: dict[str, str], layers: dict[str, str]) -> None:
        """Take images with their uppermost layer, and layers with their parent; all are whole."""
        self.trees = {one: {f"file of {one}": 5} for one in layers}
        listed = [
            {"id": f"id of {one}", "names": [one], "layer": top} for one, top in images.items()
        ]
        files = {
            IMAGES_JSON: json.dumps(listed),
            LAYERS_JSON: json.dumps(
                [
                    {"id": one, "parent": parent, "compressed-diff-digest": f"sha256:{one}"}
                    for one, parent in layers.items()
                ]
            ),
        }
        for one in layers:
            files[self.record_of(one)] = json.dumps(
                {"type": 1, "name": f"file of {one}", "size": 5}
            )
        super().__init__(files)

    @staticmethod
    def record_of(layer: str) -> str:
        """Return the path of a layer's record."""
        return f"{STORE}/overlay-layers/{layer}.tar-split.gz"

    def unpacked_lines(self, path: str) -> Iterator[bytes]:
        """See ContentHost."""
        yield from self.files[path].encode().splitlines()

    @contextlib.contextmanager
    def tree(self, root: str) -> Iterator[FakeTree]:
        """See ContentHost."""
        layer = root.removeprefix(f"{STORE}/overlay/").removesuffix("/diff")
        if layer not in self.trees:
            raise HostError(f"looking into {root}", "No such file or directory")
        yield FakeTree(self.trees[layer])
