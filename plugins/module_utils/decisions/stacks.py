# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers will be unpacked: a store keeps a layer once for each stack that it lies on.

containers/storage names a layer after its content and all that lies below it. A layer that comes
again above another parent is not fetched again, but it is unpacked again.
"""

from __future__ import annotations

from typing import Iterable, Mapping, Sequence

from ..observed.store import StoredLayer


def unpacked_layers(
    images: Iterable[Sequence[str]], stored: Mapping[str, StoredLayer]
) -> list[str]:
    """Return the digests of the layers that pulling will unpack, one for each new stack.

    :param images: each image's compressed digests, the lowest layer first.
    :param stored: the layers of all stores, by their identifiers.
    """
    children = {(one.parent, one.digest): name for name, one in stored.items() if one.digest}
    stacks: dict[tuple[str | int, str], int] = {}
    unpacked = []
    for layers in images:
        # The identifier of a layer that is there, or the number of a stack that will be.
        below: str | int = ""
        for digest in layers:
            there = children.get((below, digest)) if isinstance(below, str) else None
            if there is not None:
                below = there
                continue
            stack = (below, digest)
            if stack not in stacks:
                stacks[stack] = len(stacks)
                unpacked.append(digest)
            below = stacks[stack]
    return unpacked
