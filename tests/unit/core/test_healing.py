# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which damaged images go, in tables; and that no plan leaves a damaged layer behind."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.healing import (
    CorruptImage,
    HealingPlan,
    chain_of,
    file_damage,
    plan_healing,
    twins_of,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.found_file import (
    ABSENT,
    DIRECTORY,
    FILE,
    LINK,
    OTHER,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.store import (
    StoreContents,
    StoredImage,
    StoredLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.tar_split import (
    RecordedFile,
    StoredFile,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("recorded", "found", "damage"),
    [
        (RecordedFile(b"a", FILE, 5), StoredFile(FILE, 5), ""),
        (RecordedFile(b"a", FILE, 5), StoredFile(FILE, 4), "has 4 bytes of 5"),
        (RecordedFile(b"a", FILE, 5), StoredFile(ABSENT), "is not there"),
        (RecordedFile(b"a", FILE), StoredFile(FILE, 9), ""),
        (RecordedFile(b"a", LINK), StoredFile(FILE, 9), "is a file, not a symbolic link"),
        (RecordedFile(b"a", DIRECTORY), StoredFile(DIRECTORY, 4096), ""),
        (RecordedFile(b"a", OTHER), StoredFile(OTHER), ""),
    ],
)
def test_file_damage(recorded: RecordedFile, found: StoredFile, damage: str) -> None:
    assert file_damage(recorded, found) == damage


def store(images: dict[str, str], layers: dict[str, tuple[str, str]]) -> StoreContents:
    """Return a store: images by name with their uppermost layer, layers with parent and blob."""
    return StoreContents(
        {f"id {name}": StoredImage(frozenset({name}), top) for name, top in images.items()},
        {one: StoredLayer(blob, parent, 1) for one, (parent, blob) in layers.items()},
    )


# a and b stand on one base, c on another; d's base was unpacked from the same blob as a's.
STORE = store(
    {"a": "a1", "b": "b1", "c": "c1", "d": "d2"},
    {
        "base": ("", "sha256:base"),
        "a1": ("base", "sha256:a1"),
        "b1": ("base", "sha256:b1"),
        "c1": ("", "sha256:c1"),
        "d1": ("", "sha256:d1"),
        "d2": ("d1", "sha256:base"),
    },
)
ALL = frozenset("abcd")
HURT = "x is not there"


def corrupt(name: str, layer: str, stays: str = "") -> CorruptImage:
    """Return an image with that layer damaged."""
    return CorruptImage(name, f"layer {layer}: {HURT}", stays)


def test_whole() -> None:
    assert plan_healing("abcd", ALL, STORE, {}, frozenset()) == HealingPlan((), ())


def test_one_image() -> None:
    plan = plan_healing("abcd", ALL, STORE, {"c1": HURT}, frozenset({"id a"}))
    assert plan == HealingPlan((corrupt("c", "sha256:c1"),), (("id c",),))


def test_all_that_share_the_layer_go() -> None:
    """Also one that was pinned once and no set wants now; it is not reported."""
    plan = plan_healing("a", ALL, STORE, {"base": HURT}, frozenset())
    assert plan == HealingPlan((corrupt("a", "sha256:base"),), (("id a", "id b"),))


def test_layers_of_one_blob_go_together() -> None:
    """Else the pull would take the files of the one for the other."""
    assert twins_of(STORE, {"base"}) == {"d2"}
    plan = plan_healing("a", ALL, STORE, {"base": HURT, "d2": HURT}, frozenset())
    assert plan.groups == (("id a", "id b", "id d"),)
    assert [one.reference for one in plan.corrupt] == ["a"]


@pytest.mark.parametrize("used", ["b", "id b"])
def test_a_container_uses_one_of_them(used: str) -> None:
    plan = plan_healing("ab", ALL, STORE, {"base": HURT}, frozenset({used}))
    why = "a container uses b"
    assert plan == HealingPlan(
        (corrupt("a", "sha256:base", why), corrupt("b", "sha256:base", why)), ()
    )
    assert plan.corrupt[0].detail == f"layer sha256:base: {HURT}; it stays: {why}"


def test_somebody_elses_image_has_the_layer() -> None:
    plan = plan_healing("a", frozenset("a"), STORE, {"base": HURT}, frozenset())
    why = "b has the layer too, and was never pinned by us"
    assert plan == HealingPlan((corrupt("a", "sha256:base", why),), ())


def test_an_image_without_a_name_is_somebody_elses() -> None:
    nameless = StoreContents({**STORE.images, "id b": StoredImage(frozenset(), "b1")}, STORE.layers)
    (one,) = plan_healing("a", ALL, nameless, {"base": HURT}, frozenset()).corrupt
    assert one.stays == "id b has the layer too, and was never pinned by us"


def test_only_others_are_damaged() -> None:
    """That is no deviation of ours, and nothing goes."""
    assert plan_healing("c", ALL, STORE, {"base": HURT}, frozenset()) == HealingPlan((), ())


def test_a_layer_that_the_store_lacks() -> None:
    broken = store({"a": "a1", "b": "b1"}, {"a1": ("base", "sha256:a1"), "b1": ("", "sha256:b1")})
    assert chain_of(broken, "id a") == (("a1",), "base")
    assert chain_of(broken, "id b") == (("b1",), "")
    plan = plan_healing("ab", ALL, broken, {"base": HURT}, frozenset())
    assert plan == HealingPlan((corrupt("a", "base"),), (("id a",),))
    assert twins_of(broken, {"base"}) == frozenset()


def test_a_chain_that_bites_its_tail() -> None:
    assert chain_of(store({"a": "x"}, {"x": ("y", ""), "y": ("x", "")}), "id a") == (
        ("x", "y"),
        "",
    )


NAMES = [f"layer{number}" for number in range(6)]


@st.composite
def stores(draw: st.DrawFn) -> StoreContents:
    """Draw layers, each on an earlier one, some from one blob, and images on top."""
    layers = {}
    for number, name in enumerate(NAMES):
        parent = draw(st.sampled_from(["", *NAMES[:number]]))
        layers[name] = (parent, draw(st.sampled_from(["", "blob1", "blob2", f"own {name}"])))
    tops = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5))
    return store({f"image{number}": top for number, top in enumerate(tops)}, layers)


