# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests and configurations of images: asked for once, then kept by their digests."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Mapping

from ..observed.manifest import Manifest, digest_of, parse_image_config
from .host import Host
from .reading_host import HostError
from .skopeo import Skopeo

_MODE = 0o644


class Manifests:
    """What registries serve. What has a digest is asked for once in its life, a tag once a run.

    Texts lie under their references by digest: what one repository served says nothing of others.

    :param folder: where they lie; it need not exist.
    :param ask: whether what lies there does not count, so that registries are asked once a run.
    """

    def __init__(self, host: Host, skopeo: Skopeo, folder: str, *, ask: bool = False) -> None:
        self._host = host
        self._skopeo = skopeo
        self._folder = folder
        self._ask = ask
        self._served: dict[str, str] = {}
        self._digests: dict[str, str] = {}

    def digest(self, reference: str) -> str:
        """Return the digest of what the registry serves for a reference by tag.

        :raises CommandFailed: when the registry does not have or give it.
        """
        if reference not in self._digests:
            text = self._skopeo.manifest(reference)
            self._digests[reference] = digest_of(text)
            repository = reference.rpartition(":")[0]
            self._keep(f"{repository}@{self._digests[reference]}", text)
        return self._digests[reference]

    def manifest(self, reference: str) -> str:
        """Return the manifest or index of a reference by digest, as it was served.

        :raises CommandFailed: when the registry does not have or give it.
        """
        return self._text(reference, lambda: self._skopeo.manifest(reference))

    def config(self, reference: str, manifest: Manifest) -> Mapping[str, Any]:
        """Return the image configuration of a reference that is a single manifest.

        :raises CommandFailed: when the registry does not have or give it.
        :raises InvalidManifest: when it is something else.
        """
        name = f"{reference.partition('@')[0]}@{manifest.config}"
        text = self._text(name, lambda: self._skopeo.config(reference))
        return parse_image_config(text, reference)

    def _text(self, name: str, ask: Callable[[], str]) -> str:
        text = self._served.get(name)
        if text is None and not self._ask:
            text = self._host.read(self._path(name))
        if text is None or not _is_of(name, text):
            text = ask()
            self._keep(name, text)
        return text

    def _keep(self, name: str, text: str) -> None:
        """Keep a text when it is what its digest says; locking goes on where that fails."""
        if not _is_of(name, text):
            return
        self._served[name] = text
        path = self._path(name)
        with contextlib.suppress(HostError):
            # A tag that has not moved serves what lies there: writing waits for the disk.
            if self._host.read(path) == text:
                return
        with contextlib.suppress(HostError):
            self._host.write_atomic(path, text, _MODE, f"{path}.new")

    def _path(self, name: str) -> str:
        repository, _at, digest = name.partition("@")
        return f"{self._folder}/{repository}/{digest.replace(':', '-')}"


def _is_of(name: str, text: str) -> bool:
    digest = name.partition("@")[2]
    return digest_of(text, digest.partition(":")[0]) == digest
