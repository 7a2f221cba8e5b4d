"""OCI images out of nothing but a seed: layers, manifests, indexes, in an OCI image layout."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

_BUSYBOX = Path("/bin/busybox")
_FILES_PER_FOLDER = 20
# What repeats in a file; short enough for one match of deflate, which ends at 258 bytes.
_BLOCK = 256
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class LayerSpec:
    """A layer: `files` files that make up `size` bytes, which compress to a `repeat`th of that.

    The same description gives the same layer, in whatever image; so that is how images share
    layers.
    """

    seed: str
    files: int
    size: int
    compression: str = "gzip"
    repeat: int = 1


@dataclass(frozen=True)
class TarEntry:
    """An entry of a tar: a file of `size` bytes, or what tarfile's `kind` says."""

    name: str
    size: int = 0
    kind: bytes = tarfile.REGTYPE
    target: str = ""


@dataclass(frozen=True)
class TarSpec:
    """A layer with exactly these entries in a tar, its parents made by nobody; "" packs it not."""

    entries: tuple[TarEntry, ...]
    compression: str = "gzip"


@dataclass(frozen=True)
class Layer:
    """A compressed layer."""

    digest: str
    size: int
    diff_id: str
    media_type: str

    @property
    def descriptor(self) -> dict[str, Any]:
        """How a manifest names it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class PlatformImage:
    """What one platform gets."""

    platform: str
    digest: str
    size: int
    layers: tuple[Layer, ...]

    @property
    def descriptor(self) -> dict[str, Any]:
        """How an index names it."""
        system, _slash, architecture = self.platform.partition("/")
        platform = {"architecture": architecture, "os": system}
        # As podman marks one that it packs with zstd beside one for older clients.
        is_zstd = any(layer.media_type.endswith("+zstd") for layer in self.layers)
        marked = {"annotations": {"io.github.containers.compression.zstd": "true"}}
        return {
            "mediaType": _MANIFEST,
            "digest": self.digest,
            "size": self.size,
            "platform": platform,
            **(marked if is_zstd else {}),
        }


class Layout:
    """An OCI image layout that is being filled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = folder / "blobs/sha256"
        self._blobs.mkdir(parents=True)
        self._layers: dict[LayerSpec, Layer] = {}
        self._tops: list[dict[str, Any]] = []

    @cached_property
    def runtime(self) -> Layer:
        """The lowest layer of every image: what it takes to run."""
        return self._add_layer(_tar(_runtime_files()), "gzip")

    def layer(self, spec: LayerSpec) -> Layer:
        """The layer of that description, made once."""
        if spec not in self._layers:
            self._layers[spec] = self._add_layer(_tar(_seeded_files(spec)), spec.compression)
        return self._layers[spec]

    def tar_layer(self, spec: TarSpec) -> Layer:
        """The layer of those entries."""
        source = random.Random(0)  # noqa: S311 - the same bytes every time are wanted
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for one in spec.entries:
                entry = _entry(one.name, one.kind, 0o755)
                entry.size, entry.linkname = one.size, one.target
                tar.addfile(entry, io.BytesIO(source.randbytes(one.size)))
        return self._add_layer(buffer.getvalue(), spec.compression)

    def image(self, platform: str, layers: tuple[Layer, ...]) -> PlatformImage:
        """The image of these layers for one platform."""
        system, _slash, architecture = platform.partition("/")
        config = {
            "architecture": architecture,
            "os": system,
            # The first process of a container gets no SIGTERM that it does not handle; whoever stops
            # one of the lab's would wait for as long as he waits at most.
            "config": {"Cmd": ["/bin/busybox", "sleep", "1000000"], "StopSignal": "SIGKILL"},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        }
        digest, size = self._add_json(config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": digest, "size": size},
            "layers": [layer.descriptor for layer in layers],
        }
        return PlatformImage(platform, *self._add_json(manifest), layers)

    def index(self, images: tuple[PlatformImage, ...]) -> dict[str, Any]:
        """An index over images of several platforms, as a descriptor."""
        listed = [image.descriptor for image in images]
        digest, size = self._add_json(
            {"schemaVersion": 2, "mediaType": _INDEX, "manifests": listed}
        )
        return {"mediaType": _INDEX, "digest": digest, "size": size}

    def tag(self, name: str, descriptor: dict[str, Any]) -> None:
        """Give an image or index the name by which skopeo finds it in the layout."""
        named = {"org.opencontainers.image.ref.name": name}
        plain = {key: descriptor[key] for key in ("mediaType", "digest", "size")}
        self._tops.append({**plain, "annotations": named})

    def close(self) -> None:
        """Write what makes the folder a layout."""
        (self._folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        top = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": self._tops}
        (self._folder / "index.json").write_text(json.dumps(top))

    def _add_layer(self, tar: bytes, compression: str) -> Layer:
        digest, size = self._add(_compressed(tar, compression))
        suffix = f"+{compression}" if compression else ""
        return Layer(digest, size, _digest(tar), f"{_LAYER}{suffix}")

    def _add_json(self, document: dict[str, Any]) -> tuple[str, int]:
        return self._add(json.dumps(document, separators=(",", ":")).encode())

    def _add(self, content: bytes) -> tuple[str, int]:
        digest = _digest(content)
        (self._blobs / digest.partition(":")[2]).write_bytes(content)
        return digest, len(content)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _compressed(tar: bytes, compression: str) -> bytes:
    if not compression:
        return tar
    if compression == "gzip":
        return gzip.compress(tar, compresslevel=1, mtime=0)
    command = ["zstd", "-q", "-1", "--single-thread", "--stdout"]
    return subprocess.run(command, input=tar, stdout=subprocess.PIPE, check=True).stdout


def _runtime_files() -> Iterator[tuple[str, bytes, int]]:
    yield "bin/busybox", _BUSYBOX.read_bytes(), 0o755


def _seeded_files(spec: LayerSpec) -> Iterator[tuple[str, bytes, int]]:
    """Contents of uneven length that sum up to the size asked for."""
    source = random.Random(spec.seed)  # noqa: S311 - the same bytes every time are wanted
    weights = [source.uniform(0.2, 1.8) for _file in range(spec.files)]
    unit = spec.size / sum(weights) if weights else 0.0
    done = 0
    reached = 0.0
    for number, weight in enumerate(weights):
        reached += weight * unit
        length = round(reached) - done
        done += length
        folder = f"srv/{spec.seed}/{number // _FILES_PER_FOLDER:03d}"
        yield f"{folder}/{number:05d}", _content(source, length, spec.repeat), 0o644


def _content(source: random.Random, length: int, repeat: int) -> bytes:
    if repeat == 1:
        return source.randbytes(length)
    blocks = -(-length // (_BLOCK * repeat))
    return b"".join(source.randbytes(_BLOCK) * repeat for _block in range(blocks))[:length]


def _tar(files: Iterator[tuple[str, bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    folders: set[str] = set()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, content, mode in files:
            for folder in [str(parent) for parent in Path(path).parents][-2::-1]:
                if folder not in folders:
                    folders.add(folder)
                    tar.addfile(_entry(folder, tarfile.DIRTYPE, 0o755))
            entry = _entry(path, tarfile.REGTYPE, mode)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type = kind
    entry.mode = mode
    return entry
