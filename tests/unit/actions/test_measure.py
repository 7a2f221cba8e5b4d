# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure layers, each read once."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions import measure
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.measure import (
    Measured,
    Unmeasured,
    WantedLayer,
    measure_layers,
    recall_measures,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import HostError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.skopeo import Skopeo
from unit.blob_host import BlobHost, digest_of, skopeo_layers, unzstd

TYPE = "application/vnd.oci.image.layer.v1.tar"
APP, BASE = (f"example.com/{name}@sha256:{name[0] * 64}" for name in ("app", "base"))
CACHE, KEEP = "/home/u/.cache/edgefleet-crio", "/srv/layers"
NOT_FOUND = 'time="x" level=fatal msg="fetching blob: StatusCode: 404, blob unknown"'


def tar(*sizes: int) -> bytes:
    """Return a tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, size in enumerate(sizes):
            entry = tarfile.TarInfo(str(number))
            entry.size = size
            archive.addfile(entry, io.BytesIO(bytes(size)))
    return buffer.getvalue()


ONE, TWO, THREE = (gzip.compress(tar(*[5000] * count), mtime=0) for count in (1, 2, 3))
LAYERS = [gzip.compress(tar(*[1] * count), mtime=0) for count in range(50)]
PACKED = b"\x28\xb5\x2f\xfd" + tar(1, 1, 1, 1)


def path_of(layer: bytes, folder: str = f"{CACHE}/layers") -> str:
    """Return where a layer lies."""
    return f"{folder}/blobs/sha256/{digest_of(layer)[7:]}"


def cached(layer: bytes) -> str:
    """Return where a layer's measure lies."""
    return f"{CACHE}/measures/2/{digest_of(layer)[7:]}.json"


def want(*layers: bytes, reference: str = APP, packing: str = "+gzip") -> dict[str, WantedLayer]:
    """Return wanted layers of one reference."""
    return {digest_of(one): WantedLayer(reference, len(one), TYPE + packing) for one in layers}


def ask(
    host: BlobHost, wanted: Mapping[str, WantedLayer], keep: str = "", auth: str = ""
) -> Measured:
    """Measure layers; nothing of them stays unless it is to be kept."""
    seen: list[tuple[int, int]] = []
    found = measure_layers(
        host, Skopeo(host, auth), wanted, CACHE, keep, lambda *one: seen.append(one)
    )
    assert seen == sorted(seen)
    assert seen[-1] == (len(wanted), sum(one.size for one in wanted.values()))
    assert all(path.startswith(f"{keep}/blobs/sha256/") for path in host.blobs)
    host.assert_all_called()
    return found


def blocks(found: Measured) -> list[int]:
    """Return the blocks of all that was measured."""
    return [one.blocks for one in found.measures.values()]


def failures(found: Measured) -> list[tuple[str, str, str]]:
    """Return digest, cause and message of all that failed."""
    return [(one.digest, one.cause, one.message) for one in found.unmeasured]


def test_each_reference_once() -> None:
    """One call for all layers of a reference; what they take is remembered."""
    host = BlobHost(ONE, TWO, THREE)
    host.expect_in_any_order(
        skopeo_layers(APP, digest_of(ONE), digest_of(TWO)), skopeo_layers(BASE, digest_of(THREE))
    )
    found = ask(host, {**want(ONE, TWO), **want(THREE, reference=BASE)})
    assert ({digest: one.blocks for digest, one in found.measures.items()}, found.unmeasured) == (
        {digest_of(ONE): 2, digest_of(TWO): 4, digest_of(THREE): 6},
        (),
    )
    assert json.loads(host.files[cached(ONE)]) == vars(found.measures[digest_of(ONE)])
    assert host.scratches.count(f"{cached(ONE)}.new") == 1
    assert ask(host, want(ONE, TWO, THREE)).measures == found.measures
    # Another run is kept out while layers come and go, and no longer.
    assert host.turns == ["read layers", ""]
    assert recall_measures(host, [*want(ONE, PACKED), "sha512:x"], CACHE) == {
        digest_of(ONE): found.measures[digest_of(ONE)]
    }


@pytest.mark.parametrize(("keep", "turn"), [("", f"{CACHE}/turn"), (KEEP, f"{KEEP}/turn")])
def test_whose_folder_is_held(monkeypatch: pytest.MonkeyPatch, keep: str, turn: str) -> None:
    """The one that layers come to; image_files holds the first of these."""
    host, held = BlobHost(ONE), []
    exclusive = host.exclusive

    def noted(path: str, *more: Any) -> AbstractContextManager[None]:
        held.append(path)
        return exclusive(path, *more)

    monkeypatch.setattr(host, "exclusive", noted)
    host.expect(skopeo_layers(APP, digest_of(ONE)))
    ask(host, want(ONE), keep=keep)
    assert held == [turn]


def test_auth_file() -> None:
    """Its path is handed on."""
    host = BlobHost(ONE)
    call = skopeo_layers(APP, digest_of(ONE))
    argv = (*call.argv[:4], "--authfile", "/a.json", *call.argv[4:])
    host.expect(type(call)(argv))
    assert blocks(ask(host, want(ONE), auth="/a.json")) == [2]


@pytest.mark.parametrize(
    "torn", ["", "{", "[]", '{"blocks": 1}', '{"blocks": "x"}', "null", "\0" * 80]
)
def test_torn_measures(torn: str) -> None:
    """What is no whole measure is none, and is replaced."""
    host = BlobHost(ONE)
    host.files[cached(ONE)] = torn
    host.expect(skopeo_layers(APP, digest_of(ONE)))
    assert blocks(ask(host, want(ONE))) == [2]
    assert json.loads(host.files[cached(ONE)])["blocks"] == 2


def test_kept_layers() -> None:
    """They are used again, when they are still what their names say."""
    host = BlobHost(ONE, TWO)
    host.blobs = {path_of(ONE, KEEP): ONE, path_of(TWO, KEEP): TWO[:-1]}
    host.expect(skopeo_layers(APP, digest_of(TWO)))
    assert blocks(ask(host, want(ONE, TWO), keep=KEEP)) == [2, 4]
    assert host.blobs == {path_of(ONE, KEEP): ONE, path_of(TWO, KEEP): TWO}


def test_plain_and_zstd() -> None:
    """The latter is unpacked by its program."""
    host, plain = BlobHost(PACKED, tar(1)), tar(1)
    host.expect(skopeo_layers(APP, digest_of(PACKED), digest_of(plain)), unzstd(path_of(PACKED)))
    found = ask(host, {**want(PACKED, packing="+zstd"), **want(plain, packing="")})
    assert blocks(found) == [4, 1]


def test_no_zstd() -> None:
    """It is said before anything is fetched, and only when it is needed."""
    host = BlobHost(ONE)
    del host.programs["zstd"]
    with pytest.raises(EdgefleetError) as caught:
        ask(host, want(ONE, PACKED, packing="+zstd"))
    assert str(caught.value) == (
        "looking for zstd: it is not installed, and layers are packed with it. Install it."
    )
    host.expect(skopeo_layers(APP, digest_of(ONE)))
    assert blocks(ask(host, want(ONE))) == [2]


def test_a_layer_that_is_not_there() -> None:
    """It costs that layer alone: those before it are here, those after it are asked for."""
    host = BlobHost(ONE, THREE)
    one, two, three = map(digest_of, (ONE, TWO, THREE))
    host.expect(skopeo_layers(APP, one, two, three, stderr=NOT_FOUND), skopeo_layers(APP, three))
    found = ask(host, want(ONE, TWO, THREE))
    message = "fetching blob: StatusCode: 404, blob unknown"
    assert (blocks(found), found.unmeasured) == (
        [2, 6],
        (Unmeasured(two, APP, "not_found", message),),
    )


def test_a_registry_that_is_not_there() -> None:
    """It is not asked again for the next layer of the image."""
    host = BlobHost()
    said = "dial tcp: connection refused"
    host.expect(skopeo_layers(APP, digest_of(ONE), digest_of(TWO), stderr=said))
    assert failures(ask(host, want(ONE, TWO))) == [
        (digest_of(ONE), "unreachable", said),
        (digest_of(TWO), "unreachable", said),
    ]


def test_a_program_that_brings_something_else() -> None:
    """Success is not believed without the layer."""
    host = BlobHost()
    host.registry[digest_of(ONE)] = TWO
    host.expect(skopeo_layers(APP, digest_of(ONE)))
    expected = [(digest_of(ONE), "corrupt", "skopeo did not bring it")]
    assert failures(ask(host, want(ONE))) == expected


@pytest.mark.parametrize(
    ("layer", "packing", "message"),
    [
        (ONE, "+zstd", "its media type says zstd, and it is gzip"),
        (ONE, "", "its media type says plain, and it is gzip"),
        (gzip.compress(b"<html>" * 99), "+gzip", "it is no tar, "),
        (gzip.compress(tar(1))[:-1], "+gzip", "its gzip ends in the middle"),
    ],
)
def test_no_layer(layer: bytes, packing: str, message: str) -> None:
    """What was fetched and is none is not kept in mind."""
    host = BlobHost(layer)
    host.expect(skopeo_layers(APP, digest_of(layer)))
    ((digest, cause, said),) = failures(ask(host, want(layer, packing=packing)))
    assert (digest, cause) == (digest_of(layer), "corrupt")
    assert said.startswith(message)
    assert host.files == {}


def test_a_bomb() -> None:
    """It is left at a bound that follows from the size that the manifest says."""
    bomb = gzip.compress(bytes(65 << 20))
    host = BlobHost(bomb)
    host.expect(skopeo_layers(APP, digest_of(bomb)))
    found = ask(host, {digest_of(bomb): WantedLayer(APP, 100, f"{TYPE}+gzip")})
    message = f"it unpacks to more than {(64 << 20) + 100 * 1032} bytes"
    assert failures(found) == [(digest_of(bomb), "corrupt", message)]


def test_damaged_zstd() -> None:
    """The program's words are quoted."""
    host = BlobHost(PACKED)
    said = "Decoding error (36) : Corrupted block detected"
    stderr = f"sha256/123 : {said}"
    host.expect(skopeo_layers(APP, digest_of(PACKED)), unzstd(path_of(PACKED), stderr=stderr))
    ((_digest, cause, message),) = failures(ask(host, want(PACKED, packing="+zstd")))
    assert (cause, message) == ("corrupt", f"its zstd is damaged, {said}")


def test_what_is_never_asked_for() -> None:
    """A digest that could be a path or an option, and a blob that is no layer."""
    host = BlobHost(ONE)
    wanted = {
        "sha256:../../x": WantedLayer(APP, 1, f"{TYPE}+gzip"),
        f"sha512:{'1' * 128}": WantedLayer(APP, 1, f"{TYPE}+gzip"),
        digest_of(TWO): WantedLayer(APP, 1, "application/vnd.cncf.helm.chart"),
        digest_of(THREE): WantedLayer(APP, 1, ""),
        **want(ONE),
    }
    host.expect(skopeo_layers(APP, digest_of(ONE)))
    found = ask(host, wanted)
    assert blocks(found) == [2]
    digest = "it has no sha256 digest, by which alone skopeo brings layers"
    assert [(one.cause, one.message) for one in found.unmeasured] == [
        ("corrupt", digest),
        ("corrupt", digest),
        ("corrupt", "its media type application/vnd.cncf.helm.chart is no layer's"),
        ("corrupt", "its media type is missing and is no layer's"),
    ]


def test_bounded_disk(
    monkeypatch: pytest.MonkeyPatch, pool_sizes: Callable[[ModuleType], list[int]]
) -> None:
    """Few at a time, and of one image only so many bytes at once."""
    sizes = pool_sizes(measure)
    monkeypatch.setattr(measure, "_GROUP_BYTES", len(ONE) + len(TWO))
    monkeypatch.setattr(measure, "_WORKERS", 1)
    large = gzip.compress(tar(*[1] * 500), compresslevel=0)
    host = BlobHost(ONE, TWO, THREE, large)
    host.expect(
        skopeo_layers(APP, digest_of(ONE), digest_of(TWO)),
        skopeo_layers(APP, digest_of(large), seconds=300 + len(large) // 125_000),
        skopeo_layers(APP, digest_of(THREE)),
    )
    assert len(ask(host, want(ONE, TWO, large, THREE)).measures) == 4
    assert (host.most_bytes, sizes) == (len(large), [1])


def test_what_a_killed_run_left() -> None:
    """The next one clears it, before it fetches."""
    host = BlobHost(ONE)
    coming = f"{CACHE}/layers/coming-{digest_of(ONE)[7:]}"
    host.blobs[f"{coming}/layers-9/dir-put-blob-9"] = b"half"
    host.expect(skopeo_layers(APP, digest_of(ONE)))
    assert blocks(ask(host, want(ONE))) == [2]
    assert host.most_bytes == len(ONE)


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the whole, and nothing more is fetched."""
    monkeypatch.setattr(measure, "_WORKERS", 1)
    monkeypatch.setattr(measure, "_GROUP_BYTES", 1)
    host = BlobHost(*LAYERS)

    def full(*_given: object) -> None:
        raise HostError("writing a file", "No space left on device")

    monkeypatch.setattr(host, "write_atomic", full)
    calls = [skopeo_layers(APP, digest_of(one)) for one in LAYERS]
    host.expect(*calls)
    with pytest.raises(HostError, match="writing a file: No space left on device"):
        ask(host, want(*LAYERS))
    # One more may have begun before the error was seen.
    assert len(host.events) < len(LAYERS)
    assert host.blobs == {}


def test_nothing_to_do() -> None:
    """No layers are no work."""
    assert ask(BlobHost(), {}) == Measured({}, ())
