# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pinned images alone take of a disk, and whether the kubelet can live with that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Iterable

from ..documents.locked_images import LockedImages
from ..documents.readable import readable_bytes
from ..observed.kubelet import KubeletLimits
from ..observed.store import StoreContents
from .footprint import layer_footprint
from .reserves import gc_source
from .room import Place


@dataclass(frozen=True)
class PinnedShare:
    """What pinned images alone will take of the image store's filesystem, in bytes.

    ``threshold_bytes`` is where the kubelet starts to collect images, 0 where it never does; it
    cannot collect pinned ones, and evicts pods instead.
    """

    path: str
    present_bytes: int
    missing_bytes: int
    total_bytes: int
    threshold_bytes: int
    source: str

    @property
    def bytes(self) -> int:
        """What they take once all are there."""
        return self.present_bytes + self.missing_bytes

    @property
    def is_above_threshold(self) -> bool:
        """Whether no collection of other images could bring the disk below the threshold."""
        return bool(self.threshold_bytes) and self.bytes > self.threshold_bytes


def pinned_share(
    locked: LockedImages,
    wanted: Iterable[str],
    contents: StoreContents,
    missing_bytes: int,
    images: Place,
    limits: KubeletLimits | None,
) -> PinnedShare:
    """Return what the wanted images take of their filesystem, once ``locked`` is there too.

    A present layer counts with the bytes of its tar, unless ``locked`` has its measure.

    :param wanted: the exact names of all images that will be pinned.
    :param contents: of the store that pulls go to.
    :param missing_bytes: what ``locked`` will take there beside them.
    """
    room = images.filesystems[-1]
    names = frozenset(wanted).union(locked.images)
    pinned = [one for one, image in contents.images.items() if image.names & names]
    present = 0
    for identifier in contents.layers_of(pinned):
        layer = contents.layers[identifier]
        known = locked.layers.get(layer.digest)
        measured = known is not None and known.measure is not None
        present += layer_footprint(known, images.kind).bytes if known and measured else layer.bytes
    reserve = limits.gc_reserve(room.total_bytes) if limits else 0
    return PinnedShare(
        path=room.path,
        present_bytes=present,
        missing_bytes=missing_bytes,
        total_bytes=room.total_bytes,
        threshold_bytes=room.total_bytes - reserve if reserve else 0,
        source=gc_source(limits) if limits else "",
    )


def describe_pins(share: PinnedShare) -> str:
    """Say in words why pins above the threshold harm."""
    size = partial(readable_bytes, beside=share.bytes - share.threshold_bytes)
    return (
        f"pinned images alone will take {size(share.bytes)} ({size(share.present_bytes)} present,"
        f" {size(share.missing_bytes)} to be pulled) of {size(share.total_bytes)} on the filesystem"
        f" of {share.path}, more than the {size(share.threshold_bytes)} at which the kubelet"
        f" collects images ({share.source}); as it may not collect pinned ones, it would evict pods"
    )
