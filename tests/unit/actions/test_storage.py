# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of a node, held against a download."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.storage import check_storage
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedImages,
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.filesystem import Filesystem
from unit.fake_host import LAYERS_JSON, STORE, FakeHost, status_config

PRESENT = f"sha256:{'1' * 64}"
MISSING = f"sha256:{'2' * 64}"
IMAGE = LockedImages(
    {"a": (PRESENT, MISSING)}, {PRESENT: LockedLayer(100), MISSING: LockedLayer(1000)}
)


def test_where_the_numbers_come_from(host: FakeHost) -> None:
    """Layers of the store, room of image store and /var/tmp, limits of the kubelet."""
    host.files[LAYERS_JSON] = f'[{{"id": "x", "compressed-diff-digest": "{PRESENT}"}}]'
    host.files["/var/lib/kubelet/config.yaml"] = "imageGCHighThresholdPercent: 90\n"
    host.rooms = {
        STORE: Filesystem(STORE, 1, 100_000, 5000, 0, 0),
        "/var/tmp": Filesystem("/var/tmp", 2, 100_000, 500, 0, 0),
        "/var/lib/kubelet": Filesystem("/var/lib/kubelet", 3, 100_000, 500, 0, 0),
    }
    host.expect(status_config())
    budget = check_storage(host, IMAGE, 1, 1)
    store, temporary = budget.rooms
    assert (store.need_bytes, temporary.need_bytes) == (3000, 1000)
    # The eviction default, 15 %, is stricter than garbage collection above 90 %.
    assert store.reserve.bytes == 15_000
    assert store.reserve.source == "imagefs eviction threshold in /var/lib/kubelet/config.yaml"
    assert (store.missing_bytes, temporary.missing_bytes) == (13_000, 500)
    assert not budget.fits


def test_openshift_keeps_it_elsewhere_and_others_have_none(host: FakeHost) -> None:
    """The first configuration that is there; without one only our own minimum counts."""
    host.expect(status_config())
    assert check_storage(host, IMAGE, 7, 1).rooms[0].reserve.source == "min_free_bytes"
    host.files["/etc/kubernetes/kubelet.conf"] = "{}"
    host.expect(status_config())
    reserve = check_storage(host, IMAGE, 7, 1).rooms[0].reserve
    assert reserve.source.endswith("/etc/kubernetes/kubelet.conf")


def test_a_store_that_cannot_be_read(host: FakeHost) -> None:
    """Nothing is guessed."""
    host.files[LAYERS_JSON] = "torn"
    host.expect(status_config())
    with pytest.raises(EdgefleetError, match=r"reading the store's layers\.json: it is no JSON"):
        check_storage(host, IMAGE, 0, 1)
