# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order images are pulled, so that no layer crosses the link twice and no pull idles.

A pull fetches every layer of its image that the store does not list when the pull begins. So an
image may start when none of its layers is in flight for another one; a layer is in flight until the
store lists it, which can be long before its image is complete. Of the images that may start:

- those not tried yet come before those that failed;
- then those that somebody else has asked CRI-O for, as the kubelet does for a pod that waits;
- then those that carry most of what others wait for, counted as the bytes that pulls which know
  nothing of each other would fetch again: so the others are free early;
- then, in half of the places, the largest, and in the others the smallest. Beside the bytes a pull
  has a cost of its own, in which it takes nothing from the link: a large one fills the link
  meanwhile, and there is neither a large one left at the end nor a row of small ones that leave the
  link idle. One of unknown size counts as large, and as sharing nothing.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import AbstractSet, Iterable, Mapping, Sequence, Tuple

from ..documents.locked_images import LockedImages, LockedLayer
from ..documents.reference import InvalidReference, parse_reference

# What a lock says when there is none.
NOTHING_LOCKED = LockedImages({}, {})
# In bytes; larger than any image.
_UNKNOWN_SIZE = 1 << 62
# Tries, whether nobody waits for it, bytes that others wait for, bytes (negative where the largest
# comes first), place in the list asked for, version of the entry; the smallest is the next.
_Entry = Tuple[int, bool, int, int, int, int]


@dataclass(frozen=True)
class Start:
    """An image to pull, and the layers that its pull fetches."""

    reference: str
    layers: Mapping[str, LockedLayer]

    @property
    def bytes(self) -> int:
        """The compressed bytes of those layers; 0 for an image of which nothing is known."""
        return sum(layer.size for layer in self.layers.values())


def awaited_images(
    references: Iterable[str], requested: Iterable[str], own: Iterable[str]
) -> frozenset[str]:
    """Return those of ``references``, by digest, that others asked CRI-O for.

    A request by tag means every image of its repository: which one, the registry would have to say.

    :param requested: what CRI-O was asked for, once for each time.
    :param own: what of that we asked for.
    """
    repositories, exact = set(), set()
    for text in Counter(requested) - Counter(own):
        try:
            asked = parse_reference(text, "CRI-O's log")
        except InvalidReference:
            continue
        if asked.digest:
            exact.add(f"{asked.repository}@{asked.digest}")
        else:
            repositories.add(asked.repository)
    return frozenset(
        one for one in references if one in exact or one.partition("@")[0] in repositories
    )


def plan_pull(
    references: Sequence[str],
    locked: LockedImages,
    present: AbstractSet[str],
    max_parallel: int,
    awaited: AbstractSet[str] = frozenset(),
) -> tuple[Start, ...]:
    """Return what each image will fetch, in the order of their starts.

    That is their order when those that were begun end one after the other, with all their layers.

    :param references: the images that are missing, each once.
    :param present: compressed digests of the layers that are there already.
    :param awaited: those of ``references`` that somebody waits for.
    """
    order = PullOrder(references, locked, present, max_parallel, awaited)
    starts: list[Start] = []
    ended = 0
    while order.waiting:
        start = order.choose()
        if start is None:
            order.complete(starts[ended].reference)
            ended += 1
        else:
            starts.append(start)
            order.begin(start)
    return tuple(starts)


class _Image:
    """An image that is not complete; ``layers`` are those that were missing at first.

    ``blockers`` counts its layers in flight for others. Of its layers that are neither here nor in
    flight, ``bytes`` is the sum, and ``freeing`` what other images wait for in them.
    """

    __slots__ = (
        "blockers", "bytes", "freeing", "is_awaited", "layers", "number", "registry", "tries",
        "version", "waits",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        registry: str,
        layers: tuple[str, ...],
        is_unknown: bool,
        is_awaited: bool,
    ) -> None:
        self.number = number
        self.is_awaited = is_awaited
        self.registry = registry
        self.layers = layers
        self.bytes = _UNKNOWN_SIZE if is_unknown else 0
        self.freeing = 0
        self.blockers = 0
        self.tries = 0
        self.version = 0
        self.waits = True


