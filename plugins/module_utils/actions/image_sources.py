# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what sources ask for that lie in images themselves: OpenShift releases, catalogs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

from ..documents.catalog import CONFIGS_LABEL, parse_catalog, select_components
from ..documents.component import Component
from ..documents.image_stream import PATH, parse_image_references
from ..documents.indexignore import IGNORE_FILE, catalog_files
from ..documents.platform import PoolPlatforms
from ..documents.reference import ImageReference
from ..documents.sources import CatalogSource, ReleaseSource, Source
from ..node.manifests import Manifests
from ..observed.manifest import Manifest
from .image_files import ImageFiles, UnreadableImage
from .lock import manifests_on

# What a release's own image is called among its components.
_RELEASE = "release"


class ImageSources:
    """Reads releases and catalogs; of an index, on the first platform that is asked for."""

    def __init__(self, registry: Manifests, files: ImageFiles, platforms: PoolPlatforms) -> None:
        self._registry = registry
        self._files = files
        self._platforms = platforms

    def read(self, source: ReleaseSource | CatalogSource) -> tuple[str, tuple[Component, ...]]:
        """Return where a source's images came from, and the images.

        :raises EdgefleetError: when the image cannot be had, or is something else.
        """
        if isinstance(source, CatalogSource):
            return self._catalog(source)
        return self._release(source)

    def _release(self, source: ReleaseSource) -> tuple[str, tuple[Component, ...]]:
        image = self._by_digest(source.image)
        reference, manifest = self._manifest(image, source)
        text = self._files.file(reference, manifest, PATH)
        if text is None:
            raise UnreadableImage(
                f"reading the release {image}",
                f"it has no {PATH}",
                "An OpenShift release image is needed.",
            )
        release = parse_image_references(text, str(image))
        return (
            f"release {image} ({release.version})",
            (Component(_RELEASE, image), *release.components),
        )

    def _catalog(self, source: CatalogSource) -> tuple[str, tuple[Component, ...]]:
        image = self._by_digest(source.image)
        reference, manifest = self._manifest(image, source)
        folder = _configs_folder(self._registry.config(reference, manifest))
        if not folder:
            raise UnreadableImage(
                f"reading the catalog {image}",
                f"it has no label {CONFIGS_LABEL}",
                "A file-based operator catalog is needed.",
            )
        texts = self._files.folder(reference, manifest, folder)
        ignored = {p: texts[p] for p in texts if p.rpartition("/")[2] == IGNORE_FILE}
        catalog = parse_catalog(
            ((path, texts[path]) for path in catalog_files(texts, ignored)), str(image)
        )
        return f"catalog {image}", select_components(catalog, source.packages)

    def _by_digest(self, image: ImageReference) -> ImageReference:
        return image if image.digest else replace(image, digest=self._registry.digest(str(image)))

    def _manifest(self, image: ImageReference, source: Source) -> tuple[str, Manifest]:
        """Return the reference by digest of one platform's manifest, and that."""
        reference = f"{image.repository}@{image.digest}"
        platform = self._platforms.of(source.pool, f"set {source.set!r}")[0]
        digest, manifest = manifests_on(self._registry, reference, [platform])[platform]
        return f"{image.repository}@{digest}", manifest


def _configs_folder(config: Mapping[str, Any]) -> str:
    """Return where an image configuration says that a catalog lies; empty where it does not."""
    settings = config.get("config")
    labels = settings.get("Labels") if isinstance(settings, dict) else None
    folder = labels.get(CONFIGS_LABEL) if isinstance(labels, dict) else None
    return folder.strip("/") if isinstance(folder, str) else ""
