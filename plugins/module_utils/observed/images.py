# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a node has and uses, under which names, as the daemon and the stores' files say it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from .answer import UnreadableAnswer, load_answer

# Beside manifests by their digests, a store has the one whose layers it holds under this name
# (ImageDigestBigDataKey of go.podman.io/storage, images.go).
_MANIFEST = "manifest"


@dataclass(frozen=True)
class DaemonImage:
    """One image as ``crictl images`` lists it; ``names`` are its tags and digests.

    CRI-O adds digests there under which the image was never pulled, so ``names`` says what the
    image may be called, not under what it is pinned: :class:`StoredNames` has that.
    """

    identifier: str
    names: frozenset[str]
    pinned: bool


@dataclass(frozen=True)
class StoredNames:
    """The exact names of the images in one or more stores: what pins are matched against.

    ``instances`` are, by identifier, the digests of the manifests that the images were made of: of
    an image that was pulled by an index, one of that index.
    """

    names_by_identifier: dict[str, frozenset[str]]
    instances: Mapping[str, str] = field(default_factory=dict)

    def names_of(self, identifier: str) -> frozenset[str]:
        """Return the names of one image; none when it is unknown."""
        return self.names_by_identifier.get(identifier, frozenset())

    def merged_with(self, other: StoredNames) -> StoredNames:
        """Return both together, as an image may have names in several stores."""
        merged = dict(self.names_by_identifier)
        for identifier, names in other.names_by_identifier.items():
            merged[identifier] = merged.get(identifier, frozenset()) | names
        return StoredNames(merged, {**self.instances, **other.instances})


@dataclass(frozen=True)
class ImageStore:
    """What the node holds now: the daemon's images and their exact names."""

    images: tuple[DaemonImage, ...]
    stored: StoredNames

    def present(self) -> frozenset[str]:
        """Return the exact names of the images that the daemon lists."""
        return frozenset().union(*(self.stored.names_of(one.identifier) for one in self.images))

    def pinned(self) -> frozenset[str]:
        """Return the exact names of the images that the daemon reports pinned."""
        return frozenset().union(
            *(self.stored.names_of(one.identifier) for one in self.images if one.pinned)
        )

    def digest_references(self) -> tuple[str, ...]:
        """Return every image by digest, sorted: as it was pulled, or else as its tag is known.

        An image of a tag alone has the digests that the daemon gives it in that repository. Beside
        that of an index, the digest of its own manifest is left out: it is for one platform only.
        """
        found: set[str] = set()
        for image in self.images:
            names = self.stored.names_of(image.identifier) or image.names
            by_digest = {name for name in names if "@" in name}
            repositories = {_repository(name) for name in names - by_digest}
            repositories -= {_repository(name) for name in by_digest}
            tagged = {
                name for name in image.names if "@" in name and _repository(name) in repositories
            }
            instance = self.stored.instances.get(image.identifier, "")
            indexes = {name for name in tagged if name.partition("@")[2] != instance}
            found |= by_digest | (indexes or tagged)
        return tuple(sorted(found))

    def image_named(self, name: str) -> DaemonImage | None:
        """Return the image of that exact name."""
        for image in self.images:
            if name in self.stored.names_of(image.identifier):
                return image
        return None


def parse_crictl_images(text: str) -> tuple[DaemonImage, ...]:
    """Parse ``crictl images -o json``.

    :raises UnreadableAnswer: when it is something else.
    """
    document = load_answer(text, "reading the answer of 'crictl images'")
    try:
        return tuple(
            DaemonImage(
                identifier=str(image["id"]),
                names=frozenset(image["repoTags"] or []) | frozenset(image["repoDigests"] or []),
                pinned=bool(image.get("pinned", False)),
            )
            for image in document["images"]
        )
    except (KeyError, TypeError) as error:
        raise UnreadableAnswer(
            "reading the answer of 'crictl images'", f"it lacks {error}"
        ) from None


def parse_images_json(text: str) -> StoredNames:
    """Parse ``<graph root>/overlay-images/images.json`` of containers/storage.

    :raises UnreadableAnswer: when it is something else.
    """
    document = load_answer(text, "reading the store's images.json")
    try:
        return StoredNames(
            {str(image["id"]): frozenset(image.get("names") or []) for image in document},
            {str(image["id"]): _instance(image) for image in document},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableAnswer("reading the store's images.json", f"it lacks {error}") from None


def parse_running_images(text: str) -> frozenset[str]:
    """Return every image that ``crictl ps -a -o json`` shows in use, by name or identifier.

    :raises UnreadableAnswer: when it is something else.
    """
    document = load_answer(text, "reading the answer of 'crictl ps'")
    try:
        return frozenset(
            str(name)
            for container in document["containers"] or []
            for name in (
                container["imageRef"],
                (container.get("image") or {}).get("image"),
                container.get("imageId"),
            )
            if name
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableAnswer("reading the answer of 'crictl ps'", f"it lacks {error}") from None


def parse_container_images(text: str) -> frozenset[str]:
    """Parse ``<graph root>/overlay-containers/containers.json`` for the images' identifiers.

    :raises UnreadableAnswer: when it is something else.
    """
    problem = "reading the store's containers.json"
    document = load_answer(text, problem)
    try:
        return frozenset(str(one["image"]) for one in document if one.get("image"))
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableAnswer(problem, f"it lacks {error}") from None


def _instance(image: Mapping[str, Any]) -> str:
    """Return the digest of the manifest that an image was made of; empty when nothing says it."""
    return str((image.get("big-data-digests") or {}).get(_MANIFEST) or "")


def _repository(name: str) -> str:
    """Return a name without its tag or digest; a registry's port is no tag."""
    name = name.partition("@")[0]
    colon = name.rfind(":")
    return name[:colon] if colon > name.rfind("/") else name
