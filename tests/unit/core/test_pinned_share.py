# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pins alone take, and when the kubelet would have to evict pods for them."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.footprint import (
    layer_footprint,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.pinned_share import (
    PinnedShare,
    describe_pins,
    pinned_share,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LayerMeasure,
    LockedImages,
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.kubelet import KubeletLimits
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.store import (
    StoreContents,
    StoredImage,
    StoredLayer,
)
from unit.disks import MIB, places

MEASURED = LockedLayer(9, LayerMeasure(10, 1, 11, 1, 0, 100))
CONTENTS = StoreContents(
    images={
        "1": StoredImage(frozenset({"old@d"}), "x"),
        "2": StoredImage(frozenset({"here@d", "here:1"}), "y"),
    },
    layers={
        "base": StoredLayer("sha256:b", "", 100 * MIB),
        "x": StoredLayer("sha256:x", "base", 10 * MIB),
        "y": StoredLayer("sha256:m", "base", 20 * MIB),
    },
)


def share_of(
    wanted: list[str], images: LockedImages, gc_high: int = 85, missing: int = 0
) -> PinnedShare:
    """Return the pinned share of the store."""
    limits = KubeletLimits("/k", gc_high)
    return pinned_share(images, wanted, CONTENTS, missing, places()[0], limits)


def test_what_pins_will_take() -> None:
    """What is there under wanted names, a shared layer once, and what is missing."""
    images = LockedImages({"new@d": ("sha256:b", "sha256:n")}, {"sha256:n": LockedLayer(MIB)})
    share = share_of(["here@d", "new@d", "lost@d"], images, missing=5 * MIB)
    assert share.present_bytes == 120 * MIB
    assert share.missing_bytes == 5 * MIB
    assert share.bytes == share.present_bytes + share.missing_bytes
    assert (share.total_bytes, share.threshold_bytes) == (1000 * MIB, 840 * MIB)
    assert share.source == "imageGCHighThresholdPercent 85 in /k"
    assert share_of(["old@d", "here@d"], images).present_bytes == 130 * MIB
    assert share_of([], LockedImages({"here:1": ()}, {})).present_bytes == 120 * MIB


def test_a_present_layer_counts_as_measured() -> None:
    """The lock knows better than the tar's size; without a measure it does not."""
    for layer, counted in ((MEASURED, layer_footprint(MEASURED, "ext4").bytes),
                           (LockedLayer(9), 20 * MIB)):  # fmt: skip
        images = LockedImages({"here@d": ("sha256:b", "sha256:m")}, {"sha256:m": layer})
        assert share_of([], images).present_bytes == 100 * MIB + counted


@pytest.mark.parametrize(
    ("gc_high", "above"), [(85, False), (14, False), (13, False), (12, True), (100, False)]
)
def test_above_the_threshold(gc_high: int, above: bool) -> None:
    """120 MiB of 1000 are pinned; the kubelet collects at so many percent."""
    share = share_of(["here@d"], LockedImages({}, {}), gc_high)
    assert share.is_above_threshold == above


def test_pins_without_a_kubelet() -> None:
    """Nobody collects, nobody evicts."""
    share = pinned_share(LockedImages({}, {}), ["here@d"], CONTENTS, 0, places()[0], None)
    assert (share.threshold_bytes, share.source, share.is_above_threshold) == (0, "", False)


def test_pins_in_words() -> None:
    """Every number, and what would happen."""
    numbers = (one * 10**6 for one in (700, 300, 1100, 990))
    share = PinnedShare("/store", *numbers, "imageGCHighThresholdPercent 91 in /k")
    assert describe_pins(share) == (
        "pinned images alone will take 1000.0 MB (700.0 MB present, 300.0 MB to be pulled) of 1100.0 MB"
        " on the filesystem of /store, more than the 990.0 MB at which the kubelet collects images"
        " (imageGCHighThresholdPercent 91 in /k); as it may not collect pinned ones, it would evict"
        " pods"
    )
