# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a node's filesystems, store and kubelet limits, and hold a download against them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Callable, Mapping, Sequence

from ..decisions.budget import StorageBudget, plan_storage
from ..decisions.freeing import Removable, plan_freeing
from ..decisions.pinned_share import PinnedShare, describe_pins, pinned_share
from ..decisions.reserves import reserves_on
from ..decisions.room import (
    IMAGES,
    RECORDS,
    TEMPORARY,
    Place,
    Reserve,
    Room,
    describe_breach,
    describe_shortage,
)
from ..documents.locked_images import LockedImages, LockedLayer
from ..documents.readable import readable_bytes, readable_names
from ..node.crictl import Crictl
from ..node.crio import Crio
from ..node.host import Host
from ..node.images import images_in_use, read_image_store
from ..node.kubelet import read_kubelet_limits
from ..node.reading_host import require_root
from ..node.staging import temporary_directory
from ..node.store import contents_of, read_stored_layers
from ..observed.crio import RunningConfig
from ..observed.filesystem import Filesystem
from ..observed.kubelet import DEFAULT_ROOT_DIR, KubeletLimits
from .leftovers import Leftover, find_leftovers

# So many images that could go are named in a message; the answer has all.
_NAMED = 5


@dataclass(frozen=True)
class StorageLimits:
    """What the caller wants kept: bytes on the image store's filesystem, and the kubelet's calm."""

    min_free_bytes: int
    allow_pins_above_gc_threshold: bool = False


