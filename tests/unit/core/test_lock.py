# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock: same input same bytes, and nothing in it may contradict the rest."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.lock import (
    InvalidLock,
    LeftOut,
    Lock,
    LockedPlatform,
    LockedSet,
    ResolvedSet,
    build_lock,
    layers_on_platform,
    lock_document,
    platforms_of_references,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.lock_file import (
    parse_lock,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LayerMeasure,
    LockedImages,
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.platform import (
    PoolPlatforms,
    parse_pool_platforms,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.shape import is_name
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.yaml_text import (
    load_documents,
    render_document,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from hypothesis import given
from hypothesis import strategies as st

ONE, TWO, THREE, INDEX = (f"sha256:{character * 64}" for character in "123f")
APP, AGENT = f"example.com/app@{INDEX}", f"example.com/agent@{TWO}"
MEASURE = LayerMeasure(4, 1, 3, ext4_blocks=1, xfs_blocks=0, tar_split=90)
AMD, ARM = "linux/amd64", "linux/arm64"
BOTH = PoolPlatforms({None: (AMD, ARM)})
SIZED = {
    THREE: LockedLayer(30, MEASURE),
    ONE: LockedLayer(10),
    TWO: LockedLayer(20),
}


def a_lock() -> Lock:
    """Return a lock of two images that share a layer, for two platforms."""
    left_out = (LeftOut("example.com/z@d", "*/z*", "too large"), LeftOut("b", "b", "", "bee"))
    sets = [
        ResolvedSet(
            LockedSet("edge", "edge", "images", left_out),
            {AGENT: (), APP: ("v2", "latest")},
            {APP: ("etcd", "dns")},
        ),
        ResolvedSet(LockedSet("all", None), {APP: ("v1", "v2")}, {APP: ("dns", "app")}),
    ]
    resolved = {
        APP: {AMD: LockedPlatform(ONE, (TWO, ONE)), ARM: LockedPlatform(TWO, (THREE,))},
        AGENT: {AMD: LockedPlatform(TWO, (TWO,)), ARM: LockedPlatform(TWO, (TWO,))},
    }
    return build_lock(sets, BOTH, resolved, SIZED)


TEXT = f"""\
---
# Review me.
version: 1
platforms:
- linux/amd64
- linux/arm64
sets:
- name: all
  pool: null
- name: edge
  pool: edge
  source: images
  excluded:
  - image: example.com/z@d
    pattern: '*/z*'
    reason: too large
  - name: bee
    image: b
    pattern: b
    reason: ''
images:
- reference: {AGENT}
  sets:
  - edge
  platforms:
    linux/amd64:
      manifest: {TWO}
      layers:
      - {TWO}
    linux/arm64:
      manifest: {TWO}
      layers:
      - {TWO}
- reference: {APP}
  names:
  - app
  - dns
  - etcd
  tags:
  - latest
  - v1
  - v2
  sets:
  - all
  - edge
  platforms:
    linux/amd64:
      manifest: {ONE}
      layers:
      - {TWO}
      - {ONE}
    linux/arm64:
      manifest: {TWO}
      layers:
      - {THREE}
layers:
  {ONE}:
    size: 10
  {TWO}:
    size: 20
  {THREE}:
    size: 30
    blocks: 4
    directories: 1
    inodes: 3
    ext4_blocks: 1
    xfs_blocks: 0
    tar_split: 90
"""


def test_the_file() -> None:
    """One thing a line, sorted, layers once with their sizes, and who asks for each image."""
    assert render_document(lock_document(a_lock()), "Review me.") == TEXT


def test_read_again() -> None:
    """What was written is the same lock, and gives the sets again from which it was made."""
    lock = parse_lock(load_documents(TEXT, "site.lock.yml"), "site.lock.yml")
    assert lock == a_lock()
    everyone, edge = lock.pinned_image_sets("site.lock.yml")
    assert (everyone.name, everyone.pool, everyone.references) == ("all", None, (APP,))
    assert (edge.name, edge.pool, edge.references) == ("edge", "edge", (AGENT, APP))


def resolved_sets(lock: Lock) -> list[ResolvedSet]:
    """Return the sets from which a lock would be made again, each with all tags and names."""
    return [
        ResolvedSet(
            one,
            {i.reference: i.tags for i in lock.images if one.name in i.sets},
            {i.reference: i.names for i in lock.images},
        )
        for one in lock.sets.values()
    ]


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(order: random.Random) -> None:
    """The same sets, answers and sizes give the same bytes, in whatever order they came."""
    lock = a_lock()
    sets = resolved_sets(lock)
    order.shuffle(sets)
    images = list(lock.images)
    order.shuffle(images)
    sizes = list(lock.layers.items())
    order.shuffle(sizes)
    platforms = parse_pool_platforms(order.sample([AMD, ARM], 2), "x")
    resolved = {image.reference: image.platforms for image in images}
    again = build_lock(sets, platforms, resolved, dict(sizes))
    assert render_document(lock_document(again), "Review me.") == TEXT


def test_what_was_not_resolved_is_left_out() -> None:
    """A lock made for a run, of which one image is missing, has the others."""
    sets = [ResolvedSet(LockedSet("edge", "edge"), {AGENT: (), APP: ()})]
    lock = build_lock(
        sets, PoolPlatforms({None: (AMD,)}), {AGENT: {AMD: LockedPlatform(TWO, (TWO,))}}, SIZED
    )
    assert [image.reference for image in lock.images] == [AGENT]


def test_layers_on_a_platform() -> None:
    """A node gets the layers of its own platform, with sizes; what the lock lacks is left out."""
    assert layers_on_platform(a_lock(), [APP, "example.com/x@d"], AMD) == LockedImages(
        {APP: (TWO, ONE)}, {TWO: LockedLayer(20), ONE: LockedLayer(10)}
    )
    with pytest.raises(InvalidLock, match=r"is not locked for linux/s390x\. Add the platform"):
        layers_on_platform(a_lock(), [APP], "linux/s390x")


def document(**changes: Any) -> dict[str, Any]:
    """Return a lock's document with top-level keys exchanged."""
    return {**copy.deepcopy(lock_document(a_lock())), **changes}


def image(**changes: Any) -> dict[str, Any]:
    """Return the first image of the lock with keys exchanged."""
    return {**document()["images"][0], **changes}


def platform(**changes: Any) -> dict[str, Any]:
    """Return an image whose linux/amd64 has keys exchanged."""
    first = {"manifest": TWO, "layers": [TWO], **changes}
    return image(platforms={AMD: first, ARM: {"manifest": TWO, "layers": [TWO]}})


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("text", "it is no lock"),
        (document(version=2), "it has version 2, this collection knows 1. A newer edgefleet.crio"),
        (document(version="1"), "its version is '1'"),
        (document(version=True), "its version is True"),
        (document(version=0), "its version is 0"),
        (document(extra=1), "it has the keys version, platforms, sets, images, layers, extra"),
        (document(platforms=[]), "it is no list of platforms"),
        (document(platforms="linux/amd64"), "it is no list of platforms"),
        (document(platforms={"edge": [AMD]}), "has the platforms linux/amd64, linux/arm64 where"),
        (
            document(platforms={"other": [AMD]}),
            "of set 'edge' in the lock site.lock.yml: there are only those of other",
        ),
        (document(platforms=["amd64"]), "it is no platform"),
        (document(sets=[]), "sets is no list"),
        (document(sets={"a": 1}), "sets is no list"),
        (document(sets=["all"]), "'all' is no set. A set there has name and pool"),
        (document(sets=[["name", "pool"]]), "is no set. A set there has name and pool"),
        (document(sets=[{"name": "a", "pool": None, "source": 1}]), "is no set. A set there has"),
        (document(sets=[{"name": "a", "pool": None, "excluded": {}}]), "is no set. A set there"),
        *(
            (
                document(sets=[{"name": "a", "pool": None, "excluded": [one]}]),
                "What is excluded has image, pattern and reason, and may have a name.",
            )
            for one in (
                "x",
                {"image": "x", "pattern": "y"},
                {"image": "x", "pattern": "y", "reason": 1},
                {"image": "x", "pattern": "y", "reason": "z", "more": "w"},
            )
        ),
        (document(images=[image(names="x")]), f"{AGENT} has the names 'x'"),
        (document(images=[image(names=[""])]), f"{AGENT} has the names ['']"),
        (document(images=[image(names=[1])]), f"{AGENT} has the names [1]"),
        (document(images=[image(names=["\x1b[2J"])]), f"{AGENT} has the names ['\\x1b[2J']"),
        (document(images=[image(tags="v1")]), f"{AGENT} has the tags 'v1'"),
        (document(images=[image(tags=["-"])]), f"{AGENT} has the tags ['-']"),
        (document(images=[image(tags=[1])]), f"{AGENT} has the tags [1]"),
        (document(sets=[{"name": "a", "pool": None, "x": 1}]), "is no set. A set there has name"),
        (document(sets=[{"name": 1, "pool": None}]), "is no set"),
        (document(sets=[{"name": "a", "pool": 1}]), "is no set"),
        (document(sets=[{"name": "", "pool": None}]), "is no set"),
        (document(sets=[{"name": "a\nb", "pool": None}]), "is no set"),
        (document(sets=[{"name": "a", "pool": ""}]), "is no set"),
        (document(sets=[{"name": "a", "pool": "x"}] * 2), "set 'a' stands there twice"),
        (document(images={}), "images is no list"),
        (
            document(images=["x"]),
            "an image is 'x'. It has reference, sets and platforms, and may have names and tags.",
        ),
        (
            document(images=[["reference", "sets", "platforms"]]),
            "It has reference, sets and platforms,",
        ),
        (
            document(images=[image(extra=1)]),
            "It has reference, sets and platforms, and may have names and tags.",
        ),
        (document(images=[image(reference="x:v1")]), "it has no digest"),
        (document(images=[image(sets=[])]), "is asked for by no set"),
        (document(images=[image(sets=[1])]), "is asked for by no set"),
        (document(images=[image(sets=["edge", 1])]), "is asked for by no set"),
        (document(images=[image(sets="edge")]), "is asked for by no set"),
        (document(images=[image(sets=["edge", "edge"])]), f"{AGENT} names a set twice"),
        (document(images=[image(), image()]), f"{AGENT} stands there twice"),
        (document(images=[image(platforms=[])]), "has no platforms"),
        (
            document(
                images=[
                    image(
                        platforms={
                            name: {"manifest": TWO, "layers": [TWO]} for name in (AMD, AMD + "/v1")
                        }
                    )
                ]
            ),
            "has a platform under two names",
        ),
        (document(images=[image(platforms={AMD: {}})]), "lacks manifest or layers"),
        (document(images=[image(platforms={AMD: ["manifest", "layers"]})]), "lacks manifest or"),
        (document(images=[platform(extra=1)]), "lacks manifest or layers"),
        (document(images=[platform(layers="x")]), f"the layers of {AGENT} are no list"),
        (document(images=[platform(manifest=7)]), "unknown digest algorithm '7'"),
        (document(images=[platform(manifest="x")]), "unknown digest algorithm 'x'"),
        (document(images=[platform(layers=[ONE[:-1]])]), "has 63 characters"),
        (document(layers=[]), "layers is no mapping"),
        (document(layers={"x": {"size": 1}}), "layer 'x': unknown digest algorithm"),
        (document(layers={7: {"size": 1}}), "layer 7: unknown digest algorithm"),
        (document(layers={ONE: 1}), "has 1. A layer has its size and, once measured, blocks,"),
        (document(layers={ONE: {}}), "has {}. A layer has its size"),
        (document(layers={ONE: {"size": 1, "blocks": 1}}), "'blocks': 1}. A layer has its size"),
        (document(layers={ONE: {"size": -1}}), "has the size -1. It is a whole number of"),
        (document(layers={ONE: {"size": 10**400}}), "has the size a int. It is a whole number of"),
        (document(layers={ONE: {"size": 2**63}}), f"at most {2**63 - 1}."),
        (document(layers={ONE: 1 << 20_000}), "has a int. A layer has its size"),
        (document(layers={ONE: {"size": True}}), "has the size True"),
        (document(layers={ONE: {"size": "10"}}), "has the size '10'"),
        (
            document(layers={ONE: {"size": 1, **vars(MEASURE), "directories": 0.5}}),
            "has the directories 0.5",
        ),
        (
            document(sets=[{"name": "all", "pool": None}]),
            "edge is asked for an image and not among",
        ),
        (document(platforms=[AMD]), "where its sets are for linux/amd64. Lock again."),
        (
            document(layers={ONE: {"size": 1}, TWO: {"size": 2}}),
            f"{THREE} is used by an image and has no size",
        ),
        (
            document(layers={one: {"size": 1} for one in (ONE, TWO, THREE, INDEX)}),
            f"{INDEX} has a size and no image",
        ),
    ],
)
def test_refused(written: Any, said: str) -> None:
    """A lock that is none, is newer or denies itself is refused; file and place are named."""
    with pytest.raises(EdgefleetError) as caught:
        parse_lock([written], "site.lock.yml")
    assert said in str(caught.value)
    assert "site.lock.yml" in str(caught.value)


@pytest.mark.parametrize("documents", [[], [document(), document()]])
def test_one_document(documents: list[Any]) -> None:
    """A lock is one document."""
    with pytest.raises(InvalidLock, match=r"One document, written by lock_images\.yml, is needed"):
        parse_lock(documents, "l")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("x", "it is no lock. One document, written by lock_images.yml, is needed."),
        (
            document(version=None),
            "it has no version, so it is no lock. A lock has 'version: 1'.",
        ),
        (document(version="1"), "its version is '1'. A lock has 'version: 1'."),
        (
            document(version=2),
            "it has version 2, this collection knows 1. A newer edgefleet.crio is needed.",
        ),
        (
            {"version": 1},
            (
                "it has the keys version."
                " A lock has the keys version, platforms, sets, images, layers."
            ),
        ),
        (document(sets=[]), "sets is no list of sets. Lock again."),
        (document(images={}), "images is no list. Lock again."),
        (
            document(images=["x" * 121]),
            f"an image is '{'x' * 80}...'. It has reference, sets and platforms, and may have names and tags.",
        ),
        (
            document(images=[{str(n): [n] for n in range(6)}]),
            (
                "an image is {'0': a list, '1': a list, '2': a list, '3': a list, '4': a list, ...}."
                " It has reference, sets and platforms, and may have names and tags."
            ),
        ),
        (document(layers=[]), "layers is no mapping of digests to layers. Lock again."),
        (
            document(sets=[{"name": "z", "pool": None}]),
            "all is asked for an image and not among sets. Lock again.",
        ),
        (document(layers={}), f"{ONE} is used by an image and has no size. Lock again."),
        (
            document(sets=[{"name": "all", "pool": 7}]),
            (
                "{'name': 'all', 'pool': 7} is no set."
                " A set there has name and pool, and may have source and excluded."
            ),
        ),
        (
            document(
                platforms=[AMD],
                images=[
                    image(platforms={one: {"manifest": TWO, "layers": []} for one in (ARM, AMD)})
                ],
            ),
            (
                f"{AGENT} has the platforms linux/amd64, linux/arm64"
                " where its sets are for linux/amd64. Lock again."
            ),
        ),
        (
            document(images=[], sets=[{"name": "all", "pool": None}]),
            f"{ONE} has a size and no image uses it. Lock again.",
        ),
        (
            document(platforms=["linux/s390x", ARM, AMD]),
            (
                f"{AGENT} has the platforms linux/amd64, linux/arm64"
                " where its sets are for linux/amd64, linux/arm64, linux/s390x. Lock again."
            ),
        ),
    ],
)
def test_the_whole_message(written: Any, message: str) -> None:
    """The file, what contradicts what, what is needed; of several, the first by name."""
    with pytest.raises(EdgefleetError) as caught:
        parse_lock([written], "site.lock.yml")
    assert str(caught.value) == f"reading the lock site.lock.yml: {message}"


