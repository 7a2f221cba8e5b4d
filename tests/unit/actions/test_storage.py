# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read on the node for the storage check, and what is asked again while pulling."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.leftovers import Leftover
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.storage import (
    StorageAnswer,
    StorageLimits,
    StorageWatch,
    check_storage,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.budget import (
    store_footprint,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.reserves import (
    EVICTION_MARGIN_BYTES,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedImages,
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.crio import RunningConfig
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.filesystem import Filesystem
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.process import RunningProcess
from unit.fake_host import (
    IMAGES_JSON,
    LAYERS_JSON,
    STORE,
    FakeHost,
    containers,
    crictl,
    images,
    status_config,
)

PRESENT = f"sha256:{'1' * 64}"
MISSING = f"sha256:{'2' * 64}"
IMAGE = LockedImages(
    {"a": (PRESENT, MISSING)}, {PRESENT: LockedLayer(100), MISSING: LockedLayer(1000)}
)
GIB = 2**30
KUBELET = "/var/lib/kubelet/config.yaml"
ROOM = Filesystem(STORE, 1, 100 * GIB, 50 * GIB, 0, 0, "xfs", STORE)
VAR_TMP = Filesystem("/var/tmp", 2, 10 * GIB, 5 * GIB, 0, 0, "ext4", "/var/tmp")


def layers_json(*sizes: tuple[str, str, int]) -> str:
    """Return the store's file for layers of a digest, a parent and a size; named by the digest."""
    return json.dumps(
        [
            {"id": digest, "parent": parent, "compressed-diff-digest": digest, "diff-size": size}
            for digest, parent, size in sizes
        ]
    )


def check(
    host: FakeHost, min_free_bytes: int = 1, allow: bool = False, wanted: tuple[str, ...] = ()
) -> StorageAnswer:
    """Check the one image."""
    host.rooms = {STORE: ROOM, "/var/tmp": VAR_TMP, **host.rooms}
    host.expect(status_config())
    return check_storage(host, IMAGE, wanted, StorageLimits(min_free_bytes, allow), 1)


DEAD = "/var/tmp/container_images_storage7"


def with_a_dead_pull(host: FakeHost) -> None:
    """Let a pull of a CRI-O that died have left five bytes."""
    host.files.update({f"{DEAD}/1": "12345", "/run/crio/crio.sock": ""})
    host.times["/run/crio/crio.sock"] = 900.0
    host.running = [RunningProcess(46, "crio", 900.0)]


def test_what_dead_pulls_left_counts_as_free(host: FakeHost) -> None:
    """Where it lies, as it goes before anything is pulled; nothing is changed."""
    with_a_dead_pull(host)
    answer = check(host)
    assert answer.leftovers == (Leftover(DEAD, 5),)
    store, temporary = answer.budget.rooms
    assert store.filesystem == ROOM
    assert temporary.filesystem.available_bytes == VAR_TMP.available_bytes + 5
    assert host.events == [("run", "/usr/bin/crio status config")]


def test_what_dead_pulls_left_beside_the_store(host: FakeHost) -> None:
    """On one filesystem it is free for the images too."""
    with_a_dead_pull(host)
    host.rooms = {"/var/tmp": replace(ROOM, path="/var/tmp")}
    (room,) = check(host).budget.rooms
    assert room.filesystem.available_bytes == ROOM.available_bytes + 5


def test_where_the_numbers_come_from(host: FakeHost) -> None:
    """Layers of the store, room of image store and /var/tmp, limits of the kubelet."""
    host.files[LAYERS_JSON] = layers_json((PRESENT, "", 5))
    host.files[KUBELET] = "imageGCHighThresholdPercent: 90\n"
    host.rooms = {"/var/lib/kubelet": replace(VAR_TMP, path="/var/lib/kubelet")}
    answer = check(host)
    assert answer.fits
    assert answer.objection == ""
    assert answer.removable == ()
    assert answer.budget.missing_layers == 1
    store, temporary = answer.budget.rooms
    assert (store.filesystem, temporary.filesystem) == (ROOM, VAR_TMP)
    assert temporary.need_bytes == 2 * 4096
    # The eviction default, 15 %, is stricter than garbage collection above 90 %.
    assert store.keep_bytes.bytes == 15 * GIB + EVICTION_MARGIN_BYTES
    assert store.keep_bytes.source == f"eviction at imagefs.available 15% in {KUBELET}"
    # /var/tmp lies on the kubelet's own filesystem.
    assert temporary.keep_bytes.bytes == GIB + EVICTION_MARGIN_BYTES
    assert temporary.keep_bytes.source == f"eviction at nodefs.available 10% in {KUBELET}"


def test_other_kubelets_and_none(host: FakeHost) -> None:
    """The first configuration that is there; without one only our own minimum counts."""
    assert check(host, 7).budget.rooms[0].keep_bytes.source == "min_free_bytes"
    for path in (
        "/var/lib/microshift/resources/kubelet/config/config.yaml",
        "/etc/kubernetes/kubelet.conf",
    ):
        host.files[path] = "{}"
        assert check(host, 7).budget.rooms[0].keep_bytes.source.endswith(path)


def test_the_kubelet_that_runs(host: FakeHost) -> None:
    """Its command line says what it read; a file that it did not read counts no more."""
    host.files[KUBELET] = "{}"
    host.running = [RunningProcess(7, "crio", 0.0), RunningProcess(8, "kubelet", 0.0)]
    # It may have ended meanwhile.
    assert f" in {KUBELET}" in check(host, 7).budget.rooms[0].keep_bytes.source
    host.files["/proc/8/cmdline"] = "kubelet\0--eviction-hard=\0--image-gc-high-threshold=100\0"
    host.files["/proc/7/cgroup"] = "0::/system.slice/kubelet.service\n"
    # Any user may run something of that name, as a service of their own too.
    for group in ("", "0::/user.slice/user-7.slice/user@7.service/system.slice/kubelet.service\n"):
        host.files["/proc/8/cgroup"] = group
        assert f" in {KUBELET}" in check(host, 7).budget.rooms[0].keep_bytes.source
    host.files["/proc/8/cgroup"] = "1:name=systemd:/system.slice/kubelet.service\n0::/x\n"
    host.files["/proc/8/cmdline"] = "/usr/bin/kubelet\0--image-gc-high-threshold=84\0"
    source = check(host, 7).budget.rooms[0].keep_bytes.source
    assert source == "imageGCHighThresholdPercent 84 in the kubelet's command line"
    host.files["/proc/8/cmdline"] = "kubelet\0--config=/k.yaml\0--config-dir=/k.d\0"
    host.files["/k.d/1.conf"] = "imageGCHighThresholdPercent: 83\n"
    host.files["/k.d/1.yaml"] = "imageGCHighThresholdPercent: 82\n"
    source = check(host, 7).budget.rooms[0].keep_bytes.source
    assert source == "imageGCHighThresholdPercent 83 in /k.d/1.conf"
    host.files["/k.yaml"] = "imageGCHighThresholdPercent: 81\n"
    del host.files["/k.d/1.conf"]
    source = check(host, 7).budget.rooms[0].keep_bytes.source
    assert source == "imageGCHighThresholdPercent 81 in /k.yaml"
    host.files["/proc/8/cmdline"] = "kubelet\0--root-dir=/data/kubelet\0"
    host.rooms["/data/kubelet"] = replace(VAR_TMP, path="/data/kubelet")
    temporary = check(host, 7).budget.rooms[1]
    assert temporary.keep_bytes.source.startswith("eviction at nodefs.available 10%")


def test_layers_of_additional_stores_are_there(host: FakeHost) -> None:
    """They are not fetched, and pinned ones of them take nothing of the image store."""
    host.files["/ro/overlay-layers/layers.json"] = layers_json(
        (PRESENT, "", 5), (MISSING, PRESENT, 5)
    )
    host.files["/ro/overlay-images/images.json"] = '[{"id": "x", "names": ["a"]}]'
    host.rooms = {STORE: ROOM, "/var/tmp": VAR_TMP}
    call = status_config()
    said = call.stdout.replace(
        "[crio]\n", '[crio]\n  storage_option = ["overlay.imagestore=/ro"]\n'
    )
    host.expect(replace(call, stdout=said))
    answer = check_storage(host, IMAGE, ["a"], StorageLimits(1), 1)
    assert answer.budget.missing_layers == 0
    # The image's own record, and nothing for its layers.
    record = store_footprint(IMAGE, [], ROOM.kind).bytes
    assert (answer.share.present_bytes, answer.share.missing_bytes) == (0, record)


def test_images_that_are_renewed(host: FakeHost) -> None:
    """Their layers are fetched again, but for those of others; what they free is there for them."""
    host.files[LAYERS_JSON] = layers_json((PRESENT, "", 5), (MISSING, PRESENT, 4096))
    host.files[IMAGES_JSON] = json.dumps([
        {"id": "1", "names": ["a"], "layer": MISSING},
        {"id": "2", "names": ["b"], "layer": PRESENT},
    ])  # fmt: skip
    assert check(host).budget.missing_layers == 0
    host.rooms = {STORE: ROOM, "/var/tmp": VAR_TMP}
    host.expect(status_config())
    answer = check_storage(host, IMAGE, ["a", "b"], StorageLimits(1), 1, renewed=["a"])
    assert answer.budget.missing_layers == 1
    store, temporary = answer.budget.rooms
    assert store.filesystem.available_bytes == ROOM.available_bytes + 4096
    assert temporary.need_bytes > 0
    assert answer.share.present_bytes == 5
    # One that nobody wants shares the layer: only where it goes as well does the layer go.
    host.files[IMAGES_JSON] = json.dumps(
        [{"id": name, "names": [name], "layer": MISSING} for name in ("a", "old")]
    )
    for going, missing in ((["a"], 0), (["a", "old"], 2)):
        host.expect(status_config())
        answer = check_storage(host, IMAGE, ["a"], StorageLimits(1), 1, renewed=going)
        assert answer.budget.missing_layers == missing


def test_a_store_is_read_once(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its list of layers is some MB where thousands of images are."""
    read, paths = host.read, Counter[str]()

    def counted(path: str) -> str | None:
        paths[path] += 1
        return read(path)

    monkeypatch.setattr(host, "read", counted)
    check(host)
    assert paths[LAYERS_JSON] == 1


def test_an_image_store_of_its_own(host: FakeHost) -> None:
    """Images go there, the records of their layers to the graph root."""
    host.rooms = {"/images": replace(ROOM, path="/images", mount_point="/images"),
                  STORE: replace(ROOM, device=3), "/var/tmp": VAR_TMP}  # fmt: skip
    call = status_config()
    host.expect(
        replace(call, stdout=call.stdout.replace('imagestore = ""', 'imagestore = "/images"'))
    )
    budget = check_storage(host, IMAGE, [], StorageLimits(7), 1).budget
    assert [(one.filesystem.path, one.uses) for one in budget.rooms] == [
        ("/images", ("images",)), ("/var/tmp", ("temporary",)), (STORE, ("records",)),
    ]  # fmt: skip
    assert [one.keep_bytes.bytes for one in budget.rooms] == [7, 0, 0]


def test_a_quota_of_the_store(host: FakeHost) -> None:
    """The mount point tells what the whole filesystem has; both count."""
    quota = replace(ROOM, total_bytes=GIB, available_bytes=1, mount_point="/data")
    whole = replace(ROOM, path="/data", mount_point="/data")
    host.rooms = {STORE: quota, "/data": whole, "/var/tmp": VAR_TMP}
    host.expect(status_config(), images(), containers())
    answer = check_storage(host, IMAGE, [], StorageLimits(1), 1)
    assert [one.filesystem for one in answer.budget.rooms] == [quota, whole, VAR_TMP]
    assert [bool(one.missing_bytes) for one in answer.budget.rooms] == [True, False, False]
    # Nothing was listed that could go, and nothing more is said than that.
    assert "no image could be removed" in answer.objection


@pytest.fixture
def full(host: FakeHost) -> FakeHost:
    """Fill the disk: one image pinned, one in use, one wanted, and one large, seven small to spare."""
    spare = [f"spare{number}" for number in range(8)]
    held = ["pinned", "used", "wanted", *spare]
    host.rooms = {STORE: replace(ROOM, available_bytes=0)}
    host.files[IMAGES_JSON] = json.dumps(
        [{"id": f"id of {name}", "names": [name], "layer": f"layer of {name}"} for name in held]
    )
    host.files[LAYERS_JSON] = layers_json(
        *[(f"layer of {name}", "", 1000 * (30 - number)) for number, name in enumerate(held)]
    )
    return host


def expect_images(host: FakeHost) -> None:
    """Expect the questions for what could go."""
    held = ["pinned", "used", "wanted", *(f"spare{number}" for number in range(8))]
    host.expect(status_config(), images(held, ["pinned"]), containers("id of used"))


def test_what_could_be_removed(full: FakeHost) -> None:
    """Unpinned, unused and unwanted, largest first, in the answer and in the message."""
    full.rooms["/var/tmp"] = VAR_TMP
    expect_images(full)
    answer = check_storage(full, IMAGE, ["wanted"], StorageLimits(110_000), 1)
    assert not answer.fits
    assert [(one.name, one.bytes) for one in answer.removable] == [
        (f"spare{number}", 27_000 - 1000 * number) for number in range(8)
    ]
    assert answer.objection.count("spare") == 5
    assert answer.objection.startswith(f"on the xfs filesystem of {STORE} (images) have 0 bytes")
    assert (
        "; removing what nothing pins or uses would free 188.0 kB: spare0 (27.0 kB), spare1"
        in answer.objection
    )
    assert answer.objection.endswith("spare4 (23.0 kB) and 3 more")
    expect_images(full)
    lacking = check_storage(full, IMAGE, ["wanted"], StorageLimits(GIB), 1)
    assert "would free 188.0 kB, which is not enough: spare0" in lacking.objection


def test_what_could_be_removed_for_inodes(full: FakeHost) -> None:
    """All of it, as nobody knows how many inodes that frees; it is said so."""
    used_up = replace(ROOM, inodes_total=10**6, inodes_free=0)
    full.rooms = {STORE: used_up, "/var/tmp": VAR_TMP}
    expect_images(full)
    answer = check_storage(full, IMAGE, ["wanted"], StorageLimits(1), 1)
    (store, _temporary) = answer.budget.rooms
    assert (store.missing_bytes, store.missing_inodes > 0) == (0, True)
    assert [one.name for one in answer.removable] == [f"spare{number}" for number in range(8)]
    assert answer.objection.startswith(f"on the xfs filesystem of {STORE} (images) have 0 inodes")
    assert (
        "; removing what nothing pins or uses would free 188.0 kB, and inodes, how many is not"
        " known: spare0 (27.0 kB), spare1" in answer.objection
    )
    full.rooms[STORE] = replace(used_up, available_bytes=0)
    expect_images(full)
    both = check_storage(full, IMAGE, ["wanted"], StorageLimits(1000), 1)
    assert len(both.removable) == 8
    expect_images(full)
    lacking = check_storage(full, IMAGE, ["wanted"], StorageLimits(GIB), 1)
    assert "188.0 kB, which is not enough, and inodes, how many is not known: " in lacking.objection


def test_nothing_could_be_removed(full: FakeHost) -> None:
    """It says so, too."""
    full.rooms["/var/tmp"] = VAR_TMP
    full.expect(status_config(), images(["pinned"], ["pinned"]), containers())
    answer = check_storage(full, IMAGE, [], StorageLimits(1), 1)
    assert answer.removable == ()
    assert answer.objection.endswith(
        "no image could be removed to make room: all are pinned, wanted or in use"
    )


def test_blobs_in_flight_alone_ask_for_no_removal(host: FakeHost) -> None:
    """Removing images makes no room in another filesystem."""
    host.rooms = {"/var/tmp": replace(VAR_TMP, available_bytes=0)}
    answer = check(host)
    assert answer.removable == ()
    assert answer.objection.startswith(
        "on the ext4 filesystem of /var/tmp (temporary) have 0 bytes"
    )
    assert "remov" not in answer.objection


@pytest.fixture
def above(host: FakeHost) -> FakeHost:
    """A present image is larger than the kubelet's threshold."""
    host.files[IMAGES_JSON] = '[{"id": "id of big", "names": ["big"], "layer": "l"}]'
    host.files[LAYERS_JSON] = layers_json(("l", "", 60 * GIB))
    host.files[KUBELET] = "imageGCHighThresholdPercent: 50\n"
    host.rooms = {STORE: replace(ROOM, available_bytes=30 * GIB), "/var/tmp": VAR_TMP}
    return host


@pytest.mark.parametrize("allow", [False, True])
def test_pins_above_the_threshold(above: FakeHost, allow: bool) -> None:
    """Refused unless allowed; then the threshold need not stay free either, evictions must."""
    above.expect(status_config())
    if not allow:
        above.expect(images(), containers(), images(["big"], ["big"]))
    answer = check_storage(above, IMAGE, ["big"], StorageLimits(1, allow), 1)
    assert answer.share.is_above_threshold
    assert answer.fits == allow
    said = [one.source for one in answer.budget.rooms[0].reserves]
    assert any("imageGCHighThresholdPercent 50" in one for one in said) != allow
    assert any("imagefs.available 15%" in one for one in said)
    assert ("; pinned images alone will take 64.4 GB" in answer.objection) != allow


@pytest.mark.parametrize("pinned", [False, True])
def test_pins_that_are_above_the_threshold_already(above: FakeHost, pinned: bool) -> None:
    """A set that shrinks to it is let through; one that first pins it is not."""
    above.expect(status_config(), images(["big"], ["big"] if pinned else []))
    answer = check_storage(above, LockedImages({}, {}), ["big"], StorageLimits(1), 1)
    assert answer.share.is_above_threshold
    assert answer.fits == pinned
    assert answer.objection.startswith("pinned images alone will take 64.4 GB") != pinned


def test_a_store_that_cannot_be_read(host: FakeHost) -> None:
    """Nothing is guessed."""
    host.files[LAYERS_JSON] = "torn"
    with pytest.raises(EdgefleetError, match=r"reading the store's layers\.json: it is no JSON"):
        check(host)


CONFIG = RunningConfig(STORE, "", "/big", "", ())


def test_the_watch(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at the disks anew each time, at the kubelet's limits and for mounts once."""
    host.files[KUBELET] = "imageGCHighThresholdPercent: 50\n"
    big = replace(VAR_TMP, path="/big", mount_point="/big")
    host.rooms = {STORE: replace(ROOM, available_bytes=51 * GIB + 10**6), "/big": big}
    watch = StorageWatch(host, CONFIG, StorageLimits(1))
    layers = {MISSING: LockedLayer(1000)}
    del host.files[KUBELET]
    monkeypatch.delattr(FakeHost, "filesystem")
    assert watch.lacking_for(layers, settled=False) == ""
    host.rooms[STORE] = replace(ROOM, available_bytes=51 * GIB)
    said = watch.lacking_for(layers, settled=False)
    assert said.startswith(f"on the xfs filesystem of {STORE} (images) have ")
    assert "imageGCHighThresholdPercent 50" in said
    host.rooms[STORE] = ROOM
    host.rooms["/big"] = replace(big, available_bytes=8191)
    said = watch.lacking_for(layers, settled=False).rpartition("; ")[2]
    assert "of /big (temporary) have 8191 bytes, need 8192 bytes (" in said
    assert host.synced == []


def test_the_watch_once_all_is_on_disk(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a filesystem holds for what is not yet written does not end the run."""
    full = replace(ROOM, available_bytes=0)
    host.rooms = {STORE: full, "/big": replace(full, path="/big")}
    watch = StorageWatch(host, CONFIG, StorageLimits(1))
    assert watch.lacking_for({}, settled=False) != ""
    sync = host.sync

    def give_back(path: str) -> None:
        host.rooms[path] = replace(host.rooms[path], available_bytes=10**9)
        sync(path)

    monkeypatch.setattr(host, "sync", give_back)
    assert watch.lacking_for({}, settled=True) == ""
    assert host.synced == [STORE, "/big"]
    assert watch.breach() == ""
    assert host.synced == [STORE, "/big"]


EVICTION = "imageGCHighThresholdPercent: 100\nevictionHard:\n  nodefs.available: 10%\n  nodefs.inodesFree: 5%\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"available_bytes": 0}, "have 0 bytes and must keep 1.1 GB free (eviction at nodefs.av"),
        ({"inodes_free": 7}, "have 7 inodes and must keep 6000 free (eviction at nodefs.inodesFr"),
        ({}, ""),
    ],
)
def test_a_breach_beside_the_images(host: FakeHost, changes: dict[str, int], words: str) -> None:
    """Where blobs are staged, what must stay free counts as well, whether anything is needed or not."""
    host.files[KUBELET] = EVICTION
    big = Filesystem("/big", 7, 10 * GIB, 9 * GIB, 10**5, 10**5, mount_point="/big", kind="ext4")
    host.rooms = {
        STORE: ROOM,
        "/big": big,
        "/var/lib/kubelet": replace(big, path="/var/lib/kubelet"),
    }
    watch = StorageWatch(host, CONFIG, StorageLimits(1))
    host.rooms["/big"] = host.rooms["/var/lib/kubelet"] = replace(big, **changes)
    said = watch.breach()
    assert words in said
    assert bool(said) == bool(words)


def test_the_watch_with_pins_above_the_threshold(host: FakeHost) -> None:
    """The threshold is then no reserve."""
    host.files[KUBELET] = "imageGCHighThresholdPercent: 50\n"
    host.rooms = {STORE: ROOM, "/big": replace(VAR_TMP, path="/big", mount_point="/big")}
    assert StorageWatch(host, CONFIG, StorageLimits(1)).lacking_for({}, False) != ""
    assert StorageWatch(host, CONFIG, StorageLimits(1, True)).lacking_for({}, False) == ""


def test_root_only(host: FakeHost) -> None:
    """The store is root's."""
    host.root = False
    with pytest.raises(EdgefleetError, match="checking the storage: this needs root"):
        check_storage(host, IMAGE, [], StorageLimits(1), 1)


def test_crictl_that_does_not_answer(full: FakeHost) -> None:
    """What could go is unknown then, and so is whether it fits."""
    full.expect(status_config(), crictl("images", "-o", "json", rc=1, stderr="no"))
    with pytest.raises(EdgefleetError, match="asking CRI-O with 'crictl images'"):
        check_storage(full, IMAGE, [], StorageLimits(1), 1)
