# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locking from every source, against a real registry, and against some that misbehave."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from bench import payloads
from bench.locks import lock_twice
from fleet import CHECKOUT, Control, Fleet, Run
from lab import Lab, oci, payload
from lab.oci import LayerSpec
from tooling import venvs

CORES, _ABSENT = venvs.matrix()
AMD, ARM = "linux/amd64", "linux/arm64"
OCI = "application/vnd.oci.image"
LABEL = "operators.operatorframework.io.index.configs.v1"


class Locking:
    """Locks to one file, and reads what is in it."""

    def __init__(self, lab: Lab, work: Path) -> None:
        """Take the lab and a folder for the lock."""
        self.fleet = Fleet(lab, work)
        self.path = work / "site.lock.yml"

    def lock(
        self, *sources: dict[str, Any], check: bool = False, diff: bool = False, **variables: Any
    ) -> Run:
        """Run lock_images.yml."""
        arguments = [*(["--check"] if check else []), *(["--diff"] if diff else [])]
        values = {"pin_images_sources": list(sources), "pin_images_lock": str(self.path)}
        return self.fleet.play("lock_images", *arguments, **{**values, **variables})

    def locked(self) -> dict[str, Any]:
        """Return the lock."""
        document: dict[str, Any] = yaml.safe_load(self.path.read_text())
        return document

    def references(self) -> list[str]:
        """Return its references."""
        return [one["reference"] for one in self.locked()["images"]]


@pytest.fixture
def locking(lab: Lab, tmp_path: Path) -> Locking:
    """Give what locks; no node is touched unless one is a source."""
    return Locking(lab, tmp_path)


def digest_of(content: bytes) -> str:
    """Return what names a blob."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(files: Mapping[str, str]) -> bytes:
    """Return a packed layer of files with their texts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