def test_layers_of_no_size_and_images_of_none() -> None:
    """Empty layers have no bytes, and images may have no layers."""
    empty = {"manifest": TWO, "layers": []}
    zero = {"manifest": TWO, "layers": [ONE]}
    written = document(
        sets=[{"name": "edge", "pool": None}],
        images=[image(platforms={AMD: empty, ARM: zero})],
        layers={ONE: {"size": 0}},
    )
    lock = parse_lock([written], "l")
    assert layers_on_platform(lock, [AGENT], AMD) == LockedImages({AGENT: ()}, {})
    assert layers_on_platform(lock, [AGENT], ARM) == LockedImages(
        {AGENT: (ONE,)}, {ONE: LockedLayer(0)}
    )


def test_what_the_lock_lacks_stops_nothing() -> None:
    """What comes after a reference that is not locked is still answered."""
    sliced = layers_on_platform(a_lock(), ["example.com/x@d", AGENT], ARM)
    assert sliced == LockedImages({AGENT: (TWO,)}, {TWO: LockedLayer(20)})
    with pytest.raises(InvalidLock) as caught:
        layers_on_platform(a_lock(), [AGENT], "linux/s390x")
    assert str(caught.value) == (
        f"looking for what the node lacks in the lock: {AGENT} is not locked for linux/s390x."
        " Add the platform to pin_images_platforms and lock again."
    )


