# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask registries, through skopeo, and make a lock of what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions import lock
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.lock import (
    MadeLock,
    Resolution,
    Unresolved,
    make_lock,
    resolve,
    verify_lock,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.measure import (
    Measured,
    Unmeasured,
    WantedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.component import (
    parse_component,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.lock import LockedPlatform
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LayerMeasure,
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.platform import (
    parse_pool_platforms,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.wanted_set import WantedSet
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.node.manifests import Manifests
from ansible_collections.edgefleet.crio.plugins.module_utils.node.skopeo import Skopeo
from unit.fake_host import Call, FakeHost
from unit.registry_images import AMD, ARM, CACHE, GZIP, Image, entry, index, inspect, manifest

L1, L2, L3 = (f"sha256:{digit * 64}" for digit in "123")
APP = manifest("app", (L1, 10), (L2, 20))
ON_ARM = manifest("both", (L3, 30), architecture="arm64")
ON_AMD = manifest("both", (L1, 10))
BOTH = index("both", arm64=ON_ARM, amd64=ON_AMD)
MEASURE = LayerMeasure(1, 2, 3, 4, 5, 6)


def registry(host: FakeHost, auth: str = "") -> Manifests:
    """Return what asks a registry of which nothing is known."""
    return Manifests(host, Skopeo(host, auth), CACHE)


def ask(
    host: FakeHost, *images: Image, platforms: tuple[str, ...] = (AMD,), auth: str = ""
) -> Resolution:
    """Resolve the references of images, of which nothing is kept."""
    host.files.clear()
    seen: list[int] = []
    wanted = {one.reference: platforms for one in images}
    found = resolve(registry(host, auth), wanted, seen.append)
    assert seen == list(range(1, len(images) + 1))
    return found


def test_single_manifest(host: FakeHost) -> None:
    """Its layers with sizes; its configuration says for which platform it is."""
    host.expect(APP.call(), APP.config())
    found = ask(host, APP)
    assert found.resolved == {APP.reference: {AMD: LockedPlatform(APP.digest, (L1, L2))}}
    assert found.layers == {
        L1: WantedLayer(APP.reference, 10, GZIP), L2: WantedLayer(APP.reference, 20, GZIP),
    }  # fmt: skip
    assert found.unresolved == ()


def test_index(host: FakeHost) -> None:
    """Only the manifests of the platforms asked for are read."""
    host.expect(BOTH.call(), ON_AMD.call())
    assert ask(host, BOTH).resolved[BOTH.reference] == {AMD: LockedPlatform(ON_AMD.digest, (L1,))}
    host.expect(BOTH.call(), ON_AMD.call(), ON_ARM.call())
    both = ask(host, BOTH, platforms=(AMD, ARM))
    assert both.resolved[BOTH.reference][ARM] == LockedPlatform(ON_ARM.digest, (L3,))
    assert both.layers == {
        L1: WantedLayer(ON_AMD.reference, 10, GZIP), L3: WantedLayer(ON_ARM.reference, 30, GZIP),
    }  # fmt: skip


def test_again(host: FakeHost) -> None:
    """What has a digest is not asked for twice."""
    host.expect(BOTH.call(), ON_AMD.call(), APP.call(), APP.config())
    wanted = {BOTH.reference: (AMD,), APP.reference: (AMD,)}
    assert resolve(registry(host), {BOTH.reference: (AMD,)}, lambda _done: None)
    first = resolve(registry(host), wanted, lambda _done: None)
    assert resolve(registry(host), wanted, lambda _done: None) == first


def test_auth_file(host: FakeHost) -> None:
    """Its path is handed on, never its content."""
    auth = ("--authfile", "/a.json")
    host.expect(APP.call(*auth), APP.config(*auth, text="{}"))
    found = ask(host, APP, auth="/a.json")
    assert found.unresolved[0].message == "the image was built for / only"


@pytest.mark.parametrize(
    ("calls", "cause", "message"),
    [
        (
            [
                inspect(
                    "--raw", APP.reference, stderr='time="x" level=fatal msg="manifest unknown"\n'
                )
            ],
            "not_found",
            "manifest unknown",
        ),
        (
            [inspect("--raw", APP.reference, stderr="dial tcp: connection refused")],
            "unreachable",
            "dial tcp: connection refused",
        ),
        ([APP.call(text="{}")], "corrupt", "what the registry served does not match"),
        ([APP.call(), APP.config(text="<html>")], "corrupt", "it is no JSON, "),
        (
            [APP.call(), APP.config(text='{"os": "linux", "architecture": "arm64"}')],
            "not_found",
            "the image was built for linux/arm64",
        ),
    ],
)
def test_unresolved(host: FakeHost, calls: list[Call], cause: str, message: str) -> None:
    """The cause has the class that a failed pull would have."""
    host.expect(*calls)
    (one,) = ask(host, APP).unresolved
    assert (one.reference, one.cause) == (APP.reference, cause)
    assert message in one.message


def test_variants(host: FakeHost) -> None:
    """A less capable one does, in an index and alone."""
    old = manifest("old", (L1, 10), architecture="arm", variant="v6")
    described = {"digest": old.digest}
    described["platform"] = {"os": "linux", "architecture": "arm", "variant": "v6"}
    both = Image("old", {"manifests": [described]})
    platforms = ("linux/arm", "linux/arm/v6")
    locked = LockedPlatform(old.digest, (L1,))
    host.expect(old.call(), old.config())
    alone = ask(host, old, platforms=platforms)
    host.expect(both.call(), old.call())
    inside = ask(host, both, platforms=platforms)
    for found, one in ((alone, old), (inside, both)):
        assert found.resolved == {one.reference: dict.fromkeys(platforms, locked)}


def test_an_index_in_an_index(host: FakeHost) -> None:
    """It is refused."""
    inner = Image("deep", {"manifests": []})
    outer = Image("deep", {"manifests": [entry(inner, "amd64")]})
    host.expect(outer.call(), inner.call())
    expected = Unresolved(outer.reference, "corrupt", "an index lies inside an index")
    assert ask(host, outer).unresolved == (expected,)


def test_an_entry_for_no_platform(host: FakeHost) -> None:
    """CRI-O takes it where it finds no other; it is locked if its image was built for that."""
    one = Image("app", {"manifests": [{"digest": APP.digest}]})
    host.expect(one.call(), APP.call(), APP.config())
    found = ask(host, one, platforms=(AMD,))
    assert found.resolved == {one.reference: {AMD: LockedPlatform(APP.digest, (L1, L2))}}
    host.expect(one.call(), APP.call(), APP.config())
    (failed,) = ask(host, one, platforms=(ARM,)).unresolved
    assert (failed.cause, failed.message) == (
        "not_found", "the image was built for linux/amd64 only",
    )  # fmt: skip


def test_several_at_once(host: FakeHost, pool_sizes: Callable[[ModuleType], list[int]]) -> None:
    """Eight questions at a time, and answers under the right name, in the order asked for."""
    sizes = pool_sizes(lock)
    wanted = [manifest(f"app{number}", (L2, number)) for number in range(3)]
    failed = [inspect("--raw", one.reference, stderr="manifest unknown") for one in wanted[:2]]
    host.expect_in_any_order(*failed, wanted[2].call()).expect(wanted[2].config())
    found = ask(host, *wanted)
    assert [one.reference for one in found.unresolved] == [one.reference for one in wanted[:2]]
    assert list(found.resolved) == [wanted[2].reference]
    assert found.layers == {L2: WantedLayer(wanted[2].reference, 2, GZIP)}
    assert sizes == [8]


def test_no_skopeo(host: FakeHost) -> None:
    """It is said what is needed."""
    del host.programs["skopeo"]
    with pytest.raises(EdgefleetError, match="looking for skopeo: it is not installed"):
        registry(host)


def a_set(name: str, pool: str | None, *images: str) -> WantedSet:
    """Return a set of images."""
    components = tuple(parse_component("", one, "x") for one in images)
    return WantedSet(name, pool, "images", components)


def measured(layers: Mapping[str, WantedLayer], may_fetch: bool) -> Measured:
    """Know one layer, and fetch another, which fails."""
    if not may_fetch:
        return Measured({L1: MEASURE}, ())
    failed = Unmeasured(L2, layers[L2].reference, "corrupt", "its gzip is damaged")
    return Measured({L1: MEASURE}, (failed,))


def make(
    host: FakeHost, *sets: WantedSet, measure: bool = False
) -> tuple[MadeLock, list[tuple[int, int]]]:
    """Make a lock for two pools."""
    platforms = parse_pool_platforms({"edge": [ARM], "control": [AMD]}, "x")
    seen: list[tuple[int, int]] = []
    made = make_lock(
        registry(host),
        sets,
        platforms,
        measured if measure else lambda _layers, _may_fetch: Measured({}, ()),
        lambda done, total: seen.append((done, total)),
    )
    return made, seen


def test_tags_and_pools(host: FakeHost) -> None:
    """A tag is asked for once, however many sets name it; each pool has its platforms."""
    host.expect(BOTH.call(tag="v1"), ON_AMD.call(), ON_ARM.call())
    made, seen = make(
        host,
        a_set("a", "edge", "example.com/both:v1"),
        a_set("b", "control", "example.com/both:v1", f"example.com/both:v2@{BOTH.digest}"),
    )
    (image,) = made.lock.images
    assert (image.reference, image.tags, image.sets) == (BOTH.reference, ("v1", "v2"), ("a", "b"))
    assert list(image.platforms) == [AMD, ARM]
    assert made.lock.layers == {L1: LockedLayer(10), L3: LockedLayer(30)}
    assert (made.unresolved, seen) == ((), [(1, 1)])


def test_a_tag_for_two_digests(host: FakeHost) -> None:
    """It is refused before a manifest is asked for by digest, and long before layers are fetched."""
    host.expect(BOTH.call(tag="v1"))
    other = f"example.com/both:v1@{ON_AMD.digest}"
    with pytest.raises(EdgefleetError) as caught:
        make(host, a_set("a", "edge", "example.com/both:v1"), a_set("b", "control", other))
    assert str(caught.value).startswith("locking the sets: example.com/both:v1 is both ")
    host.assert_all_called()


def test_tags_that_are_not_there(host: FakeHost) -> None:
    """They are named beside what else failed, in a lock of the rest; nothing is fetched then."""
    host.expect_in_any_order(
        inspect("--raw", "example.com/gone:v1", stderr="manifest unknown"),
        APP.call(tag="v1"),
    ).expect(APP.config())
    wanted = a_set("b", "control", "example.com/app:v1", "example.com/gone:v1")
    made, _seen = make(host, wanted, measure=True)
    assert made.unresolved == (
        Unresolved("example.com/gone:v1", "not_found", "manifest unknown", ("b",)),
    )
    assert [image.reference for image in made.lock.images] == [APP.reference]
    assert made.lock.layers == {L1: LockedLayer(10, MEASURE), L2: LockedLayer(20)}


def test_measured(host: FakeHost) -> None:
    """What a layer takes is in the lock; one that cannot be read is a failure."""
    host.expect(APP.call(), APP.config())
    made, _seen = make(host, a_set("b", "control", APP.reference), measure=True)
    assert made.lock.layers == {L1: LockedLayer(10, MEASURE), L2: LockedLayer(20)}
    assert made.unresolved == (
        Unresolved(APP.reference, "corrupt", f"layer {L2}: its gzip is damaged", ("b",)),
    )


def test_verified(host: FakeHost) -> None:
    """Every reference and every platform's manifest is asked for, and compared."""
    host.expect(BOTH.call(tag="v1"), ON_AMD.call(), ON_ARM.call())
    made, _seen = make(host, a_set("a", None, "example.com/both:v1"))
    host.files.clear()
    host.expect(BOTH.call(), ON_AMD.call(), ON_ARM.call())
    assert verify_lock(registry(host), made.lock) == ()
    host.files.clear()
    host.expect(BOTH.call(), inspect("--raw", ON_AMD.reference, stderr="manifest unknown"))
    assert verify_lock(registry(host), made.lock) == (
        Unresolved(BOTH.reference, "not_found", "manifest unknown", ("a",)),
    )


def test_a_lock_that_was_edited(host: FakeHost) -> None:
    """A size or a manifest that nobody serves is found."""
    host.expect(APP.call(), APP.config())
    made, _seen = make(host, a_set("a", "control", APP.reference))
    (image,) = made.lock.images
    other = replace(image, platforms={AMD: LockedPlatform(L3, (L1, L2))})
    said = "the lock has other manifests or layers of it"
    for edited in (
        replace(made.lock, layers={L1: LockedLayer(11), L2: LockedLayer(20)}),
        replace(made.lock, images=(other,)),
    ):
        expected = Unresolved(APP.reference, "corrupt", said, ("a",))
        assert verify_lock(registry(host), edited) == (expected,)
