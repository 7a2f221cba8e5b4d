# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lock amounts to, and what changed from one to the next."""

from __future__ import annotations

from ansible_collections.edgefleet.crio.plugins.module_utils.documents.lock import (
    LeftOut,
    Lock,
    LockedPlatform,
    LockedSet,
    ResolvedSet,
    build_lock,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.lock_changes import (
    ChangedReason,
    ChangedSet,
    LockChanges,
    MovedTag,
    PoolImages,
    PoolSet,
    PoolTotal,
    PoolTransfer,
    change_lines,
    compare_locks,
    lock_totals,
    total_lines,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LayerMeasure,
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.platform import (
    parse_pool_platforms,
)

AMD, ARM = "linux/amd64", "linux/arm64"
ONE, TWO, THREE = (f"sha256:{digit * 64}" for digit in "123")
BASE, APP, NEW = (f"sha256:{letter * 64}" for letter in "bac")
MEASURE = LayerMeasure(
    blocks=100, directories=1, inodes=5, ext4_blocks=2, xfs_blocks=1, tar_split=9
)
SIZES = {BASE: LockedLayer(1000, MEASURE), APP: LockedLayer(200), NEW: LockedLayer(30)}
IMAGES = {
    "example.com/app@" + ONE: (BASE, APP),
    "example.com/app@" + TWO: (BASE, NEW),
    "example.com/agent@" + THREE: (BASE,),
}


def lock(
    platforms: object,
    names: dict[str, tuple[str, ...]] | None = None,
    **sets: tuple[str | None, dict[str, tuple[str, ...]]],
) -> Lock:
    """Return a lock of these sets: their pools, and images by the ends of their names.

    `names` are, by the same ends, what their sources call them.
    """
    called = {f"example.com/{end}": some for end, some in (names or {}).items()}
    described = [
        ResolvedSet(
            LockedSet(name, pool),
            {f"example.com/{end}": tags for end, tags in images.items()},
            called,
        )
        for name, (pool, images) in sets.items()
    ]
    wanted = parse_pool_platforms(platforms, "x")
    on = {
        one: {
            platform: LockedPlatform(one.partition("@")[2], layers)
            for platform in wanted.of(None, "x")
        }
        for one, layers in IMAGES.items()
    }
    asked = {one for some in described for one in some.images}
    used = {digest for one in asked for digest in IMAGES[one]}
    return build_lock(described, wanted, on, {digest: SIZES[digest] for digest in used})


def test_totals() -> None:
    """For each pool and platform; layers once, a set without pool in all of them and by itself."""
    one = lock(
        [AMD],
        every=(None, {f"agent@{THREE}": ()}),
        edge=("edge", {f"app@{ONE}": ()}),
        core=("control", {f"app@{ONE}": (), f"app@{TWO}": ()}),
    )
    totals = lock_totals(one)
    assert totals == (
        PoolTotal("control", AMD, 3, 3, 1230, 1, 409600),
        PoolTotal("edge", AMD, 2, 2, 1200, 1, 409600),
        PoolTotal(None, AMD, 1, 1, 1000, 1, 409600),
    )
    assert total_lines(totals) == [
        "control, linux/amd64: 3 images, 3 layers, 1.2 kB compressed, 409.6 kB unpacked (1 layer measured)",
        "edge, linux/amd64: 2 images, 2 layers, 1.2 kB compressed, 409.6 kB unpacked (1 layer measured)",
        "every pool, linux/amd64: 1 image, 1 layer, 1.0 kB compressed, 409.6 kB unpacked",
    ]


def test_totals_without_pools() -> None:
    """One row for each platform; what is wholly measured needs no remark."""
    one = lock([AMD, ARM], every=(None, {f"agent@{THREE}": ()}))
    assert total_lines(lock_totals(one)) == [
        f"every pool, {platform}: 1 image, 1 layer, 1.0 kB compressed, 409.6 kB unpacked"
        for platform in (AMD, ARM)
    ]


def test_unmeasured_totals() -> None:
    """Nothing is said of what was not measured; pools have platforms of their own."""
    sized = {APP: LockedLayer(200)}
    images = {"example.com/app@" + ONE: {ARM: LockedPlatform(ONE, (APP,))}}
    platforms = parse_pool_platforms({"edge": [ARM], "none": [AMD]}, "x")
    sets = [ResolvedSet(LockedSet("a", "edge"), {"example.com/app@" + ONE: ()})]
    assert total_lines(lock_totals(build_lock(sets, platforms, images, sized))) == [
        "edge, linux/arm64: 1 image, 1 layer, 200 bytes compressed",
        "none, linux/amd64: 0 images, 0 layers, 0 bytes compressed",
    ]


def test_changes() -> None:
    """In, out and moved, and what that is to fetch for each pool."""
    before = lock(
        [AMD],
        edge=("edge", {f"app@{ONE}": ("v1", "v0")}),
        core=("control", {f"agent@{THREE}": ()}),
    )
    after = lock([AMD], edge=("edge", {f"app@{TWO}": ("v1", "v2"), f"agent@{THREE}": ()}))
    changes = compare_locks(before, after)
    assert changes == LockChanges(
        images_in=(),
        images_out=(),
        moved=(MovedTag("example.com/app:v1", ONE, TWO),),
        pools=(
            PoolImages("control", (), (f"example.com/agent@{THREE}",)),
            PoolImages("edge", (f"example.com/agent@{THREE}",), ()),
        ),
        sets=(),
        sets_in=(),
        sets_out=(PoolSet("core", "control"),),
        transfers=(PoolTransfer("control", AMD, 0, 1000), PoolTransfer("edge", AMD, 30, 200)),
        names={},
    )
    assert change_lines(changes) == [
        f"moved example.com/app:v1: {ONE} -> {TWO}",
        "set core: gone, was for control",
        f"pool control: out   example.com/agent@{THREE}",
        f"pool edge: in    example.com/agent@{THREE}",
        "control, linux/amd64: 0 bytes to fetch, 1.0 kB needed no more",
        "edge, linux/amd64: 30 bytes to fetch, 200 bytes needed no more",
    ]


def test_in_and_out() -> None:
    """Images that no tag moved."""
    before = lock([AMD], a=(None, {f"app@{ONE}": ()}))
    after = lock([AMD], a=(None, {f"app@{TWO}": (), f"agent@{THREE}": ("v1",)}))
    assert change_lines(compare_locks(before, after)) == [
        f"in    example.com/agent@{THREE}",
        f"in    example.com/app@{TWO}",
        f"out   example.com/app@{ONE}",
        "every pool, linux/amd64: 30 bytes to fetch, 200 bytes needed no more",
    ]
    assert change_lines(compare_locks(after, after)) == []


def test_names_of_what_came_and_went() -> None:
    """Whoever compares two releases knows components, not digests."""
    names = {f"app@{ONE}": ("etcd",), f"app@{TWO}": ("a", "b", "c", "d", "e")}
    before = lock([AMD], names, a=(None, {f"app@{ONE}": (), f"agent@{THREE}": ()}))
    after = lock([AMD], names, a=(None, {f"app@{TWO}": ()}))
    changes = compare_locks(before, after)
    assert changes.names == {f"example.com/{end}": some for end, some in names.items()}
    assert change_lines(changes)[:3] == [
        f"in    example.com/app@{TWO} (a, b, c and 2 more)",
        f"out   example.com/agent@{THREE}",
        f"out   example.com/app@{ONE} (etcd)",
    ]
    assert compare_locks(before, before).names == {}


def test_a_pool_that_unpins_what_another_keeps() -> None:
    """Said even where no byte is fetched or freed, and with the image's name."""
    names = {f"agent@{THREE}": ("agent",)}
    core = ("control", {f"agent@{THREE}": ()})
    before = lock([AMD], names, edge=("edge", {f"app@{ONE}": (), f"agent@{THREE}": ()}), core=core)
    after = lock([AMD], names, edge=("edge", {f"app@{ONE}": ()}), core=core)
    changes = compare_locks(before, after)
    agent = f"example.com/agent@{THREE}"
    assert (changes.images_in, changes.images_out) == ((), ())
    assert changes.pools == (PoolImages("edge", (), (agent,)),)
    assert change_lines(changes) == [f"pool edge: out   {agent} (agent)"]
    back = compare_locks(before=after, after=before)
    assert change_lines(back) == [f"pool edge: in    {agent} (agent)"]


def test_a_set_of_another_pool() -> None:
    """What each pool's nodes gain and lose by it; those of pools without sets took it as well."""
    own = ("edge", {f"app@{ONE}": ()})
    before = lock([AMD], edge=own, base=(None, {f"agent@{THREE}": ()}))
    after = lock([AMD], edge=own, base=("control", {f"agent@{THREE}": ()}))
    agent = f"example.com/agent@{THREE}"
    assert change_lines(compare_locks(before, after)) == [
        "set base: for control, was for every pool",
        f"any other pool: out   {agent}",
        f"pool edge: out   {agent}",
        "every pool, linux/amd64: 0 bytes to fetch, 1.0 kB needed no more",
    ]
    assert change_lines(compare_locks(before=after, after=before))[0] == (
        "set base: for every pool, was for control"
    )


def test_sets_that_came_and_went() -> None:
    """Under another name too, where not one image came or went."""
    before = lock([AMD], a=(None, {f"app@{ONE}": ()}), old=("edge", {f"app@{ONE}": ()}))
    after = lock(
        [AMD], a=(None, {f"app@{ONE}": ()}), new=("edge", {f"app@{ONE}": ()}), b=(None, {})
    )
    changes = compare_locks(before, after)
    assert changes.sets_in == (PoolSet("b", None), PoolSet("new", "edge"))
    assert changes.sets_out == (PoolSet("old", "edge"),)
    assert change_lines(changes) == [
        "set b: new, for every pool",
        "set new: new, for edge",
        "set old: gone, was for edge",
    ]


def leaving_out(*left_out: tuple[str, str]) -> Lock:
    """Return a lock of nothing, with these patterns and reasons."""
    left = tuple(LeftOut(f"example.com/{ONE}", pattern, reason) for pattern, reason in left_out)
    return Lock(parse_pool_platforms([AMD], "x"), {"a": LockedSet("a", None, "", left)}, (), {})


def test_other_exclusions() -> None:
    """By their patterns: what they leave out is another digest in each release."""
    before = leaving_out(("*-aws-*", ""), ("*-gcp-*", ""))
    after = leaving_out(("*-aws-*", ""), ("*-azure-*", ""))
    changes = compare_locks(before, after)
    assert changes.sets == (ChangedSet("a", None, None, ("*-azure-*",), ("*-gcp-*",), ()),)
    assert change_lines(changes) == [
        "set a: excludes '*-azure-*'",
        "set a: excludes '*-gcp-*' no more",
    ]


def test_an_exclusion_for_another_reason() -> None:
    """Once for all that the pattern leaves out; a lock that was edited may say several."""
    kept = ("*-gcp-*", "no cloud")
    before = leaving_out(kept, ("*-aws-*", "no cloud"), ("*-aws-*", "no cloud"))
    after = leaving_out(kept, ("*-aws-*", "too large"), ("*-aws-*", "not yet"))
    changes = compare_locks(before, after)
    reason = ChangedReason("*-aws-*", "no cloud", "not yet; too large")
    assert changes.sets == (ChangedSet("a", None, None, (), (), (reason,)),)
    assert change_lines(changes) == [
        "set a: excludes '*-aws-*' with the reason 'not yet; too large', was 'no cloud'"
    ]