@given(st.randoms(use_true_random=False))
def test_a_reordered_file_is_the_same_lock(order: random.Random) -> None:
    """Images, sets, platforms of images and layers may stand in any order in the file."""

    def shuffled(value: list[Any]) -> list[Any]:
        return order.sample(value, len(value))

    written = document()
    written["sets"] = shuffled(written["sets"])
    written["images"] = [
        {
            **one,
            "sets": shuffled(one["sets"]),
            "platforms": dict(shuffled(list(one["platforms"].items()))),
        }
        for one in shuffled(written["images"])
    ]
    written["layers"] = dict(shuffled(list(written["layers"].items())))
    again = parse_lock([dict(shuffled(list(written.items())))], "l")
    assert render_document(lock_document(again), "Review me.") == TEXT


HEXES = st.integers(0, 2**256 - 1).map("sha256:{:064x}".format)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=8)
NAMES = TEXTS.filter(is_name)


@given(
    names=st.dictionaries(NAMES, st.none() | NAMES, min_size=1, max_size=3),
    digests=st.lists(HEXES, min_size=1, max_size=5, unique=True),
    sizes=st.lists(st.integers(0, 2**40), min_size=5, max_size=5),
)
def test_round_trip(names: dict[str, str | None], digests: list[str], sizes: list[int]) -> None:
    """Whatever the names, digests and sizes: written, read and written again it is the same."""
    references = tuple(sorted(f"example.com/app@{one}" for one in digests))
    sets = [
        ResolvedSet(LockedSet(name, pool, name), dict.fromkeys(references, ()))
        for name, pool in names.items()
    ]
    on_platform = LockedPlatform(digests[0], tuple(digests))
    resolved = {reference: {AMD: on_platform, ARM: on_platform} for reference in references}
    sized = {
        digest: LockedLayer(size, LayerMeasure(size, 1, 2, 1, 0, 9) if size % 2 else None)
        for digest, size in zip(digests, sizes, strict=False)
    }
    lock = build_lock(sets, BOTH, resolved, sized)
    text = render_document(lock_document(lock), "Review me.")
    again = parse_lock(load_documents(text, "l"), "l")
    assert again == lock
    assert render_document(lock_document(again), "Review me.") == text
    assert build_lock(resolved_sets(again), BOTH, resolved, sized) == lock


