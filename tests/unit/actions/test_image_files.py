# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files out of images, and the releases and catalogs that they make."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.image_files import (
    ImageFiles,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.image_sources import (
    ImageSources,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.measure import (
    recall_measures,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.json_text import (
    DOCUMENT_MAX,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.platform import (
    parse_pool_platforms,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.sources import (
    CatalogSource,
    ReleaseSource,
    parse_sources,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.manifests import Manifests
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import HostError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.skopeo import Skopeo
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.manifest import (
    Layer,
    Manifest,
)
from unit.blob_host import BlobHost, digest_of, skopeo_layers
from unit.registry_images import CACHE, GZIP, Image, index, manifest

REFERENCE = "example.com/app@sha256:" + "a" * 64
FOLDER = CACHE.rpartition("/")[0]
LABEL = "operators.operatorframework.io.index.configs.v1"
CONFIG = "sha256:" + "c" * 64


def layer(files: Mapping[str, str]) -> bytes:
    """Return a packed layer of files with their texts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


BASE = layer({"bin/sh": "sh", "a/b": "old", "a/c": "c"})
MIDDLE = layer({"a/b": "new", "a/.wh.c": "", "a/d": "d"})
TOP = layer({"etc/x": "x"})


def manifest_of(*layers: bytes, media_type: str = GZIP) -> Manifest:
    """Return a manifest of layers."""
    return Manifest(CONFIG, tuple(Layer(digest_of(one), len(one), media_type) for one in layers))


def files(host: BlobHost) -> ImageFiles:
    """Return what reads files."""
    return ImageFiles(host, Skopeo(host, ""), FOLDER)


class TestImageFiles:
    """What lies in layers."""

    def test_from_the_top(self) -> None:
        """Layers below the one that has the file are not fetched, and none stays here."""
        host = BlobHost(BASE, MIDDLE, TOP)
        host.expect(
            skopeo_layers(REFERENCE, digest_of(TOP)), skopeo_layers(REFERENCE, digest_of(MIDDLE))
        )
        assert files(host).file(REFERENCE, manifest_of(BASE, MIDDLE, TOP), "a/b") == "new"
        assert host.blobs == {}
        # Another run is kept out of each layer's coming and going.
        assert host.turns == ["read layers", ""] * 2
        host.assert_all_called()

    def test_remembered(self) -> None:
        """Of an image that was read once nothing is fetched again, unless that is torn."""
        host = BlobHost(TOP, MIDDLE)
        call = skopeo_layers(REFERENCE, digest_of(MIDDLE))
        wanted = manifest_of(TOP, MIDDLE)
        host.expect(call)
        assert files(host).file(REFERENCE, wanted, "a/b") == "new"
        assert files(host).file(REFERENCE, wanted, "a/b") == "new"
        (place,) = (one for one in host.files if "/contents/" in one)
        host.files[place] = host.files[place].replace("new", "odd")
        host.expect(call)
        assert files(host).file(REFERENCE, wanted, "a/b") == "new"

    def test_measured_in_passing(self) -> None:
        """What a file was looked for in is measured, and not fetched again for that; a catalog is not."""
        host = BlobHost(BASE, MIDDLE, TOP)
        wanted = manifest_of(BASE, MIDDLE, TOP)
        host.expect(*(skopeo_layers(REFERENCE, digest_of(one)) for one in (TOP, MIDDLE)))
        files(host).file(REFERENCE, wanted, "a/b")
        digests = [one.digest for one in wanted.layers]
        known = recall_measures(host, digests, FOLDER)
        assert list(known) == digests[1:]
        with tarfile.open(fileobj=io.BytesIO(MIDDLE), mode="r:gz") as archive:
            assert known[digests[1]].blocks == sum(member.size > 0 for member in archive)
        other = BlobHost(TOP)
        other.expect(skopeo_layers(REFERENCE, digest_of(TOP)))
        files(other).folder(REFERENCE, manifest_of(TOP), "etc")
        assert not recall_measures(other, [digest_of(TOP)], FOLDER)

    @pytest.mark.parametrize(("path", "layers"), [("a/c", 1), ("a/e", 2)])
    def test_no_such_file(self, path: str, layers: int) -> None:
        """A layer that takes it away ends the search; that there is none is remembered."""
        host = BlobHost(BASE, MIDDLE)
        calls = [skopeo_layers(REFERENCE, digest_of(one)) for one in (MIDDLE, BASE)]
        host.expect(*calls[:layers])
        for _again in range(2):
            assert files(host).file(REFERENCE, manifest_of(BASE, MIDDLE), path) is None
        host.assert_all_called()

    def test_folder(self) -> None:
        """All layers count, the upper ones last."""
        host = BlobHost(BASE, MIDDLE)
        host.expect(*(skopeo_layers(REFERENCE, digest_of(one)) for one in (BASE, MIDDLE)))
        for _again in range(2):
            found = files(host).folder(REFERENCE, manifest_of(BASE, MIDDLE), "a")
            assert found == {"b": "new", "d": "d"}

    @pytest.mark.parametrize(
        ("content", "media_type", "digest", "said"),
        [
            (TOP, "application/zip", "", "its media type 'application/zip' is no layer's"),
            (b"<html>", GZIP, "", "its media type says gzip, and it is plain"),
            (TOP[:40], GZIP, "", "its gzip ends in the middle"),
            (gzip.compress(b"x" * 2000), GZIP, "", "it is no tar, "),
            (TOP, GZIP, "sha512:" + "1" * 128, "skopeo brings layers by sha256 digests only"),
        ],
        ids=["media type", "packing", "cut", "no tar", "sha512"],
    )
    def test_refused(self, content: bytes, media_type: str, digest: str, said: str) -> None:
        """The layer and its image are named; nothing stays."""
        host = BlobHost(content)
        digest = digest or digest_of(content)
        if media_type == GZIP and digest.startswith("sha256"):
            host.expect(skopeo_layers(REFERENCE, digest))
        wanted = Manifest(CONFIG, (Layer(digest, len(content), media_type),))
        with pytest.raises(EdgefleetError) as caught:
            files(host).file(REFERENCE, wanted, "a")
        assert str(caught.value).startswith(f"reading layer {digest} of {REFERENCE}: {said}")
        assert (host.files, host.blobs) == ({}, {})

    def test_larger_than_any_document(self) -> None:
        """One file is bounded as what reads it bounds it; a folder may hold more."""
        large = layer({"a/b": " " * DOCUMENT_MAX})
        host = BlobHost(large)
        host.expect(skopeo_layers(REFERENCE, digest_of(large)))
        with pytest.raises(EdgefleetError, match=f"there are more than {DOCUMENT_MAX} bytes for a"):
            files(host).file(REFERENCE, manifest_of(large), "a/b")
        host = BlobHost(large)
        host.expect(skopeo_layers(REFERENCE, digest_of(large)))
        assert len(files(host).folder(REFERENCE, manifest_of(large), "a")["b"]) == DOCUMENT_MAX

    def test_other_bytes(self) -> None:
        """Skopeo names what came by its own digest."""
        host = BlobHost()
        host.expect(skopeo_layers(REFERENCE, digest_of(TOP)))
        with pytest.raises(EdgefleetError, match="what the registry served does not match it"):
            files(host).file(REFERENCE, manifest_of(TOP), "a")

    def test_nowhere_to_keep(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Reading goes on."""
        host = BlobHost(TOP)

        def refuse(*_args: object) -> None:
            raise HostError("writing", "read-only file system")

        monkeypatch.setattr(host, "write_atomic", refuse)
        host.expect(skopeo_layers(REFERENCE, digest_of(TOP)))
        assert files(host).file(REFERENCE, manifest_of(TOP), "etc/x") == "x"


ART = "quay.io/art/all@sha256:"
STREAM = json.dumps(
    {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": "4.10.3"},
        "spec": {
            "tags": [
                {"name": name, "from": {"kind": "DockerImage", "name": ART + digit * 64}}
                for name, digit in (("cli", "1"), ("etcd", "2"))
            ]
        },
    }
)
FBC = "\n".join(
    json.dumps(one)
    for one in (
        {"schema": "olm.package", "name": "p", "defaultChannel": "stable"},
        {"schema": "olm.channel", "package": "p", "name": "stable", "entries": [{"name": "p.v1"}]},
        {"schema": "olm.bundle", "package": "p", "name": "p.v1", "image": ART + "3" * 64,
         "properties": [{"type": "olm.package", "value": {"packageName": "p", "version": "1.0.0"}}],
         "relatedImages": [{"name": "o", "image": ART + "4" * 64}]},
    )
)  # fmt: skip


def image(name: str, content: bytes, **config: Any) -> Image:
    """Return an image of one layer."""
    return manifest(name, (digest_of(content), len(content)), config=config)


def source(**entry: Any) -> ReleaseSource | CatalogSource:
    """Return a source."""
    (one,) = parse_sources([entry], "x")
    assert isinstance(one, (ReleaseSource, CatalogSource))
    return one


def read(host: BlobHost, one: ReleaseSource | CatalogSource) -> tuple[str, list[str]]:
    """Return where a source's images came from, and the images with their names."""
    registry = Manifests(host, Skopeo(host, ""), CACHE)
    platforms = parse_pool_platforms(["linux/arm64", "linux/amd64"], "x")
    origin, components = ImageSources(registry, files(host), platforms).read(one)
    return origin, [f"{component.name} {component.reference}" for component in components]


class TestReleases:
    """OpenShift releases."""

    LAYER = layer({"release-manifests/image-references": STREAM})

    def test_by_tag(self) -> None:
        """Itself and its images; of an index, the first platform's manifest is read."""
        on_amd = image("ocp", self.LAYER)
        both = index("ocp", amd64=on_amd)
        host = BlobHost(self.LAYER)
        host.expect(
            both.call(tag="4.10"),
            on_amd.call(),
            skopeo_layers(on_amd.reference, digest_of(self.LAYER)),
        )
        origin, images = read(host, source(release="example.com/ocp:4.10"))
        assert origin == f"release example.com/ocp:4.10@{both.digest} (4.10.3)"
        assert images == [
            f"release example.com/ocp:4.10@{both.digest}", f"cli {ART}{'1' * 64}",
            f"etcd {ART}{'2' * 64}",
        ]  # fmt: skip

    def test_no_release(self) -> None:
        """It is named."""
        app = image("app", TOP)
        host = BlobHost(TOP)
        host.expect(app.call(), app.config(), skopeo_layers(app.reference, digest_of(TOP)))
        with pytest.raises(EdgefleetError) as caught:
            read(host, source(release=app.reference))
        assert str(caught.value) == (
            f"reading the release {app.reference}: it has no release-manifests/image-references."
            " An OpenShift release image is needed."
        )


class TestCatalogs:
    """File-based catalogs."""

    LAYER = layer(
        {"configs/.indexignore": "*.md", "configs/p/x.json": FBC, "configs/README.md": "no"}
    )

    def test_by_tag(self) -> None:
        """What the label's folder holds, less what it says to ignore."""
        index_image = image("index", self.LAYER, Labels={LABEL: "/configs/"})
        host = BlobHost(self.LAYER)
        host.expect(
            index_image.call(tag="v4"),
            index_image.config(),
            skopeo_layers(index_image.reference, digest_of(self.LAYER)),
        )
        origin, images = read(host, source(catalog="example.com/index:v4", packages=["p"]))
        assert origin == f"catalog example.com/index:v4@{index_image.digest}"
        assert images == [f"p.v1 {ART}{'3' * 64}", f"o {ART}{'4' * 64}"]

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"Labels": None},
            {"Labels": {LABEL: "/"}},
            {"Labels": {LABEL: 7}},
            {"Labels": ["a"]},
            "x",
            None,
        ],
    )
    def test_no_catalog(self, config: Any) -> None:
        """Without the label there is nothing to read; a configuration may be anything."""
        app = manifest("app", (digest_of(TOP), len(TOP)), config=config)
        host = BlobHost(TOP)
        host.expect(app.call(), app.config())
        with pytest.raises(EdgefleetError, match=f"it has no label {LABEL}. A file-based operator"):
            read(host, source(catalog=app.reference))