class PullOrder:
    """What waits, what is in flight, and so what starts next: no clock, no effects.

    A change of a layer touches only the images that need it, so that a whole run takes as many
    steps as the images have layers, and not as many for each start.
    """

    def __init__(
        self,
        references: Sequence[str],
        locked: LockedImages,
        present: AbstractSet[str],
        max_parallel: int,
        awaited: AbstractSet[str] = frozenset(),
    ) -> None:
        """Start with all of ``references`` waiting; each is there once.

        ``awaited`` are those that somebody waits for.
        """
        self._references = tuple(references)
        self._max_parallel = max_parallel
        self._missing: dict[str, LockedLayer] = {}
        self._in_flight: dict[str, dict[str, LockedLayer]] = {}
        self._needed_by: dict[str, list[_Image]] = {}
        self._images: dict[str, _Image] = {}
        # By registry; the same images in both.
        self._largest: dict[str, list[_Entry]] = {}
        self._smallest: dict[str, list[_Entry]] = {}
        self._large_in_flight: set[str] = set()
        self._waiting = len(self._references)
        for number, reference in enumerate(references):
            layers = dict.fromkeys(locked.images.get(reference, ()))
            missing = tuple(digest for digest in layers if digest not in present)
            registry = reference.partition("/")[0]
            is_unknown, is_awaited = reference not in locked.images, reference in awaited
            image = _Image(number, registry, missing, is_unknown, is_awaited)
            self._images[reference] = image
            for digest in missing:
                self._missing[digest] = locked.layers[digest]
                self._needed_by.setdefault(digest, []).append(image)
        for digest, layer in self._missing.items():
            self._count(digest, layer, 1)
        for image in self._images.values():
            self._enqueue(image)

    @property
    def is_blocked(self) -> bool:
        """Whether a place is free and images wait, perhaps for layers that are in flight."""
        return (
            0 < len(self._in_flight) < self._max_parallel
            and self._waiting > 0
            and any(self._in_flight.values())
        )

    @property
    def waiting(self) -> int:
        """How many images are neither in flight nor set aside nor complete."""
        return self._waiting

    @property
    def in_flight(self) -> Mapping[str, Mapping[str, LockedLayer]]:
        """The images that are being pulled, each with its layers that have not yet arrived."""
        return self._in_flight

    def choose(self, closed: AbstractSet[str] = frozenset()) -> Start | None:
        """Return what is to start next, or None when nothing may start now.

        :param closed: registries from which nothing is to be pulled for now.
        """
        if len(self._in_flight) >= self._max_parallel:
            return None
        queues = self._largest if self._is_place_for_large() else self._smallest
        best: _Entry | None = None
        for registry, queue in queues.items():
            while queue and self._is_outdated(queue[0]):
                heapq.heappop(queue)
            if queue and registry not in closed and (best is None or queue[0] < best):
                best = queue[0]
        if best is None:
            return None
        reference = self._references[best[4]]
        layers = self._images[reference].layers
        return Start(reference, {one: self._missing[one] for one in layers if one in self._missing})

    def begin(self, start: Start) -> None:
        """Take a start that :meth:`choose` returned: its layers are in flight from now on."""
        image = self._images[start.reference]
        image.waits = False
        self._waiting -= 1
        image.tries += 1
        if self._is_place_for_large():
            self._large_in_flight.add(start.reference)
        self._in_flight[start.reference] = dict(start.layers)
        for digest, layer in start.layers.items():
            del self._missing[digest]
            self._count(digest, layer, -1)
            self._block(digest, image, 1)

    def arrive(self, present: AbstractSet[str]) -> None:
        """Take note of what the store lists: those layers are in flight no more."""
        for reference, layers in self._in_flight.items():
            for digest in [one for one in layers if one in present]:
                del layers[digest]
                self._block(digest, self._images[reference], -1)

    def complete(self, reference: str) -> None:
        """Take note that an image is there, with all its layers."""
        image = self._images.pop(reference)
        for digest in self._land(reference):
            self._block(digest, image, -1)

    def fail(self, reference: str) -> None:
        """Take note of a failed pull: what has not arrived is for the next one that needs it.

        The image itself is set aside until :meth:`wait_again`. What arrived before must have been
        told with :meth:`arrive`.
        """
        image = self._images[reference]
        for digest, layer in self._land(reference).items():
            self._missing[digest] = layer
            self._count(digest, layer, 1)
            self._block(digest, image, -1)

    def wait_again(self, reference: str) -> None:
        """Put an image that was set aside behind those that were not tried as often."""
        image = self._images[reference]
        image.waits = True
        self._waiting += 1
        self._enqueue(image)

    def _is_place_for_large(self) -> bool:
        return 2 * len(self._large_in_flight) < self._max_parallel

    def _land(self, reference: str) -> dict[str, LockedLayer]:
        self._large_in_flight.discard(reference)
        return self._in_flight.pop(reference)

    def _count(self, digest: str, layer: LockedLayer, sign: int) -> None:
        images = self._needed_by[digest]
        for image in images:
            image.bytes += sign * layer.size
            image.freeing += sign * layer.size * (len(images) - 1)

    def _block(self, digest: str, owner: _Image, sign: int) -> None:
        for image in self._needed_by[digest]:
            if image is not owner:
                image.blockers += sign
                self._enqueue(image)

    def _enqueue(self, image: _Image) -> None:
        """Give a waiting image its place; an entry that it had before is outdated."""
        image.version += 1
        if image.waits and not image.blockers:
            for queues, size in ((self._largest, -image.bytes), (self._smallest, image.bytes)):
                key = (image.tries, not image.is_awaited, -image.freeing, size)
                entry = (*key, image.number, image.version)
                heapq.heappush(queues.setdefault(image.registry, []), entry)

    def _is_outdated(self, entry: _Entry) -> bool:
        image = self._images.get(self._references[entry[4]])
        return image is None or not image.waits or image.version != entry[5]