@pytest.mark.parametrize("key", [5, True, None])
def test_a_key_that_is_no_text(key: object) -> None:
    """It is refused like any other odd key."""
    with pytest.raises(InvalidLock, match="it has the keys version"):
        parse_lock([{"version": 1, key: "x"}], "l")


def test_one_tag_of_two_digests() -> None:
    """Nobody could say which was reviewed: neither made nor read."""
    other = f"example.com/app@{ONE}"
    written = document()
    written["images"][0]["reference"] = other
    written["images"][0]["tags"] = ["v1"]
    with pytest.raises(InvalidLock) as caught:
        parse_lock([written], "l")
    assert str(caught.value) == (
        f"reading the lock l: example.com/app:v1 is both {other} of set edge (images)"
        f" and {APP} of set all, edge (images). Lock again."
    )
    sets = [
        ResolvedSet(LockedSet("a", None, "images"), {APP: ("v1",)}),
        ResolvedSet(LockedSet("b", None, "release x"), {APP: ("v2",), other: ("v1",)}),
    ]
    on_amd = {AMD: LockedPlatform(TWO, ())}
    with pytest.raises(InvalidLock) as caught:
        build_lock(sets, BOTH, {APP: on_amd, other: on_amd}, {})
    assert str(caught.value) == (
        f"locking the sets: example.com/app:v1 is both {other} of set b (release x)"
        f" and {APP} of set a (images), b (release x). Ask for one of them."
    )