@given(
    stores(),
    st.frozensets(st.sampled_from(NAMES)),
    st.frozensets(st.integers(0, 4)),
    st.frozensets(st.integers(0, 4)),
)
def test_what_goes_takes_its_damage_along(
    contents: StoreContents,
    damaged: frozenset[str],
    used: frozenset[int],
    foreign: frozenset[int],
) -> None:
    """No image of a container goes, no foreign one, and no image that stays keeps a damaged layer of one that went."""
    names = {name for image in contents.images.values() for name in image.names}
    in_use = frozenset(f"image{one}" for one in used)
    ours = names - {f"image{one}" for one in foreign}
    plan = plan_healing(ours, frozenset(ours), contents, dict.fromkeys(damaged, HURT), in_use)
    going = [image for group in plan.groups for image in group]
    assert len(going) == len(set(going))
    gone = frozenset().union(*(contents.images[one].names for one in going))
    assert not gone & in_use
    assert gone <= ours
    hurt = {one: set(chain_of(contents, one)[0]) & damaged for one in contents.images}
    kept = set().union(*(hurt[one] for one in contents.images if one not in going))
    assert not kept & set().union(*(hurt[one] for one in going))
    reported = {one.reference: one.stays for one in plan.corrupt}
    assert set(reported) == {
        name for one, layers in hurt.items() if layers for name in contents.images[one].names & ours
    }
    assert {name for name, stays in reported.items() if not stays} == gone
