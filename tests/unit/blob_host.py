# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that is not there, and layers: those of a registry, and those that lie here."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence

from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import (
    CommandFailed,
    Completed,
)
from unit.fake_host import SKOPEO, Call, FakeHost

ZSTD = "/usr/bin/zstd"


def digest_of(content: bytes) -> str:
    """Return what names a layer."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def skopeo_layers(reference: str, *digests: str, seconds: int = 300, stderr: str = "") -> Call:
    """Return a call of skopeo for layers."""
    limit = ("--command-timeout", f"{seconds}s")
    argv = (SKOPEO, *limit, "layers", f"docker://{reference}", *digests)
    return Call(argv, stderr=stderr, rc=1 if stderr else 0)


def unzstd(path: str, stderr: str = "") -> Call:
    """Return a call of zstd."""
    return Call((ZSTD, "-d", "-c", "-q", path), stderr=stderr, rc=1 if stderr else 0)


class BlobHost(FakeHost):
    """A Host with layers: skopeo brings those of ``registry``, up to the first that it lacks."""

    def __init__(self, *registry: bytes) -> None:
        """Start with nothing here."""
        super().__init__()
        self.programs["zstd"] = ZSTD
        self.registry = {digest_of(one): one for one in registry}
        self.blobs: dict[str, bytes] = {}
        self.most_bytes = 0

    def run_in(self, folder: str, argv: Sequence[str]) -> Completed:
        """See Host."""
        assert any(self.turns[-1:]), "another run may clear the folder"
        completed = self.run(argv)
        start = next(at for at, word in enumerate(argv) if word.startswith("docker://"))
        for digest in argv[start + 1 :]:
            if digest not in self.registry:
                self.blobs[f"{folder}/layers-1/dir-put-blob-1"] = b"half"
                break
            self.blobs[f"{folder}/layers-1/{digest[7:]}"] = self.registry[digest]
        self.most_bytes = max(self.most_bytes, sum(map(len, self.blobs.values())))
        return completed

    def stream(self, argv: Sequence[str]) -> Generator[bytes, None, None]:
        """See Host; zstd's fake packing is a frame's first bytes before the content."""
        completed = self.run(argv)
        yield self.blobs[argv[-1]][4:]
        if completed.rc:
            raise CommandFailed("running zstd", completed.stderr, "", completed)

    def read_chunks(self, path: str) -> Generator[bytes, None, None]:
        """See Host."""
        for at in range(0, len(self.blobs[path]), 1000):
            yield self.blobs[path][at : at + 1000]

    def exists(self, path: str) -> bool:
        """See Host."""
        return path in self.blobs or super().exists(path)

    def files_below(self, directory: str) -> tuple[str, ...]:
        """See Host."""
        below = tuple(sorted(path for path in self.blobs if path.startswith(f"{directory}/")))
        return below + super().files_below(directory)

    def move(self, source: str, target: str) -> None:
        """See Host."""
        self.blobs[target] = self.blobs.pop(source)

    def remove(self, path: str) -> None:
        """See Host."""
        for below in (path, *self.files_below(path)):
            self.blobs.pop(below, None)
        super().remove(path)