def test_platforms_of_pools() -> None:
    """An image is wanted on the platforms of all pools of the sets that ask for it."""
    platforms = parse_pool_platforms({"edge": [ARM], "control": [AMD]}, "x")
    sets = [
        ResolvedSet(LockedSet("e", "edge"), {APP: (), AGENT: ()}),
        ResolvedSet(LockedSet("c", "control"), {AGENT: ()}),
    ]
    assert platforms_of_references(sets, platforms) == {APP: (ARM,), AGENT: (AMD, ARM)}
    sets.append(ResolvedSet(LockedSet("every", None), {APP: ()}))
    assert platforms_of_references(sets, platforms)[APP] == (AMD, ARM)
    on = LockedPlatform(TWO, ())
    lock = build_lock(sets, platforms, {one: {AMD: on, ARM: on} for one in (APP, AGENT)}, {})
    text = render_document(lock_document(lock), "x")
    assert "platforms:\n  control:\n  - linux/amd64\n  edge:\n  - linux/arm64\n" in text
    assert parse_lock(load_documents(text, "l"), "l") == lock


def test_tagged() -> None:
    """Each tag that images were locked from, with its digest."""
    tags = ("latest", "v1", "v2")
    assert a_lock().tagged() == {f"example.com/app:{tag}": INDEX for tag in tags}
