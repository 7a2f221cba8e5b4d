# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bench pulls: shapes of payloads, the same bytes for the same seed.

Sizes are unpacked; contents compress to a half or a third, as real layers do.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from lab import MIB
from lab.oci import LayerSpec
from lab.payload import AMD64, ARM64, ImageSpec, Payload, PushedImage

# What the whole bench takes of release-like payloads, and of images over one layer.
SEEDS = (1, 2, 3)
ONE_LAYER_COUNTS = (5, 20, 60)
_KIB = 1024
# One file in so many bytes, about what the file trees of distributions have.
_BYTES_PER_FILE = 24 * _KIB


def drawn(seed: str) -> random.Random:
    """A source of numbers by lot, the same ones for the same seed."""
    return random.Random(seed)  # noqa: S311 - the same numbers every time are wanted


def release_like(seed: int, count: int = 120) -> Payload:
    """Shaped like an OpenShift release: 120 images are about 110 MB of distinct layers, compressed.

    All stand on the same two layers, most on one of three above them or on one of those and a
    further one, and each has a layer of its own; a few of those are large.
    """
    source = drawn(f"release-{seed}")
    prefix = f"release-{seed}"
    base = (_layer(f"{prefix}-os", 24 * MIB, repeat=3), _layer(f"{prefix}-base", 6 * MIB, repeat=3))
    middle: list[tuple[LayerSpec, ...]] = [()]
    for number in range(3):
        lower, upper = (
            _layer(f"{prefix}-{part}-{number}", source.randint(3, 9) * MIB)
            for part in ("middle", "upper")
        )
        middle += [(lower,), (lower, upper)]
    weights = [source.lognormvariate(0, 1) for _image in range(count)]
    images = []
    for number, weight in enumerate(weights):
        # Go programs compress to half, scripts and data further; 0.6 MiB on average.
        repeat = source.choice((2, 3))
        size = round(count * 0.6 * MIB * repeat * weight / sum(weights))
        own = _layer(f"{prefix}-own-{number:03d}", size, repeat=repeat)
        layers = (*base, *source.choice(middle), own)
        images.append(ImageSpec(f"release-{seed}/component-{number:03d}", layers))
    return Payload(prefix, tuple(images))


def services(seed: int, count: int = 60) -> Payload:
    """Shaped unlike a release: about 75 MB without a base that all share.

    Five stacks of four layers, of which an image takes the lower ones; two images are nothing but
    one large layer, most have a small one of their own, every third with zstd.
    """
    source = drawn(f"services-{seed}")
    prefix = f"services-{seed}"
    stacks = [
        [
            _layer(f"{prefix}-stack-{stack}-{level}", source.randint(1, 5) * MIB, repeat=3)
            for level in range(4)
        ]
        for stack in range(5)
    ]
    images = []
    for number in range(count):
        lower = source.choice(stacks)[: source.randint(1, 4)]
        size = source.randint(60, 900) * _KIB
        if number in (count // 3, count - 1):
            lower, size = [], 36 * MIB
        compression = "zstd" if number % 3 == 0 else "gzip"
        own = _layer(f"{prefix}-own-{number:03d}", size, compression=compression)
        images.append(ImageSpec(f"services-{seed}/app-{number:03d}", (*lower, own)))
    return Payload(prefix, tuple(images))


def over_one_layer(count: int, seed: int) -> Payload:
    """So many images of 40 KiB each over one layer that is 30 MB compressed."""
    prefix = f"one-layer-{count}-{seed}"
    shared = _layer(f"one-layer-{seed}", 60_000_000)
    images = (
        ImageSpec(
            f"{prefix}/app-{number:03d}", (shared, _layer(f"{prefix}-{number:03d}", 40 * _KIB))
        )
        for number in range(count)
    )
    return Payload(prefix, tuple(images))


def small_files(seed: int) -> Payload:
    """Eight images, 40,000 files of 1.5 KiB: what lies in a filesystem's blocks, not in bytes."""
    prefix = f"small-files-{seed}"
    images = (
        ImageSpec(
            f"{prefix}/app-{number}",
            (LayerSpec(f"{prefix}-{number}", 5000, 5000 * 1536, repeat=2),),
        )
        for number in range(8)
    )
    return Payload(prefix, tuple(images))


def large_files(seed: int) -> Payload:
    """Six images of four files of 5 MiB each, every other one with zstd."""
    prefix = f"large-files-{seed}"
    images = (
        ImageSpec(
            f"{prefix}/model-{number}",
            (LayerSpec(f"{prefix}-{number}", 4, 20 * MIB, ("gzip", "zstd")[number % 2], repeat=2),),
        )
        for number in range(6)
    )
    return Payload(prefix, tuple(images))


def crossed(seed: int) -> Payload:
    """Eight images of the same five layers in other orders, as linked copies of a build make them.

    A store keeps a layer once for each stack of layers below it, a registry once.
    """
    prefix = f"crossed-{seed}"
    layers = [_layer(f"{prefix}-{number}", 3 * MIB) for number in range(5)]
    source = drawn(prefix)
    images = (
        ImageSpec(f"{prefix}/app-{number}", tuple(source.sample(layers, 4))) for number in range(8)
    )
    return Payload(prefix, tuple(images))


def two_platforms(seed: int) -> Payload:
    """Ten images for two platforms over one layer, each platform with bytes of its own."""
    prefix = f"two-platforms-{seed}"
    shared = _layer(f"{prefix}-base", 12 * MIB, repeat=3)
    images = (
        ImageSpec(
            f"{prefix}/app-{number}",
            (shared, _layer(f"{prefix}-{number}", 2 * MIB)),
            platforms=(AMD64, ARM64),
        )
        for number in range(10)
    )
    return Payload(prefix, tuple(images))


def many_small(count: int = 200) -> Payload:
    """Small images over one of five layers each, every fourth for two platforms."""
    images = (
        ImageSpec(
            f"locking/many-{number:03}",
            (LayerSpec(f"many-{number % 5}", 5, 40_000), LayerSpec(f"own-{number}", 3, 2000)),
            platforms=(AMD64, ARM64) if number % 4 == 0 else (AMD64,),
        )
        for number in range(count)
    )
    return Payload(f"locking-{count}", tuple(images))


def half_of(images: Sequence[PushedImage], seed: int) -> list[PushedImage]:
    """The images that a half-filled store has, drawn by lot."""
    return drawn(f"half-{seed}").sample(images, len(images) // 2)


def missing_layer_bytes(wanted: Iterable[PushedImage], present: Iterable[PushedImage] = ()) -> int:
    """The compressed bytes of the layers that `wanted` needs and `present` lacks, each once."""
    there = _layer_sizes(present)
    return sum(size for digest, size in _layer_sizes(wanted).items() if digest not in there)


def _layer_sizes(images: Iterable[PushedImage]) -> dict[str, int]:
    return {layer.digest: layer.size for image in images for layer in image.platform().layers}


def _layer(seed: str, size: int, compression: str = "gzip", repeat: int = 2) -> LayerSpec:
    return LayerSpec(seed, max(2, size // _BYTES_PER_FILE), size, compression, repeat)
