# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must stay free: ours, and the kubelet's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.reserves import (
    EVICTION_MARGIN_BYTES,
    EVICTION_MARGIN_INODES,
    reserves_on,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.room import (
    IMAGES,
    Place,
    Reserve,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.kubelet import KubeletLimits
from unit.disks import MIB, STORE, VAR_TMP, places


def test_reserves_without_a_kubelet() -> None:
    """Only our own minimum, within a quota too."""
    own = Reserve(7, 0, "min_free_bytes")
    assert reserves_on(places()[0], VAR_TMP, None, 7, True) == [(STORE, own)]
    whole = replace(STORE, path="/")
    both = Place(IMAGES, (STORE, whole))
    assert reserves_on(both, VAR_TMP, None, 7, True) == [(STORE, own), (whole, own)]


LIMITS = KubeletLimits(
    "/k", 85, {"imagefs.available": ("10%",), "nodefs.available": ("1Mi",),
               "nodefs.inodesFree": ("5%",)},
)  # fmt: skip


@pytest.mark.parametrize("keep_gc_threshold", [True, False])
def test_reserves_of_a_kubelet(keep_gc_threshold: bool) -> None:
    """Garbage collection and evictions, each on its own filesystem, with the file it came from."""
    margin = EVICTION_MARGIN_BYTES
    expected = [
        (STORE, Reserve(7, 0, "min_free_bytes")),
        (STORE, Reserve(160 * MIB, 0, "imageGCHighThresholdPercent 85 in /k")),
        (STORE, Reserve(100 * MIB + margin, 0, "eviction at imagefs.available 10% in /k")),
        (VAR_TMP, Reserve(MIB + margin, 0, "eviction at nodefs.available 1Mi in /k")),
        (
            VAR_TMP,
            Reserve(0, 50_000 + EVICTION_MARGIN_INODES, "eviction at nodefs.inodesFree 5% in /k"),
        ),
    ]
    if not keep_gc_threshold:
        del expected[1]
    assert reserves_on(places()[0], VAR_TMP, LIMITS, 7, keep_gc_threshold) == expected


def test_reserves_of_a_kubelet_that_evicts_for_nothing() -> None:
    """Only its collection of images is left."""
    reserves = reserves_on(places()[0], VAR_TMP, KubeletLimits("/k"), 7, True)
    assert [one.source for _room, one in reserves] == [
        "min_free_bytes", "imageGCHighThresholdPercent 85 in /k",
    ]  # fmt: skip


def test_the_kubelet_looks_at_the_whole_disk() -> None:
    """Its percentages are not of a quota."""
    quota = replace(STORE, total_bytes=MIB)
    both = Place(IMAGES, (quota, STORE))
    about = [
        room for room, one in reserves_on(both, VAR_TMP, LIMITS, 7, True) if "/k" in one.source
    ]
    assert about == [STORE, STORE, VAR_TMP, VAR_TMP]
