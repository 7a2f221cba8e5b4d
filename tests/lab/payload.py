"""What a lab's registry is filled with: described, built once into the cache, pushed by skopeo."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import build, oci, places
from .commands import run
from .disks import MIB
from .oci import Layer, LayerSpec, PlatformImage, TarSpec
from .registry import Registry

AMD64 = "linux/amd64"
ARM64 = "linux/arm64"


@dataclass(frozen=True)
class ImageSpec:
    """An image; one of several platforms is an index, and each platform has layers of its own."""

    name: str
    layers: tuple[LayerSpec | TarSpec, ...]
    tag: str = "1.0"
    platforms: tuple[str, ...] = (AMD64,)


@dataclass(frozen=True)
class Payload:
    """Images that go to a registry together."""

    name: str
    images: tuple[ImageSpec, ...]


@dataclass(frozen=True)
class PushedImage:
    """An image in a registry; `digest` is the index's for an image of several platforms."""

    name: str
    tag: str
    digest: str
    platforms: tuple[PlatformImage, ...]

    @property
    def reference(self) -> str:
        """The reference by digest."""
        return f"{self.name}@{self.digest}"

    @property
    def repository(self) -> str:
        """The name without the registry."""
        return self.name.partition("/")[2]

    def platform(self, wanted: str = AMD64) -> PlatformImage:
        """What a node of that platform gets; StopIteration when there is nothing for it."""
        return next(image for image in self.platforms if image.platform == wanted)


# Every node runs its pods in sandboxes made of this; crio.conf names it.
PAUSE = Payload("pause", (ImageSpec("lab/pause", (), tag="1"),))


def demo(count: int = 30) -> Payload:
    """Images as a release has them: shared bases, some zstd, one index; thirty are about 40 MB."""
    bases = [LayerSpec(f"base-{number}", files=200, size=4 * MIB) for number in range(3)]
    common = LayerSpec("common", files=120, size=2 * MIB, compression="zstd")
    images = []
    for number in range(count):
        compression = "zstd" if number % 5 == 4 else "gzip"
        own = LayerSpec(f"app-{number:02d}", files=40, size=MIB * 4 // 5, compression=compression)
        middle = (common,) if number % 2 else ()
        platforms = (AMD64, ARM64) if number == 7 else (AMD64,)
        layers = (bases[number % 3], *middle, own)
        images.append(ImageSpec(f"demo/app-{number:02d}", layers, platforms=platforms))
    return Payload(f"demo-{count}", tuple(images))


def build_layout(payload: Payload) -> Path:
    """The OCI image layout of a payload, from the cache when it was built before."""

    def make(folder: Path) -> None:
        layout = oci.Layout(folder)
        for spec in payload.images:
            images = tuple(_image(layout, spec, platform) for platform in spec.platforms)
            top = layout.index(images) if len(images) > 1 else images[0].descriptor
            layout.tag(_layout_name(spec), top)
            _remember(folder, spec, top["digest"], images)
        layout.close()

    recipe = (places.SOURCE / "oci.py").read_text() + Path(__file__).read_text()
    described = repr(payload) + recipe
    return build.cached(f"payload-{payload.name}", described, make, f"the images of {payload.name}")


def push(payload: Payload, registry: Registry) -> list[PushedImage]:
    """Push all images of a payload, digests kept, and tell what is there now."""
    layout = build_layout(payload)
    with ThreadPoolExecutor(4) as pool:
        for pushing in [pool.submit(_push, layout, spec, registry) for spec in payload.images]:
            pushing.result()
    return [_recall(layout, spec, registry) for spec in payload.images]


def pinned_image_set(name: str, pool: str, images: Iterable[PushedImage]) -> str:
    """A PinnedImageSet of these images for a pool, as OpenShift takes it."""
    lines = [
        "apiVersion: machineconfiguration.openshift.io/v1",
        "kind: PinnedImageSet",
        "metadata:",
        f"  name: {name}",
        "  labels:",
        f"    machineconfiguration.openshift.io/role: {pool}",
        "spec:",
        "  pinnedImages:",
        *(f"    - name: {image.reference}" for image in images),
    ]
    return "\n".join(lines) + "\n"


def _image(layout: oci.Layout, spec: ImageSpec, platform: str) -> PlatformImage:
    layers = [layout.runtime]
    for layer in spec.layers:
        if isinstance(layer, TarSpec):
            layers.append(layout.tar_layer(layer))
            continue
        seed = layer.seed if platform == AMD64 else f"{layer.seed}-{platform.partition('/')[2]}"
        layers.append(layout.layer(replace(layer, seed=seed)))
    return layout.image(platform, tuple(layers))


def _remember(folder: Path, spec: ImageSpec, digest: str, images: Iterable[PlatformImage]) -> None:
    """Note beside the layout what was made, so that a layout from the cache tells it too."""
    described = {"digest": digest, "platforms": [asdict(image) for image in images]}
    note = _note(folder, spec)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(described))


def _recall(folder: Path, spec: ImageSpec, registry: Registry) -> PushedImage:
    described = json.loads(_note(folder, spec).read_text())
    platforms = tuple(
        PlatformImage(**{**image, "layers": tuple(Layer(**layer) for layer in image["layers"])})
        for image in described["platforms"]
    )
    return PushedImage(f"{registry.address}/{spec.name}", spec.tag, described["digest"], platforms)


def _note(folder: Path, spec: ImageSpec) -> Path:
    return folder / "made" / f"{spec.name}.json"


def _layout_name(spec: ImageSpec) -> str:
    return f"{spec.name}:{spec.tag}"


def _push(layout: Path, spec: ImageSpec, registry: Registry) -> None:
    login = []
    if registry.credentials:
        login = [f"--dest-creds={registry.credentials.user}:{registry.credentials.password}"]
    run(
        [
            "skopeo",
            "copy",
            "--quiet",
            "--all",
            "--preserve-digests",
            "--dest-tls-verify=false",
            *login,
            f"oci:{layout}:{_layout_name(spec)}",
            f"docker://{registry.address}/{_layout_name(spec)}",
        ],
        # The lab's addresses are never behind the proxy of the environment.
        env={"no_proxy": "*", "NO_PROXY": "*"},
    )