class Blobs:
    """Blobs by their digests, and manifests of them."""

    def __init__(self) -> None:
        """Start with none."""
        self.blobs: dict[str, bytes] = {}

    def add(self, content: bytes | object) -> str:
        """Take a blob, or a document, and return its digest."""
        blob = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.blobs[digest_of(blob)] = blob
        return digest_of(blob)

    def descriptor(self, content: bytes | object, media_type: str) -> dict[str, Any]:
        """Return how a manifest names a blob."""
        digest = self.add(content)
        return {"mediaType": media_type, "digest": digest, "size": len(self.blobs[digest])}

    def image(self, *layers: bytes, layer_type: str = "", **more: Any) -> dict[str, Any]:
        """Return an image's manifest; ``labels`` go into its configuration."""
        config = {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Labels": more.pop("labels", {})},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
        kind = layer_type or f"{OCI}.layer.v1.tar+gzip"
        return {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": self.descriptor(config, f"{OCI}.config.v1+json"),
            "layers": [self.descriptor(one, kind) for one in layers],
            **more,
        }


def push(lab: Lab, work: Path, name: str, *layers: bytes, **labels: str) -> tuple[str, str]:
    """Push an image and return its name with its tag, and its digest."""
    blobs = Blobs()
    top = blobs.descriptor(blobs.image(*layers, labels=labels), f"{OCI}.manifest.v1+json")
    folder = work / "layouts" / name.replace(":", "-")
    (folder / "blobs/sha256").mkdir(parents=True)
    for digest, blob in blobs.blobs.items():
        (folder / "blobs/sha256" / digest[7:]).write_bytes(blob)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    copy(f"oci:{folder}", f"docker://{lab.registry.address}/{name}")
    return f"{lab.registry.address}/{name}", str(top["digest"])


def copy(source: str, target: str) -> None:
    """Copy an image."""
    command = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests", source, target]
    subprocess.run(command, check=True)


def asked(lab: Lab, since: int) -> list[str]:
    """Return what the registry was asked for by locking, without greetings."""
    return [one.path for one in lab.registry.requests(since) if one.path != "/v2/"]


def test_tags(lab: Lab, images: list[payload.PushedImage], locking: Locking) -> None:
    """A tag is locked to its digest; locking again asks for tags only, and says what moved."""
    first, second, other = images[0], images[1], images[2]
    moving = f"{lab.registry.address}/locking/moving:v1"
    copy(f"docker://{first.reference}", f"docker://{moving}")
    sources = [
        {"images": [moving, f"{other.name}:{other.tag}"], "pool": "edge"},
        {"images": [moving], "set": "again", "pool": "control"},
    ]
    run = locking.lock(*sources)
    assert run.rc == 0
    repository = moving.rpartition(":")[0]
    image = next(one for one in locking.locked()["images"] if one["tags"] == ["v1"])
    assert image["reference"] == f"{repository}@{first.digest}"
    assert image["sets"] == ["again", "images"]
    text = locking.path.read_text()

    mark = lab.registry.mark()
    assert locking.lock(*sources).changed() == {"localhost": 0}
    assert locking.path.read_text() == text
    assert sorted(asked(lab, mark)) == [
        f"/v2/{other.repository}/manifests/{other.tag}", "/v2/locking/moving/manifests/v1",
    ]  # fmt: skip

    copy(f"docker://{second.reference}", f"docker://{moving}")
    run = locking.lock(*sources, diff=True)
    for sign, one in (("-", first), ("+", second)):
        (line,) = [line for line in run.output.splitlines() if f"{repository}@{one.digest}" in line]
        assert line.startswith(sign)
    assert f"image_lock: moved {moving}: {first.digest} -> {second.digest}" in run.output
    assert "to fetch" in run.output
    old = locking.path.with_name("old.yml")
    old.write_text(text)
    compared = locking.fleet.play(
        "compare_locks", pin_images_lock_before=str(old), pin_images_lock=str(locking.path)
    )
    assert f"lock_changes: moved {moving}: {first.digest} -> {second.digest}" in compared.output


def test_verified(lab: Lab, images: list[payload.PushedImage], locking: Locking) -> None:
    """Check mode asks for every digest, whatever is kept, and writes nothing."""
    gone = f"{lab.registry.address}/locking/gone:v1"
    copy(f"docker://{images[3].reference}", f"docker://{gone}")
    reference = f"{gone.rpartition(':')[0]}@{images[3].digest}"
    source = {"images": [reference, *(one.reference for one in images[:5])], "pool": "edge"}
    assert locking.lock(source).rc == 0
    text = locking.path.read_text()
    mark = lab.registry.mark()
    assert locking.lock(check=True).rc == 0
    assert len({one for one in asked(lab, mark) if "/manifests/" in one}) == 6

    lab.registry.delete("locking/gone", images[3].digest)
    assert locking.lock(source).changed() == {"localhost": 0}
    for sources, said in (
        ([source], "1 could not be resolved"),
        ([], "1 did not answer as locked"),
    ):
        run = locking.lock(*sources, check=True)
        assert run.rc != 0
        assert "image_lock: 5 of 6 images of " in run.output
        assert f"image_lock: set images: {reference}: not_found: " in run.output
        assert said in run.output
        assert locking.path.read_text() == text


def test_platforms_of_pools(images: list[payload.PushedImage], locking: Locking) -> None:
    """Each image has the platforms of the pools that want it; one that lacks one is named."""
    both, single = images[7], images[0]
    platforms = {"edge": [ARM], "control": [AMD, ARM]}
    run = locking.lock(
        {"images": [both.reference], "set": "a", "pool": "edge"},
        {"images": [both.reference], "set": "b", "pool": "control"},
        pin_images_platforms=platforms,
    )
    assert run.rc == 0
    assert set(locking.locked()["images"][0]["platforms"]) == {AMD, ARM}
    assert "image_lock: edge, linux/arm64: 1 image," in run.output
    run = locking.lock(
        {"images": [single.reference], "pool": "edge"}, pin_images_platforms=json.dumps(platforms)
    )
    assert run.rc != 0
    assert f"{single.reference}: not_found: the image was built for linux/amd64 only" in run.output


def test_packed_twice_for_one_platform(fleet: Fleet, tmp_path: Path) -> None:
    """Of gzip and zstd the lock has what CRI-O takes: its layers are those that the node fetches."""
    layout = oci.Layout(tmp_path / "layout")
    packed = tuple(
        layout.image(AMD, (layout.layer(LayerSpec("packed-twice", 20, 400_000, kind)),))
        for kind in ("gzip", "zstd")
    )
    top = layout.index(packed)
    layout.tag("twice:1", top)
    layout.close()
    name = f"{fleet.lab.registry.address}/locking/twice"
    copy(f"oci:{tmp_path}/layout:twice:1", f"docker://{name}:1")
    sets = [{"name": "twice", "pool": "edge", "images": [f"{name}@{top['digest']}"]}]
    lock = tmp_path / "twice.lock.yml"
    assert fleet.lock(sets, lock).rc == 0
    layers = set(yaml.safe_load(lock.read_text())["layers"])
    mark = fleet.lab.registry.mark()
    assert fleet.pin("--limit", "node1", pin_images_lock=str(lock)).rc == 0
    both = {layer.digest for image in packed for layer in image.layers}
    assert fleet.blobs_fetched(since=mark) & both == layers


def test_measured(images: list[payload.PushedImage], locking: Locking) -> None:
    """Every layer is read once, and its counts are in the lock."""
    source = {"images": [one.reference for one in images[:3]], "pool": "edge"}
    run = locking.lock(source, pin_images_measure="true")
    assert run.rc == 0
    layers = locking.locked()["layers"]
    assert {"size", "blocks", "inodes", "directories"} <= set(next(iter(layers.values())))
    assert all(one["inodes"] for one in layers.values())
    kept = locking.fleet.work / "cache/edgefleet-crio/layers"
    assert not [path for path in kept.rglob("*") if path.is_file()]
    assert locking.lock(source, pin_images_measure="true").changed() == {"localhost": 0}


STREAM: dict[str, Any] = {
    "kind": "ImageStream",
    "apiVersion": "image.openshift.io/v1",
    "metadata": {"name": "4.10.3"},
}


def test_release(
    lab: Lab, images: list[payload.PushedImage], locking: Locking, tmp_path: Path
) -> None:
    """A release and its components, less those left out; lower layers are not fetched."""
    tags = [
        {"name": name, "from": {"kind": "DockerImage", "name": one.reference}}
        for name, one in zip(("cli", "aws-driver", "etcd"), images, strict=False)
    ]
    stream = json.dumps({**STREAM, "spec": {"tags": tags}})
    layers = [
        layer({"bin/large": "x" * 100_000}),
        layer({"release-manifests/image-references": stream}),
        layer({"etc/x": "x"}),
    ]
    named, digest = push(lab, tmp_path, "locking/release:4.10", *layers)
    mark = lab.registry.mark()
    source = {
        "release": named,
        "pool": "control",
        "exclude": [{"match": "aws-*", "reason": "no cloud here"}],
    }
    assert locking.lock(source).rc == 0
    assert not [one for one in asked(lab, mark) if digest_of(layers[0]) in one]
    # Measured later, what was read for the list is not fetched again.
    assert locking.lock(source, pin_images_measure=True).rc == 0
    fetched = [sum(digest_of(one) in path for path in asked(lab, mark)) for one in layers]
    assert fetched == [1, 1, 1]
    release = f"{named.rpartition(':')[0]}@{digest}"
    assert sorted(locking.references()) == sorted(
        [release, images[0].reference, images[2].reference]
    )
    names = {one["reference"]: one["names"] for one in locking.locked()["images"]}
    assert names == {
        release: ["release"], images[0].reference: ["cli"], images[2].reference: ["etcd"],
    }  # fmt: skip
    (written,) = locking.locked()["sets"]
    assert written["source"] == f"release {named}@{digest} (4.10.3)"
    assert written["excluded"] == [
        {"name": "aws-driver", "image": images[1].reference, "pattern": "aws-*",
         "reason": "no cloud here"}
    ]  # fmt: skip
    mark = lab.registry.mark()
    assert locking.lock(source).changed() == {"localhost": 0}
    assert asked(lab, mark) == ["/v2/locking/release/manifests/4.10"]
    run = locking.lock({"release": images[0].reference})
    assert run.rc != 0
    assert "it has no release-manifests/image-references" in run.output


def test_catalog(
    lab: Lab, images: list[payload.PushedImage], locking: Locking, tmp_path: Path
) -> None:
    """What the label's folder holds once all layers lie on each other."""
    bundle, related, old = (one.reference for one in images[:3])
    documents = [
        {"schema": "olm.package", "name": "p", "defaultChannel": "stable"},
        {"schema": "olm.channel", "package": "p", "name": "stable", "entries": [{"name": "p.v1"}]},
        {"schema": "olm.bundle", "package": "p", "name": "p.v1", "image": bundle,
         "properties": [{"type": "olm.package", "value": {"packageName": "p", "version": "1.0.0"}}],
         "relatedImages": [{"name": "o", "image": related}]},
    ]  # fmt: skip
    text = "\n".join(map(json.dumps, documents))
    named, digest = push(
        lab, tmp_path, "locking/catalog:v4",
        layer({"configs/q/catalog.json": text.replace(bundle, old), "bin/opm": "x"}),
        layer({"configs/.wh.q": "", "configs/p/catalog.json": text, "configs/notes.txt": "no",
               "configs/.indexignore": "*.txt"}),
        **{LABEL: "/configs"},
    )  # fmt: skip
    run = locking.lock({"catalog": named, "packages": ["p"], "pool": "edge"})
    assert run.rc == 0
    assert sorted(locking.references()) == sorted([bundle, related])
    assert locking.locked()["sets"][0]["source"] == f"catalog {named}@{digest}"
    run = locking.lock({"catalog": named, "packages": ["gone"]})
    assert "the catalog has no such package. There are: p." in run.output
    run = locking.lock({"catalog": images[0].reference})
    assert f"it has no label {LABEL}" in run.output


@pytest.mark.parametrize(
    ("version", "bin_dir"),
    [*CORES, ("2.19", Path())],
    ids=[*(version for version, _bin in CORES), "2.19"],
)
def test_standard_input(
    lab: Lab, images: list[payload.PushedImage], tmp_path: Path, version: str, bin_dir: Path
) -> None:
    """What helm or kustomize print goes through a pipe, with each promised ansible-core."""
    program = str(bin_dir / "ansible-playbook")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert version in said.stdout
    container = {"name": "c", "image": f"{images[0].name}:{images[0].tag}"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [container]},
    }
    path = tmp_path / "l.yml"
    values = {"pin_images_sources": [{"manifests": "-"}], "pin_images_lock": str(path)}
    ended = subprocess.run(
        [program, "playbooks/lock_images.yml", "-i", str(lab.inventory), "-e", json.dumps(values)],
        input=json.dumps(pod),
        cwd=CHECKOUT,
        env={**Control().environment(), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    document = yaml.safe_load(path.read_text())
    assert [one["reference"] for one in document["images"]] == [images[0].reference]


def test_node(fleet: Fleet, images: list[payload.PushedImage], tmp_path: Path) -> None:
    """What a node holds, looked at over its own connection, with sudo."""
    held = [images[0], images[7]]
    for one in held:
        fleet.node("node1").exec(["crictl", "pull", one.reference])
    locking = Locking(fleet.lab, tmp_path)
    assert locking.lock({"node": "node1", "pool": "edge"}).rc == 0
    assert {one.reference for one in held} <= set(locking.references())
    assert locking.locked()["sets"][0]["source"] == "node node1"


def test_node_that_pulled_by_a_tag(
    fleet: Fleet, images: list[payload.PushedImage], tmp_path: Path
) -> None:
    """CRI-O gives such an image the digests of its index and of one manifest: the index is locked."""
    both, node = images[7], fleet.node("node1")
    # Another test may have left the pause image of a pod, which is for one platform.
    for one in node.images():
        node.exec(["crictl", "rmi", one["id"]])
    node.exec(["crictl", "pull", f"{both.name}:{both.tag}"])
    locking = Locking(fleet.lab, tmp_path)
    assert locking.lock({"node": "node1"}, pin_images_platforms=[AMD, ARM]).rc == 0
    (locked,) = locking.locked()["images"]
    assert (locked["reference"], set(locked["platforms"])) == (both.reference, {AMD, ARM})


def test_two_hundred_images(lab: Lab, locking: Locking) -> None:
    """What is known is not asked for again: that takes half the time, ansible-playbook's own included."""
    references = [image.reference for image in lab.push(payloads.many_small())]
    cold, again = lock_twice(locking.fleet, references, locking.path)
    print(f"200 images: cold {cold:.1f} s, again {again:.1f} s")
    assert len(locking.references()) == 200
    assert again <= cold / 2


class BadRegistry:
    """A registry on this machine that answers what it is told, at ``address``."""

    def __init__(self) -> None:
        """Start it with nothing."""
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        # Of paths, how often an error comes before the answer.
        self.errors: dict[str, int] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, kind, body = outer.answers.get(
                    self.path, (404, "application/json", b'{"errors": []}')
                )
                if self.path == "/v2/":
                    status, kind, body = 200, "application/json", b"{}"
                if outer.errors.get(self.path):
                    outer.errors[self.path] -= 1
                    status, kind, body = 502, "text/plain", b"no"
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                # Who asked need not take all of it.
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def serve(self, name: str, document: object, blobs: Blobs | None = None, kind: str = "") -> str:
        """Serve a manifest under a name, by digest, and its blobs; return its reference."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        kind = kind or (isinstance(document, dict) and document.get("mediaType")) or "text/html"
        for reference in ("v1", digest_of(body)):
            self.answers[f"/v2/{name}/manifests/{reference}"] = (200, str(kind), body)
        for digest, blob in (blobs.blobs if blobs else {}).items():
            self.answers[f"/v2/{name}/blobs/{digest}"] = (200, "application/octet-stream", blob)
            self.answers[f"/v2/{name}/manifests/{digest}"] = (
                200, str(json.loads(blob).get("mediaType")) if blob[:1] == b"{" else "", blob,
            )  # fmt: skip
        return f"{self.address}/{name}@{digest_of(body)}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def bad(locking: Locking, tmp_path: Path) -> Iterator[BadRegistry]:
    """Give a registry that misbehaves, and let skopeo speak plain HTTP to it."""
    registry = BadRegistry()
    locking.fleet.home = tmp_path / "home"
    conf = locking.fleet.home / ".config/containers/registries.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')
    yield registry
    registry.close()


def lines_of(run: Run) -> dict[str, str]:
    """Return what is said of each image that failed, by its name."""
    lines = [one for one in run.output.splitlines() if one.startswith("image_lock: set images: ")]
    said = {}
    for line in lines:
        reference, cause = line.removeprefix("image_lock: set images: ").split(": ", 1)
        said[reference.partition("/")[2].partition("@")[0].partition(":")[0]] = cause
    return said


def wanted(bad: BadRegistry, statuses: Sequence[int]) -> list[str]:
    """Return references of every kind that no lock may take."""
    blobs = Blobs()
    text = layer({"x": "x"})
    foreign = f"{OCI}.layer.nondistributable.v1.tar+gzip"
    inner = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": []}
    nested = blobs.descriptor(inner, f"{OCI}.index.v1+json")
    nested["platform"] = {"os": "linux", "architecture": "amd64"}
    outer = {**inner, "manifests": [nested]}
    references = [
        bad.serve("html", b"<html>It works</html>"),
        bad.serve("foreign", blobs.image(text, layer_type=foreign), blobs),
        bad.serve("chart", blobs.image(text, artifactType="application/x"), blobs),
        bad.serve("nested", outer, blobs),
        bad.serve("large", b"{" + b" " * 100_000_000 + b"}", kind=f"{OCI}.manifest.v1+json"),
    ]
    other = bad.serve("other", blobs.image(text), blobs)
    path = f"/v2/other/manifests/{other.partition('@')[2]}"
    bad.answers[path] = (200, f"{OCI}.manifest.v1+json", b"{}")
    references.append(other)
    for status in statuses:
        digest = "sha256:" + "1" * 64
        bad.answers[f"/v2/status{status}/manifests/{digest}"] = (status, "text/plain", b"no")
        references.append(f"{bad.address}/status{status}@{digest}")
    return references


def test_registries_that_misbehave(locking: Locking, bad: BadRegistry) -> None:
    """Each image that failed is named in one line with its set and its cause; nothing is written."""
    blobs = Blobs()
    good = bad.serve("empty", blobs.image(), blobs)
    assert locking.lock({"images": [good], "pool": "edge"}).rc == 0
    text = locking.path.read_text()
    references = wanted(bad, (401, 404, 429, 500, 502))
    run = locking.lock({"images": [*references, f"{bad.address}/html:v1"], "pool": "edge"})
    assert run.rc != 0
    said = lines_of(run)
    for name, expected in {
        "html": "it is no image manifest",
        "foreign": "is a foreign one, which no registry serves",
        "chart": "it is an artifact of type application/x, no image",
        "nested": "an index lies inside an index",
        "large": "exceeded maximum allowed size",
        "other": "corrupt: ",
        "status401": "unauthorized: ",
        "status404": "not_found: ",
        "status429": "rate_limited: ",
        "status500": "unreachable: ",
        "status502": "unreachable: ",
    }.items():
        assert expected in said[name], said
    assert locking.path.read_text() == text


def test_errors_that_pass(locking: Locking, bad: BadRegistry) -> None:
    """A registry's error is not the end: it is asked again."""
    blobs = Blobs()
    reference = bad.serve("busy", blobs.image(), blobs)
    path = f"/v2/busy/manifests/{reference.partition('@')[2]}"
    bad.errors = {path: 2}
    assert locking.lock({"images": [reference], "pool": "edge"}).rc == 0
    assert locking.references() == [reference]
    assert bad.errors == {path: 0}


def test_a_path_of_something_else(locking: Locking, images: list[payload.PushedImage]) -> None:
    """A playbook in the place of the lock stays as it is."""
    playbook = "---\n- hosts: edge\n  roles: [app]\n"
    locking.path.write_text(playbook)
    run = locking.lock({"images": [images[0].reference], "pool": "edge"})
    assert run.rc != 0
    assert f"locking to {locking.path}: what lies there is no lock of this version" in run.output
    assert locking.path.read_text() == playbook


def test_no_layers_at_all(locking: Locking, bad: BadRegistry) -> None:
    """That is an image like any other."""
    blobs = Blobs()
    reference = bad.serve("empty", blobs.image(), blobs)
    assert locking.lock({"images": [reference], "pool": "edge"}).rc == 0
    assert locking.locked()["images"][0]["platforms"][AMD]["layers"] == []


def test_bombs_and_lies(locking: Locking, bad: BadRegistry) -> None:
    """A layer that unpacks without end, or is not what it says, costs its image one line."""
    bomb, lie = Blobs(), Blobs()
    zeros = subprocess.run(
        ["zstd", "-q", "-c"], input=bytes(300 << 20), stdout=subprocess.PIPE, check=True
    ).stdout
    packed = f"{OCI}.layer.v1.tar+zstd"
    stream = bad.serve("bomb", bomb.image(zeros, layer_type=packed), bomb)
    text = bad.serve("lie", lie.image(b"no gzip at all"), lie)
    source = {"images": [text, stream], "pool": "edge"}
    run = locking.lock(source, pin_images_measure=True)
    assert run.rc != 0
    said = lines_of(run)
    assert "its media type says gzip, and it is plain" in said["lie"]
    assert "it unpacks to more than " in said["bomb"]
    run = locking.lock({"release": text})
    assert "its media type says gzip, and it is plain" in run.output