@dataclass(frozen=True)
class StorageAnswer:
    """Whether a download may start: the numbers, and in words what speaks against it.

    ``removable`` is what could go to make room, and is empty when nothing lacks. ``leftovers`` will
    go before anything is pulled, and count as free.
    """

    budget: StorageBudget
    share: PinnedShare
    removable: tuple[Removable, ...]
    objection: str
    leftovers: tuple[Leftover, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.objection


def check_storage(
    host: Host,
    locked: LockedImages,
    references: Sequence[str],
    limits: StorageLimits,
    max_parallel: int,
    renewed: Sequence[str] = (),
) -> StorageAnswer:
    """Say whether what is missing of ``locked`` fits on this node now.

    :param references: all images that are to be pinned, those that are there already included.
    :param renewed: images that are there, and are removed before anything is pulled.
    :raises EdgefleetError: when CRI-O does not answer or a file cannot be understood.
    """
    require_root(host, "checking the storage")
    config = Crio(host).running_config()
    kubelet = read_kubelet_limits(host)
    leftovers = find_leftovers(host, config)
    before = contents_of(host, config.image_root)
    contents = before.without(renewed)
    places = _places(host, config)
    # The few bytes of our own files among leftovers do not matter.
    places = _with_room(places, places[-1], sum(one.bytes for one in leftovers))
    gone = [layer for one, layer in before.layers.items() if one not in contents.layers]
    places = _with_room(places, places[0], sum(layer.bytes for layer in gone))
    others = [root for root in config.store_roots() if root != config.image_root]
    budget = plan_storage(
        locked=locked,
        stored={**contents.layers, **read_stored_layers(host, others)},
        places=places,
        max_parallel=max_parallel,
        reserves=_reserves(places, _node_room(host, kubelet), kubelet, limits),
    )
    taken = budget.store_bytes_at(IMAGES)
    share = pinned_share(locked, references, contents, taken, places[0], kubelet)
    missing_bytes = budget.missing_bytes_at(IMAGES)
    missing_inodes = budget.missing_inodes_at(IMAGES)
    removable: tuple[Removable, ...] = ()
    if missing_bytes or missing_inodes:
        crictl = Crictl(host)
        removable = plan_freeing(
            contents,
            crictl.images(),
            images_in_use(host, crictl, config),
            [*references, *locked.images],
            # Nobody counted the inodes of what is there.
            math.inf if missing_inodes else missing_bytes,
        )
    objections = [describe_shortage(room) for room in budget.rooms]
    if missing_bytes or missing_inodes:
        objections.append(_describe_removable(removable, missing_bytes, missing_inodes))
    if not limits.allow_pins_above_gc_threshold and share.is_above_threshold:
        # A set that shrinks and is still too large makes nothing worse.
        pinned = read_image_store(host, Crictl(host), config).pinned()
        if not pinned.issuperset([*references, *locked.images]):
            objections.append(describe_pins(share))
    objection = "; ".join(filter(None, objections))
    return StorageAnswer(budget, share, removable, objection, leftovers)


class StorageWatch:
    """Whether the disks have room for more, asked again and again while a pull runs."""

    def __init__(self, host: Host, config: RunningConfig, limits: StorageLimits) -> None:
        """Read the kubelet's limits, and find the filesystems, once.

        :raises EdgefleetError: when the limits cannot be understood or a filesystem not be measured.
        """
        self._host = host
        self._places = _places(host, config)
        self._kubelet = read_kubelet_limits(host)
        self._node_room = _node_room(host, self._kubelet)
        self._limits = limits

    def lacking_for(self, layers: Mapping[str, LockedLayer], settled: bool) -> str:
        """Say what is lacking now for pulling ``layers`` at once, the reserves kept; '' if nothing.

        :param settled: with all that was written on disk.
        :raises HostError: when a filesystem cannot be measured.
        """
        return self._said(describe_shortage, LockedImages({"": tuple(layers)}, layers), settled)

    def breach(self) -> str:
        """Say what of the reserves is not free any more, with all that was written on disk.

        :raises HostError: when a filesystem cannot be measured.
        """
        return self._said(describe_breach, LockedImages({}, {}), settled=True)

    def _said(self, describe: Callable[[Room], str], locked: LockedImages, settled: bool) -> str:
        said = "; ".join(filter(None, map(describe, self._rooms(locked))))
        if said and settled:
            # XFS holds more than files take until they are on disk (27 MB after eight small images).
            for path in dict.fromkeys(place.filesystems[0].path for place in self._places):
                self._host.sync(path)
            said = "; ".join(filter(None, map(describe, self._rooms(locked))))
        return said

    def _rooms(self, locked: LockedImages) -> tuple[Room, ...]:
        now = self._host.remeasured
        places = [
            replace(place, filesystems=tuple(map(now, place.filesystems))) for place in self._places
        ]
        budget = plan_storage(
            locked=locked,
            stored={},
            places=places,
            max_parallel=1,
            reserves=_reserves(places, now(self._node_room), self._kubelet, self._limits),
        )
        return budget.rooms


def _reserves(
    places: Sequence[Place],
    node_room: Filesystem,
    kubelet: KubeletLimits | None,
    limits: StorageLimits,
) -> list[tuple[Filesystem, Reserve]]:
    """Return what must stay free on the filesystems of these places and of the kubelet's folder."""
    return reserves_on(
        places[0],
        node_room,
        kubelet,
        limits.min_free_bytes,
        not limits.allow_pins_above_gc_threshold,
    )


def _node_room(host: Host, kubelet: KubeletLimits | None) -> Filesystem:
    """Return what the kubelet calls nodefs."""
    return host.filesystem(kubelet.root_dir if kubelet else DEFAULT_ROOT_DIR)


def _places(host: Host, config: RunningConfig) -> list[Place]:
    """Return where images go, first, and then what else a pull writes to."""
    paths = [(IMAGES, config.image_root)]
    if config.image_root != config.graph_root:
        paths.append((RECORDS, config.graph_root))
    paths.append((TEMPORARY, temporary_directory(config)))
    return [_place(host, use, path) for use, path in paths]


def _with_room(places: Sequence[Place], where: Place, freed: int) -> list[Place]:
    """Return the places once so many bytes are removed in one of them."""
    accounts = {one.account for one in where.filesystems}
    return [
        replace(
            place,
            filesystems=tuple(
                replace(one, available_bytes=one.available_bytes + freed)
                if one.account in accounts
                else one
                for one in place.filesystems
            ),
        )
        for place in places
    ]


def _place(host: Host, use: str, path: str) -> Place:
    own = host.filesystem(path)
    if own.mount_point in ("", path):
        return Place(use, (own,))
    return Place(use, (own, host.filesystem(own.mount_point)))


def _describe_removable(
    removable: Sequence[Removable], missing_bytes: int, missing_inodes: int
) -> str:
    if not removable:
        return "no image could be removed to make room: all are pinned, wanted or in use"
    named = [f"{one.name} ({readable_bytes(one.bytes)})" for one in removable]
    freed = sum(one.bytes for one in removable)
    room = readable_bytes(freed) + ("" if freed >= missing_bytes else ", which is not enough")
    inodes = ", and inodes, how many is not known" if missing_inodes else ""
    return f"removing what nothing pins or uses would free {room}{inodes}: {readable_names(named, _NAMED)}"
