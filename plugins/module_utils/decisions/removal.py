# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images that we once pinned may be removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Sequence

from ..observed.images import ImageStore
from .convergence import pin_matches


@dataclass(frozen=True)
class RemovalPlan:
    """What goes, and what stays with the reason; ``gone`` are names that the store lost before."""

    remove: tuple[str, ...]
    left: tuple[tuple[str, str], ...]
    gone: tuple[str, ...]


def plan_removal(
    wanted: Iterable[str],
    pinned_by_us: Iterable[str],
    store: ImageStore,
    in_use: frozenset[str],
    still_pinning: Sequence[str] | None = None,
) -> RemovalPlan:
    """Plan the removal of references that we had pinned and that no set wants any more.

    An image that stays because it is wanted under another name, as after a registry has moved,
    loses the old name only: CRI-O deletes an image with its last name.

    :param in_use: names and identifiers of the images of all containers.
    :param still_pinning: the pins of others, where our own are only about to be withdrawn and
        what the daemon reports now will not hold; None where they were.
    """
    keep = frozenset(wanted)
    remove, left, gone = [], [], []
    for reference in sorted(set(pinned_by_us) - keep):
        image = store.image_named(reference)
        if image is None:
            gone.append(reference)
            continue
        names = store.stored.names_of(image.identifier)
        handles = {image.identifier, *image.names, *names}
        pinned = image.pinned and (
            still_pinning is None
            or any(pin_matches(one, name) for one in still_pinning for name in names)
        )
        if pinned and not names & keep:
            left.append((reference, "CRI-O reports it pinned"))
        elif handles & in_use:
            left.append((reference, "a container uses it"))
        else:
            remove.append(reference)
    return RemovalPlan(tuple(remove), tuple(left), tuple(gone))
