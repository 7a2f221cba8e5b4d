# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the pulls of a node are: what counts as a mark, and what does not."""

from __future__ import annotations

from ansible_collections.edgefleet.crio.plugins.module_utils.node.staging import read_marks
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.crio import RunningConfig
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.process import OpenFile
from unit.fake_host import LAYERS_JSON, STORE, FakeHost

CONFIG = RunningConfig(STORE, "", "", "pause", ())
STAGED = "/var/tmp/container_images_storage1"
CHUNK = f"{STORE}/overlay/staging/2/file"


def test_marks(host: FakeHost) -> None:
    """Sizes of staged files, positions in them and in layers that come in chunks, whole layers."""
    host.files.update(
        {
            f"{STAGED}/1": "123",
            f"{STAGED}/2": "",
            LAYERS_JSON: '[{"id": "l", "compressed-diff-digest": "sha256:l"}, {"id": "container"}]',
        }
    )
    host.opened = [
        OpenFile(f"{STAGED}/1", 46, 9, 2),
        OpenFile(f"{STAGED}/2", 46, 10, 0),
        OpenFile(CHUNK, 46, 11, 5),
        # Of a container, and of somebody's log.
        OpenFile(f"{STORE}/overlay/l/diff/file", 99, 3, 7),
        OpenFile("/var/log/messages", 98, 3, 7),
    ]
    assert read_marks(host, CONFIG) == {
        (f"{STAGED}/1", 3), (f"{STAGED}/1 46 9", 2), (f"{CHUNK} 46 11", 5), ("sha256:l", 0),
    }  # fmt: skip
