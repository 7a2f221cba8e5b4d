# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as a registry has them, and the questions about them that are expected of skopeo."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from unit.fake_host import SKOPEO, Call

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
AMD, ARM = "linux/amd64", "linux/arm64"
CACHE = "/home/u/.cache/edgefleet-crio/manifests"


def digest_of(text: str) -> str:
    """Return what names a text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def inspect(*words: str, stdout: str = "", stderr: str = "") -> Call:
    """Return a call of skopeo."""
    *options, reference = words
    argv = (SKOPEO, "--command-timeout", "60s", "inspect", *options, f"docker://{reference}")
    return Call(argv, stdout=stdout, stderr=stderr, rc=1 if stderr else 0)


def entry(image: Image, architecture: str) -> dict[str, Any]:
    """Return how an index names an image."""
    platform = {"os": "linux", "architecture": architecture}
    return {"digest": image.digest, "platform": platform}


class Image:
    """A manifest or an index."""

    def __init__(self, name: str, document: Any, config: str = "") -> None:
        """Name it by its digest."""
        self.name = f"example.com/{name}"
        self.text = json.dumps(document)
        self.digest = digest_of(self.text)
        self.reference = f"{self.name}@{self.digest}"
        self.config_text = config

    def call(self, *auth: str, text: str | None = None, tag: str = "") -> Call:
        """Return the question for it, by tag or by digest."""
        asked = f"{self.name}:{tag}" if tag else self.reference
        return inspect("--raw", *auth, asked, stdout=self.text if text is None else text)

    def config(self, *auth: str, text: str | None = None) -> Call:
        """Return the question for its configuration."""
        answer = self.config_text if text is None else text
        return inspect("--config", "--raw", *auth, self.reference, stdout=answer)


def manifest(
    name: str, *layers: tuple[str, int], architecture: str = "amd64", **config: Any
) -> Image:
    """Return an image for one platform."""
    text = json.dumps({"os": "linux", "architecture": architecture, **config})
    listed = [{"digest": digest, "size": size, "mediaType": GZIP} for digest, size in layers]
    return Image(name, {"config": {"digest": digest_of(text)}, "layers": listed}, text)


def index(name: str, **manifests: Image) -> Image:
    """Return an index of images by their architectures."""
    return Image(name, {"manifests": [entry(one, name) for name, one in manifests.items()]})
