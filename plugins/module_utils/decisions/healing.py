# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are the layers of images whole, and which images must go so that a damaged layer comes again?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Mapping

from ..observed.found_file import ABSENT, FILE
from ..observed.store import StoreContents
from ..observed.tar_split import RecordedFile, StoredFile

CORRUPT = "corrupt"


@dataclass(frozen=True)
class CorruptImage:
    """A wanted image with a damaged layer.

    :param damage: which layer, and what is wrong with its first damaged file.
    :param stays: why it cannot be removed and pulled again; empty when it can.
    """

    reference: str
    damage: str
    stays: str

    @property
    def detail(self) -> str:
        """Both in words."""
        return f"{self.damage}; it stays: {self.stays}" if self.stays else self.damage


@dataclass(frozen=True)
class HealingPlan:
    """``corrupt`` are the wanted images that are damaged.

    ``groups`` are the images, by identifier, that must go together; only then does CRI-O delete
    the layer that they share, and fetch it again. A group that must stay is not among them.
    """

    corrupt: tuple[CorruptImage, ...]
    groups: tuple[tuple[str, ...], ...]


def file_damage(recorded: RecordedFile, found: StoredFile) -> str:
    """Say what is wrong with a file of a layer; empty for nothing."""
    if found.kind == ABSENT:
        return "is not there"
    if found.kind != recorded.kind:
        return f"is a {found.kind}, not a {recorded.kind}"
    if recorded.kind == FILE and recorded.size is not None and found.size != recorded.size:
        return f"has {found.size} bytes of {recorded.size}"
    return ""


def chain_of(contents: StoreContents, identifier: str) -> tuple[tuple[str, ...], str]:
    """Return the layers of an image, uppermost first, and the one that the store lacks, if any."""
    chain: list[str] = []
    layer = contents.images[identifier].layer
    while layer and layer not in chain:
        if layer not in contents.layers:
            return tuple(chain), layer
        chain.append(layer)
        layer = contents.layers[layer].parent
    return tuple(chain), ""


def twins_of(contents: StoreContents, damaged: Iterable[str]) -> frozenset[str]:
    """Return the other layers that were unpacked from the blobs of these.

    A pull finds a layer by the digest of its blob and takes its files from whichever is there, so
    those of a damaged one are to be looked at as well.
    """
    known = set(damaged)
    blobs = {contents.layers[one].digest for one in known if one in contents.layers} - {""}
    return frozenset(one for one, layer in contents.layers.items() if layer.digest in blobs) - known


def plan_healing(
    wanted: Iterable[str],
    ours: frozenset[str],
    contents: StoreContents,
    damaged: Mapping[str, str],
    in_use: frozenset[str],
) -> HealingPlan:
    """Plan which images to remove, so that pulling them again brings whole layers.

    CRI-O deletes a layer with its last image, and a pull takes a layer that is there without
    looking into it. So all images that share a damaged layer go together or none does; images of
    containers stay, and so do those with a name that this collection never pinned.

    :param ours: what is wanted and what we once pinned.
    :param damaged: what is wrong, by the layer's identifier.
    :param in_use: names and identifiers of the images of all containers.
    """
    hurt = _hurt_images(contents, damaged)
    groups = _groups(contents, hurt)
    corrupt, free = [], []
    asked = frozenset(wanted)
    for group in groups:
        named = {one: contents.images[one].names & asked for one in group}
        if not any(named.values()):
            continue
        stays = next(filter(None, (_stays(contents, one, ours, in_use) for one in group)), "")
        if not stays:
            free.append(group)
        corrupt += [
            CorruptImage(name, _described(contents, hurt[one][0], damaged), stays)
            for one in group
            for name in named[one]
        ]
    return HealingPlan(tuple(sorted(corrupt, key=lambda one: one.reference)), tuple(free))


def _hurt_images(contents: StoreContents, damaged: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the damaged layers of each image that has any, the lowest first."""
    hurt = {}
    for identifier in sorted(contents.images):
        chain, lacking = chain_of(contents, identifier)
        layers = tuple(one for one in (lacking, *reversed(chain)) if one in damaged)
        if layers:
            hurt[identifier] = layers
    return hurt


def _groups(contents: StoreContents, hurt: Mapping[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Join images that share a damaged layer, or one from the same blob, directly or by others."""
    groups: list[tuple[set[str], set[str]]] = []
    for identifier, layers in hurt.items():
        images, blobs = {identifier}, {_blob(contents, one) for one in layers}
        apart = []
        for other in groups:
            if other[1] & blobs:
                images |= other[0]
                blobs |= other[1]
            else:
                apart.append(other)
        groups = [*apart, (images, blobs)]
    return sorted(tuple(sorted(images)) for images, _blobs in groups)


def _blob(contents: StoreContents, identifier: str) -> str:
    layer = contents.layers.get(identifier)
    return layer.digest if layer and layer.digest else identifier


def _described(contents: StoreContents, identifier: str, damaged: Mapping[str, str]) -> str:
    return f"layer {_blob(contents, identifier)}: {damaged[identifier]}"


def _stays(
    contents: StoreContents, identifier: str, ours: frozenset[str], in_use: frozenset[str]
) -> str:
    names = contents.images[identifier].names
    name = min(names, default=identifier)
    if in_use & {identifier, *names}:
        return f"a container uses {name}"
    foreign = min(names - ours, default="" if names else identifier)
    return f"{foreign} has the layer too, and was never pinned by us" if foreign else ""
