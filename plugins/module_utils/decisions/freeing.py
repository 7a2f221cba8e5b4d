# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images could be removed to make room; removing them is for others to decide."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Iterable

from ..observed.images import DaemonImage
from ..observed.store import StoreContents


@dataclass(frozen=True)
class Removable:
    """An image that nothing pins or uses; ``bytes`` go with it once those listed before are gone.

    They are those of its layers' tars: files smaller than a block free more.
    """

    name: str
    bytes: int


def plan_freeing(
    contents: StoreContents,
    images: Iterable[DaemonImage],
    in_use: frozenset[str],
    wanted: Iterable[str],
    enough: float,
) -> tuple[Removable, ...]:
    """Return unpinned and unused images, the largest first, until ``enough`` bytes are free.

    :param contents: the store that pulls go to; images elsewhere free nothing there.
    :param in_use: names and identifiers of the images of all containers.
    :param wanted: names of images that will be needed.
    :param enough: in bytes; ``math.inf`` for all such images.
    """
    keep = frozenset(wanted)
    candidates = {}
    for image in images:
        stored = contents.images.get(image.identifier)
        if stored is None or image.pinned or stored.names & keep:
            continue
        if not {image.identifier, *image.names, *stored.names} & in_use:
            candidates[image.identifier] = sorted(stored.names or image.names)
    users = Counter(
        layer for identifier in contents.images for layer in contents.layers_of([identifier])
    )
    alone = {one: _freed(contents, one, users) for one in candidates}
    found: list[Removable] = []
    for identifier in sorted(candidates, key=lambda one: (-alone[one], candidates[one], one)):
        if enough <= 0:
            break
        freed = _freed(contents, identifier, users)
        enough -= freed
        users.subtract(contents.layers_of([identifier]))
        found.append(Removable((candidates[identifier] or [identifier])[0], freed))
    return tuple(found)


def _freed(contents: StoreContents, identifier: str, users: Counter[str]) -> int:
    """Return the bytes of the layers that no other image uses."""
    layers = contents.layers_of([identifier])
    return sum(contents.layers[layer].bytes for layer in layers if users[layer] == 1)
