# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way on real nodes. The end state is asked of CRI-O with crictl, not of our modules."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fleet import CHECKOUT, DROP_IN, JOURNAL, Control, Fleet, has_file, out_of_reach
from lab import GIB, MIB, Credentials, Lab, Node, NodeSpec, payload
from lab.oci import LayerSpec
from lab.processes import wait_for
from lab.registry import NAMESPACE, Registry
from sampling import Sampler

Images = list[payload.PushedImage]


def drop_in_bytes(references: list[str]) -> str:
    """Return the drop-in as OpenShift writes it, spelt out here on its own."""
    quoted = ", ".join(f'"{one}"' for one in sorted(references))
    return f"[crio]\n  [crio.image]\n    pinned_images = [{quoted}]\n"


def references(images: Images) -> list[str]:
    """Return the digest references of images."""
    return [image.reference for image in images]


def layer_sizes(images: Images) -> dict[str, int]:
    """Return the compressed sizes of all layers of images, each once."""
    return {layer.digest: layer.size for one in images for layer in one.platform().layers}


def is_pinned(node: Node, image: payload.PushedImage) -> bool:
    """Ask CRI-O whether it reports an image pinned."""
    return image.reference in node.pinned()


def is_present(node: Node, image: payload.PushedImage) -> bool:
    """Ask CRI-O whether it has an image."""
    return any(image.reference in one["repoDigests"] for one in node.images())


@pytest.fixture(scope="session")
def site_lock(lab: Lab, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lock all thirty images."""
    fleet = Fleet(lab, tmp_path_factory.mktemp("site"))
    assert fleet.lock([str(fleet.set_file("all", images))], fleet.work / "site.lock.yml").rc == 0
    return fleet.work / "site.lock.yml"


@pytest.fixture
def pinned(lab: Lab, site_lock: Path, images: Images, tmp_path: Path) -> Fleet:
    """Bring the nodes, from wherever the test before left them, to all thirty images and no others."""
    fleet = Fleet(lab, tmp_path)
    fleet.set_file("all", images)
    shutil.copy(site_lock, lock_of(fleet))
    assert fleet.pin(pin_images_lock=lock_of(fleet), pin_images_remove_unpinned=True).rc == 0
    return fleet


def lock_of(fleet: Fleet) -> str:
    """Return the path of the lock that the fixture made."""
    return str(fleet.work / "site.lock.yml")


def test_thirty_images_on_three_nodes_then_nothing_to_do(fleet: Fleet, images: Images) -> None:
    """All present under their names, pinned, drop-in exact; then no change and no request."""
    sets = [str(fleet.set_file("all", images))]
    mark = fleet.lab.registry.mark()
    first = fleet.pin(pin_images_sets=sets)
    assert first.rc == 0
    assert f"\nwanted by set all ({sets[0]})\n" in first.output
    served = fleet.lab.registry.bytes_by_client(since=mark)
    for name in fleet.names:
        # Each shared layer came once; beside them manifests and configurations.
        assert served[fleet.node(name).address] <= 1.02 * sum(layer_sizes(images).values())
        node = fleet.node(name)
        assert set(references(images)) <= node.pinned()
        assert node.read(DROP_IN) == drop_in_bytes(references(images))
        assert node.exec(["stat", "-c", "%a %U", DROP_IN]).stdout.split() == ["644", "root"]
    mark = fleet.lab.registry.mark()
    for _again in range(2):
        run = fleet.pin("-vvv", pin_images_sets=sets)
        assert run.rc == 0
        assert set(run.changed().values()) == {0}
        for name in fleet.names:
            assert run.node(name)["state"] == "converged"
            # One program is started on the node, and its source goes along: one upload, no other.
            assert run.output.count(f"<{fleet.node(name).address}> SSH: EXEC") == 1
            assert f"<{fleet.node(name).address}> PUT" not in run.output
    assert fleet.lab.registry.requests(since=mark) == []


def test_only_the_nodes_platform_is_fetched(fleet: Fleet, images: Images) -> None:
    """Of a two-platform index, no layer of the other platform crosses the link."""
    index = next(image for image in images if len(image.platforms) > 1)
    mark = fleet.lab.registry.mark()
    sets = [str(fleet.set_file("index", [index]))]
    assert fleet.pin("--limit", "node1", pin_images_sets=sets).rc == 0
    fetched = fleet.blobs_fetched(since=mark)
    other = {layer.digest for layer in index.platform("linux/arm64").layers}
    own = {layer.digest for layer in index.platform("linux/amd64").layers}
    assert own <= fetched
    assert not fetched & (other - own)
    assert is_pinned(fleet.node("node1"), index)


def remove_an_image(node: Node, images: Images) -> str:
    """Remove an image by hand."""
    node.exec(["crictl", "rmi", images[3].reference])
    return "missing"


def unpin_by_hand(node: Node, images: Images) -> str:
    """Take one image out of the drop-in and have CRI-O take that."""
    node.write(DROP_IN, drop_in_bytes(references(images[1:])))
    node.exec(["systemctl", "reload", "crio"])
    wait_for(lambda: not is_pinned(node, images[0]), "CRI-O to unpin the image", seconds=20)
    return "unpinned"


def pin_one_more(node: Node, images: Images) -> str:
    """Leave the drop-in as a run that was killed leaves it, with pins that no set wants."""
    node.write(DROP_IN, drop_in_bytes([*references(images), "example.com/old@sha256:" + "e" * 64]))
    return "staged"


def make_it_a_link(node: Node, images: Images) -> str:
    """Put a link in the drop-in's place, to a file of the same content."""
    del images
    node.exec(["mv", DROP_IN, "/etc/moved-pins"])
    node.exec(["ln", "-s", "/etc/moved-pins", DROP_IN])
    return "it is a symbolic link"


def make_it_a_directory(node: Node, images: Images) -> str:
    """Put an empty directory in the drop-in's place."""
    del images
    node.exec(["rm", DROP_IN])
    node.exec(["mkdir", DROP_IN])
    return "it is a directory"


def change_mode_and_owner(node: Node, images: Images) -> str:
    """Give the drop-in to somebody else."""
    del images
    node.exec(["chown", "ops", DROP_IN])
    return "not to root"


def edit_the_drop_in(node: Node, images: Images) -> str:
    """Add a comment to the drop-in; CRI-O has not read it yet."""
    node.write(DROP_IN, "# mine\n" + drop_in_bytes(references(images)))
    return "file_differs"


def restart_crio(node: Node, images: Images) -> str:
    """Restart CRI-O, which is no deviation."""
    del images
    node.exec(["systemctl", "restart", "crio"])
    return ""


def wipe_the_store(node: Node, images: Images) -> str:
    """Empty the store, as CRI-O does after some power cuts."""
    del images
    node.wipe_store()
    return "missing"


# One on each node, so that a run of each playbook meets three.
@pytest.mark.parametrize(
    "deviate",
    [
        (remove_an_image, unpin_by_hand, pin_one_more),
        (edit_the_drop_in, make_it_a_link, make_it_a_directory),
        (change_mode_and_owner, restart_crio, wipe_the_store),
    ],
    ids=lambda three: ",".join(one.__name__ for one in three),
)
def test_deviations_are_named_and_healed(
    pinned: Fleet, images: Images, deviate: tuple[Callable[[Node, Images], str], ...]
) -> None:
    """verify_images names each by kind, on its node only; pin_images heals them."""
    kinds = {
        name: one(pinned.node(name), images)
        for name, one in zip(pinned.names, deviate, strict=True)
    }
    verified = pinned.play("verify_images", pin_images_lock=lock_of(pinned))
    assert verified.rc != 0
    for name, kind in kinds.items():
        found = verified.node(name)["deviations"]
        assert verified.node(name)["state"] == ("failed" if kind else "converged")
        assert bool(found) == bool(kind)
        assert not kind or any(kind in (one["kind"], one["detail"][-len(kind) :]) for one in found)
    deviating = ", ".join(name for name, kind in kinds.items() if kind)
    assert f"\nThe next pin_images run mends: {deviating}.\n" in verified.output

    assert pinned.pin(pin_images_lock=lock_of(pinned)).rc == 0
    for name in pinned.names:
        node = pinned.node(name)
        assert set(references(images)) <= node.pinned()
        assert node.read(DROP_IN) == drop_in_bytes(references(images))
        status = node.exec(["stat", "-c", "%F %a %U", DROP_IN]).stdout
        assert status == "regular file 644 root\n"
    again = pinned.pin(pin_images_lock=lock_of(pinned))
    assert set(again.changed().values()) == {0}


def test_a_later_drop_in_is_named_and_not_fought(pinned: Fleet, images: Images) -> None:
    """A file that CRI-O reads later unpins everything of ours: it is named, by both playbooks."""
    node = pinned.node("node2")
    other = "/etc/crio/crio.conf.d/60-other"
    node.write(other, '[crio.image]\npinned_images = ["example.com/x@sha256:' + "a" * 64 + '"]\n')
    node.exec(["systemctl", "reload", "crio"])
    verified = pinned.play("verify_images", pin_images_lock=lock_of(pinned))
    assert "overridden" in verified.node("node2")["message"]
    run = pinned.pin(pin_images_lock=lock_of(pinned))
    assert run.rc != 0
    assert other in run.node("node2")["message"]
    assert run.node("node1")["state"] == "converged"
    node.exec(["rm", other])
    assert pinned.pin(pin_images_lock=lock_of(pinned)).rc == 0
    assert set(references(images)) <= node.pinned()


def test_a_crio_that_would_not_start_again(pinned: Fleet) -> None:
    """It runs, and all is pinned: a file that it cannot read, and a mask, are named by both."""
    masked, broken = pinned.node("node1"), pinned.node("node2")
    unit, file = "/etc/systemd/system/crio.service", "/etc/crio/crio.conf.d/70-theirs"
    broken.write(file, "[crio.image\n")
    masked.exec(["mv", unit, "/root/crio.service"])
    masked.exec(["ln", "-s", "/dev/null", unit])
    try:
        for playbook in ("verify_images", "pin-images"):
            run = pinned.play(playbook, pin_images_lock=lock_of(pinned))
            assert run.rc != 0
            assert f"masked): {unit}" in run.node("node1")["message"]
            assert f"unable to decode configuration {file}" in run.node("node2")["message"]
            assert run.node("node3")["state"] == "converged"
        predicted = pinned.pin("--check", "--limit", "node1", pin_images_lock=lock_of(pinned))
        assert predicted.node("node1")["state"] == "failed"
        assert f"masked): {unit}" in predicted.node("node1")["message"]
    finally:
        broken.exec(["rm", file])
        masked.exec(["mv", "/root/crio.service", unit])
    assert pinned.pin(pin_images_lock=lock_of(pinned)).rc == 0


def test_pins_of_an_earlier_file(pinned: Fleet, images: Images) -> None:
    """A file that ours would replace is named; with merge its pins stay, in ours too."""
    node = pinned.node("node2")
    assert pinned.play("unpin_images", "--limit", "node2").rc == 0
    admins, ours = images[5].reference, images[0].reference
    node.write("/etc/crio/crio.conf.d/40-admin", f'[crio.image]\npinned_images = ["{admins}"]\n')
    node.exec(["systemctl", "reload", "crio"])
    wait_for(lambda: is_pinned(node, images[5]), "CRI-O to pin it", seconds=20)
    sets = [str(pinned.set_file("one", images[:1]))]
    try:
        refused = pinned.pin("--limit", "node2", pin_images_sets=sets)
        assert refused.rc != 0
        assert "would replace the pins of /etc/crio/crio.conf.d/40-admin" in refused.output
        assert is_pinned(node, images[5])
        for changed in (True, False):
            run = pinned.pin(
                "--limit", "node2", pin_images_sets=sets, pin_images_on_conflict="merge"
            )
            assert run.rc == 0
            assert bool(run.changed()["node2"]) == changed
            assert {admins, ours} <= node.pinned()
    finally:
        node.exec(["rm", "/etc/crio/crio.conf.d/40-admin"])
    assert pinned.pin("--limit", "node2", pin_images_sets=sets).rc == 0
    assert ours in node.pinned()
    assert admins not in node.pinned()


def test_a_changing_set_never_unpins_what_stays(pinned: Fleet, images: Images) -> None:
    """One image out, one in; CRI-O is asked ten times a second, all through the run."""
    old = [str(pinned.set_file("old", images[:10]))]
    assert pinned.pin("--limit", "node1", pin_images_sets=old).rc == 0
    stay, out = set(references(images[1:10])), images[0]
    node = pinned.node("node1")
    node.exec(["crictl", "rmi", images[10].reference])
    new = [str(pinned.set_file("new", images[1:11]))]
    with Sampler(node, frozenset(stay)) as sampler:
        run = pinned.pin("--limit", "node1", pin_images_sets=new)
    assert run.rc == 0
    sampler.check_rate()
    assert sampler.unpinned() == set()
    assert sampler.absent() == set()
    assert is_pinned(node, images[10])
    assert is_present(node, out)
    assert not is_pinned(node, out)

    run = pinned.pin("--limit", "node1", pin_images_sets=new, pin_images_remove_unpinned=True)
    assert run.rc == 0
    assert not is_present(node, out)
    assert stay <= node.pinned()


def test_two_sets_share_an_image_and_pools_stay_apart(fleet: Fleet, images: Images) -> None:
    """When one set goes, the image it shared stays pinned; another pool's set does not land."""
    one = str(fleet.set_file("one", images[0:2]))
    two = str(fleet.set_file("two", images[1:3]))
    other = str(fleet.set_file("other", images[5:6], pool="control"))
    assert fleet.pin("--limit", "node1", pin_images_sets=[one, two, other]).rc == 0
    node = fleet.node("node1")
    assert set(references(images[0:3])) <= node.pinned()
    assert not is_present(node, images[5])
    assert fleet.pin("--limit", "node1", pin_images_sets=[two, other]).rc == 0
    assert is_pinned(node, images[1])
    assert not is_pinned(node, images[0])


def test_a_missing_image_costs_only_itself(fleet: Fleet, images: Images) -> None:
    """29 of 30 are present and pinned; the node fails with that image; nothing is pulled again."""
    lock = fleet.work / "site.lock.yml"
    gone = images[7].reference.split("@")[0] + "@sha256:" + "d" * 64
    absent = {"name": "absent", "pool": "edge", "images": [gone]}
    sets = [str(fleet.set_file("all", images[:29])), absent]
    run = fleet.pin("--limit", "node1", pin_images_sets=sets)
    assert run.rc != 0
    assert set(references(images[:29])) <= fleet.node("node1").pinned()
    failed = [one for one in run.node("node1")["images"] if one["outcome"] == "failed"]
    assert [(one["reference"], one["cause"]) for one in failed] == [(gone, "not_found")]
    assert gone in run.output
    # The report is the last screen, and no result of a module comes before it.
    assert "download_bytes" not in run.output
    assert len(run.output[run.output.index("FAILED!") :].splitlines()) < 100
    assert not lock.exists()
    mark = fleet.lab.registry.mark()
    assert fleet.pin("--limit", "node1", pin_images_sets=sets).rc != 0
    assert not fleet.blobs_fetched(since=mark)


def test_a_pod_that_waits_is_served_first(fleet: Fleet, images: Images) -> None:
    """Somebody asked CRI-O for an image while the registry was away: that one is begun first."""
    node, last = fleet.node("node1"), images[9]
    with fleet.lab.registry.away():
        assert node.exec(["crictl", "pull", last.reference], check=False).returncode != 0
    sets = [str(fleet.set_file("ten", images[:10]))]
    run = fleet.pin("--limit", "node1", pin_images_sets=sets, pin_images_max_parallel=1)
    assert run.rc == 0
    begun = [json.loads(line) for line in node.read(JOURNAL).splitlines() if '"pull"' in line]
    assert begun[0]["reference"] == last.reference


# The first image has most to fetch, so that it is the one that takes the shared layer into flight.
ONE_SHARED = payload.Payload(
    "one-shared",
    tuple(
        payload.ImageSpec(
            f"one-shared/app-{number}",
            (
                LayerSpec("one-shared", 100, 24 * MIB),
                LayerSpec(f"one-shared-{number}", 20, MIB if number else 6 * MIB),
            ),
        )
        for number in range(5)
    ),
)


def delete_the_manifest(registry: Registry, image: payload.PushedImage) -> None:
    """Have the registry forget the image."""
    registry.delete(image.repository, image.digest)


def delete_the_own_layer(registry: Registry, image: payload.PushedImage) -> None:
    """Have the registry forget the layer that no other image has."""
    registry.delete_blob(image.repository, image.platform().layers[-1].digest)


@pytest.mark.parametrize("delete", [delete_the_manifest, delete_the_own_layer])
def test_a_failed_image_gives_back_what_it_shared(
    fleet: Fleet, delete: Callable[..., None]
) -> None:
    """The next image fetches the layer, which crosses the link once; the others are pinned."""
    gone, *others = images = fleet.lab.push(ONE_SHARED)
    lock, registry, node = fleet.work / "shared.lock.yml", fleet.lab.registry, fleet.node("node1")
    assert fleet.lock([str(fleet.set_file("shared", images))], lock).rc == 0
    delete(registry, gone)
    mark = registry.mark()
    # So slow that a layer is in flight for seconds.
    fleet.lab.network.limit(NAMESPACE, 50_000_000)
    try:
        run = fleet.pin("--limit", "node1", pin_images_lock=str(lock))
    finally:
        fleet.lab.network.unlimit(NAMESPACE)
    assert run.rc != 0
    failed = [one for one in run.node("node1")["images"] if one["outcome"] == "failed"]
    assert [(one["reference"], one["cause"]) for one in failed] == [(gone.reference, "not_found")]
    events = [json.loads(line) for line in node.read(JOURNAL).splitlines() if line]
    begun = [
        one["reference"] for one in events if (one["event"], one["phase"]) == ("pull", "before")
    ]
    assert begun[0] == gone.reference
    assert sorted(begun) == sorted(references(images))
    assert set(references(others)) <= node.pinned()
    assert not is_present(node, gone)
    shared = others[0].platform().layers[1]
    asked = [one for one in registry.requests(mark) if one.path.endswith(shared.digest)]
    assert [one.body_bytes for one in asked if one.method == "GET"].count(shared.size) == 1
    served = registry.bytes_by_client(mark)[node.address]
    assert served <= 1.1 * sum(layer_sizes(others).values())


@pytest.mark.parametrize("playbook", ["unpin_images", "pin-images"])
def test_pins_that_nobody_noted(pinned: Fleet, images: Images, playbook: str) -> None:
    """Without the journal, what the drop-in pinned is let go of all the same."""
    node = pinned.node("node1")
    node.exec(["rm", JOURNAL])
    node.exec(["rm", DROP_IN])
    sets = [str(pinned.set_file("few", images[:2]))]
    verified = pinned.play("verify_images", "--limit", "node1", pin_images_sets=sets)
    assert "stale_pin" in {one["kind"] for one in verified.node("node1")["deviations"]}
    assert pinned.play(playbook, "--limit", "node1", pin_images_sets=sets).rc == 0
    kept = set(references(images[:2])) if playbook == "pin-images" else set()
    assert node.pinned() & set(references(images)) == kept


def test_pools_of_their_own(fleet: Fleet, images: Images) -> None:
    """Each node takes its pool's sets, whichever of them comes first and has none of its own."""
    edge = str(fleet.set_file("edge", images[0:1]))
    control = str(fleet.set_file("control", images[1:2], pool="control"))
    hosts = fleet.work / "hosts"
    hosts.mkdir()
    (hosts / "host_vars").mkdir()
    (hosts / "lab.yml").write_text(fleet.lab.inventory.read_text())
    for node, other in (("node1", "node2"), ("node2", "node1")):
        fleet.reset()
        for name in (node, other):
            (hosts / f"host_vars/{name}.yml").unlink(missing_ok=True)
        (hosts / f"host_vars/{node}.yml").write_text("pin_images_pool: control\n")
        run = fleet.pin("--limit", "node1,node2", "-i", str(hosts), pin_images_sets=[edge, control])
        assert run.rc == 0
        assert references(images[1:2]) == sorted(
            fleet.node(node).pinned() & set(references(images))
        )
        assert references(images[0:1]) == sorted(
            fleet.node(other).pinned() & set(references(images))
        )


def test_sets_and_locks_of_their_own(fleet: Fleet, images: Images) -> None:
    """Each node takes what its own variables say, by a lock that is there or one made on the way."""
    lock = fleet.work / "two.lock.yml"
    assert fleet.lock([str(fleet.set_file("two", images[1:3]))], lock).rc == 0
    hosts = fleet.work / "hosts"
    (hosts / "host_vars").mkdir(parents=True)
    (hosts / "lab.yml").write_text(fleet.lab.inventory.read_text())
    own = {
        "node1": ({"pin_images_sets": [str(fleet.set_file("one", images[0:1]))]}, images[0:1]),
        "node2": ({"pin_images_lock": str(lock)}, images[1:3]),
        "node3": ({"pin_images_sets": [str(fleet.set_file("four", images[3:4]))]}, images[3:4]),
    }
    for name, (variables, _wanted) in own.items():
        (hosts / f"host_vars/{name}.yml").write_text(json.dumps(variables))
    for playbook in ("pin-images", "pin-images", "verify_images"):
        run = fleet.play(playbook, "-i", str(hosts))
        assert run.rc == 0
        for name, (_variables, wanted) in own.items():
            assert fleet.node(name).pinned() & set(references(images)) == set(references(wanted))
            assert run.node(name)["wanted"] == len(wanted)
        sha256 = hashlib.sha256(lock.read_bytes()).hexdigest()
        assert {one["wanted_by"]: one["nodes"] for one in run.result["held_against"]} == {
            f"set one ({fleet.work}/one.yml)": ["node1"],
            f"lock {lock}, SHA-256 {sha256}": ["node2"],
            f"set four ({fleet.work}/four.yml)": ["node3"],
        }
    # The registry goes: what only the others lack is nothing to a node that is whole.
    fleet.node("node3").exec(["crictl", "rmi", images[3].reference])
    with fleet.lab.registry.away():
        run = fleet.pin("-i", str(hosts))
    assert [run.node(name)["state"] for name in own] == ["converged", "converged", "failed"]


def test_a_run_that_cannot_finish_names_what_stays_staged(pinned: Fleet, images: Images) -> None:
    """Old pins stay beside the new ones, and the report says so."""
    absent = images[0].name + "@sha256:" + "d" * 64
    sets = [
        str(pinned.set_file("less", images[1:])),
        {"name": "absent", "pool": "edge", "images": [absent]},
    ]
    predicted = pinned.pin("--check", "--limit", "node1", pin_images_sets=sets)
    assert predicted.rc != 0
    assert predicted.node("node1")["state"] == "failed"
    assert [one["cause"] for one in predicted.node("node1")["images"]] == ["not_found"]
    run = pinned.pin("--limit", "node1", pin_images_sets=sets)
    assert run.rc != 0
    assert run.node("node1")["staged"] == [images[0].reference]
    assert "old pins still staged: 1" in run.output
    assert is_pinned(pinned.node("node1"), images[0])


def connections_opened_by(node: Node) -> int:
    """Return how many TCP connections the node asked for since it is up."""
    names, values = (
        line.split() for line in node.read("/proc/net/snmp").splitlines() if line.startswith("Tcp:")
    )
    return int(dict(zip(names, values, strict=True))["ActiveOpens"])


def test_registry_off(pinned: Fleet, images: Images) -> None:
    """Converged nodes stay green and wait for nobody; an unconverged one keeps what it has."""
    node, others = pinned.node("node2"), [pinned.node("node1"), pinned.node("node3")]
    node.exec(["crictl", "rmi", images[3].reference])

    def state() -> tuple[set[str], list[str], str]:
        """Pins, images and drop-in."""
        return node.pinned(), sorted(one["id"] for one in node.images()), node.read(DROP_IN)

    before, asked = state(), [connections_opened_by(one) for one in others]
    with pinned.lab.registry.away():
        run = pinned.pin(pin_images_lock=lock_of(pinned), pin_images_retries=1)
        by_sets = pinned.pin(pin_images_sets=[str(pinned.work / "all.yml")], pin_images_retries=1)
    for one in (run, by_sets):
        assert one.rc != 0
        assert one.node("node1")["state"] == one.node("node3")["state"] == "converged"
        assert one.node("node2")["state"] == "failed"
        assert [image["cause"] for image in one.node("node2")["images"]] == ["unreachable"]
        # The set is the same one, so there are no old pins to keep beside the new ones.
        assert one.node("node2")["staged"] == []
    assert state() == before
    assert [connections_opened_by(one) for one in others] == asked


def test_mirror_of_an_unreachable_source(fleet: Fleet, images: Images) -> None:
    """Images that only a mirror has are pinned under their source's name."""
    image = images[4]
    registry, path = image.reference.split("/", 1)
    source = f"source.invalid/{path}"
    mirror = (
        '[[registry]]\nprefix = "source.invalid"\nlocation = "source.invalid"\n'
        f'[[registry.mirror]]\nlocation = "{registry}"\ninsecure = true\n'
    )
    node = fleet.node("node1")
    node.write("/etc/containers/registries.conf.d/10-mirror.conf", mirror)
    node.exec(["systemctl", "reload", "crio"])
    fleet.home = fleet.work / "home"
    ours = fleet.home / ".config/containers/registries.conf.d/mirror.conf"
    ours.parent.mkdir(parents=True)
    ours.write_text(mirror)
    try:
        run = fleet.pin(
            "--limit", "node1", pin_images_sets=[{"name": "m", "pool": "edge", "images": [source]}]
        )
    finally:
        node.exec(["rm", "/etc/containers/registries.conf.d/10-mirror.conf"])
    assert run.rc == 0
    assert source in node.pinned()


def test_a_registry_that_wants_credentials(fleet: Fleet) -> None:
    """Locking takes the auth file of the control side, pulling the node's own; no secret is shown."""
    credentials = Credentials("edge", "s3cret-of-the-fleet")
    private = fleet.lab.add_registry("private", credentials)
    (image,) = payload.push(payload.demo(1), private)
    token = base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()
    auth = json.dumps({"auths": {private.address: {"auth": token}}})
    ours = fleet.work / "auth.json"
    ours.write_text(auth)
    sets, lock = [str(fleet.set_file("private", [image]))], fleet.work / "private.lock.yml"

    denied = fleet.lock(sets, lock)
    assert denied.rc != 0
    assert f"{image.reference}: unauthorized: " in " ".join(denied.output.split())
    assert not lock.exists()
    locked = fleet.lock(sets, lock, pin_images_registry_auth=str(ours))
    assert locked.rc == 0

    node = fleet.node("node1")
    without = fleet.pin("--limit", "node1", pin_images_lock=str(lock))
    assert [one["cause"] for one in without.node("node1")["images"]] == ["unauthorized"]
    node.write("/run/containers/0/auth.json", auth, 0o600)
    try:
        run = fleet.pin("--limit", "node1", pin_images_lock=str(lock))
    finally:
        node.exec(["rm", "/run/containers/0/auth.json"])
    assert run.rc == 0
    assert is_pinned(node, image)
    said = denied.output + locked.output + without.output + run.output + node.read(JOURNAL)
    assert credentials.password not in said
    assert token not in said

    # Or the play's environment has them, for a node that has none of its own.
    play = {
        "hosts": "node2",
        "gather_facts": False,
        "environment": {"CRICTL_AUTH": token},
        "tasks": [{"edgefleet.crio.pinned_image_set": {"references": [image.reference]}}],
    }
    (fleet.work / "own.yml").write_text(json.dumps([play]))
    own = Fleet(fleet.lab, fleet.work, Control(folder=fleet.work, playbook="{}.yml")).play("own")
    assert (own.rc, own.changed()) == (0, {"node2": 1})
    assert is_present(fleet.node("node2"), image)
    assert token not in own.output


def test_a_failure_that_was_rescued(pinned: Fleet, images: Images) -> None:
    """Of one process, the report of a run that finds all well knows nothing of one that failed."""
    unknown = f"{images[0].reference.partition('@')[0]}@sha256:{'0' * 64}"

    def bring(*wanted: str) -> dict[str, object]:
        return {
            "ansible.builtin.include_role": {"name": "edgefleet.crio.pin_images"},
            "vars": {"pin_images_sets": [{"name": "own", "images": wanted}]},
        }

    all_of_them = references(images)
    play = {
        "hosts": "node1",
        "gather_facts": False,
        "tasks": [
            {
                "block": [bring(*all_of_them, unknown)],
                "rescue": [bring(*all_of_them), bring(*all_of_them)],
            }
        ],
    }
    (pinned.work / "own.yml").write_text(json.dumps([play]))
    own = Fleet(pinned.lab, pinned.work, Control(folder=pinned.work, playbook="{}.yml")).play("own")
    assert own.rc == 0
    told = re.findall(r"^node1  (\w+) +(.*)$", own.output, re.MULTILINE)
    assert told == [
        ("failed", "1 of 31 images failed (not_found)"),
        ("changed", "30 images present and pinned"),
        ("converged", "30 images present and pinned"),
    ]


def test_a_registry_that_moves(pinned: Fleet, images: Images) -> None:
    """The images get their new names without their layers; the old names go, the images stay."""
    mirror = pinned.lab.add_registry("mirror")
    moved = payload.push(payload.demo(5), mirror)
    sets = [str(pinned.set_file("all", moved))]
    mark = mirror.mark()
    run = pinned.pin("--limit", "node1", pin_images_sets=sets, pin_images_remove_unpinned=True)
    assert run.rc == 0
    layers = {layer.digest for image in moved for layer in image.platform().layers}
    assert not pinned.blobs_fetched(since=mark, registry=mirror) & layers
    node = pinned.node("node1")
    assert set(references(moved)) <= node.pinned()
    assert not any(is_present(node, image) for image in images)


def collect_garbage_as_kubelet(node: Node) -> None:
    """Remove every image that CRI-O reports as not pinned and that no container uses."""
    containers = json.loads(node.exec(["crictl", "ps", "-a", "-o", "json"]).stdout)["containers"]
    used = {one["imageId"] for one in containers}
    for image in node.images():
        if not image["pinned"] and image["id"] not in used:
            node.exec(["crictl", "rmi", image["id"]])


def test_a_running_pod_and_garbage_collection(pinned: Fleet, images: Images) -> None:
    """A pod runs from a pinned image while the set changes; then what the kubelet would collect."""
    node = pinned.node("node1")
    used = images[3]
    pod = node.run_pod(used.reference)
    try:
        sets = [str(pinned.set_file("next", images[:2]))]
        assert pinned.pin("--limit", "node1", pin_images_sets=sets).rc == 0
        assert is_present(node, images[5])
        collect_garbage_as_kubelet(node)
        assert set(references(images[:2])) <= node.pinned()
        assert is_present(node, used)
        assert not is_present(node, images[5])
        run = pinned.pin("--limit", "node1", pin_images_sets=sets, pin_images_remove_unpinned=True)
        assert run.rc == 0
        assert pod.running
        assert is_present(node, used)
        (left,) = [one for one in run.node("node1")["images"] if one["outcome"] == "left"]
        assert (left["reference"], left["message"]) == (used.reference, "a container uses it")
        # From then on that costs a look and a second task, and says why.
        run = pinned.pin("--limit", "node1", pin_images_sets=sets, pin_images_remove_unpinned=True)
        assert (run.rc, run.changed()) == (0, {"node1": 0})
        assert f"left {used.reference}: a container uses it" in run.output
        assert not [
            one for one in run.tasks_on("node1") if "converge" in one or "CRI-O take" in one
        ]
    finally:
        pod.stop()


def test_unpin(pinned: Fleet, images: Images) -> None:
    """All pins gone, all images there, no drop-in, CRI-O running."""
    assert pinned.play("unpin_images").rc == 0
    for name in pinned.names:
        node = pinned.node(name)
        assert not node.pinned() & set(references(images))
        assert all(is_present(node, image) for image in images)
        assert not has_file(node, DROP_IN)
        assert node.exec(["systemctl", "is-active", "crio"]).stdout.strip() == "active"
    again = pinned.play("unpin_images")
    assert again.rc == 0
    assert set(again.changed().values()) == {0}


def test_too_little_space(images: Images, tmp_path: Path) -> None:
    """Nothing is pulled or changed on the small node, with all numbers; the other one finishes."""
    del images
    nodes = [NodeSpec("small", store_size=400 * MIB), NodeSpec("large", store_size=3 * GIB)]
    with Lab.up(nodes) as lab:
        fleet = Fleet(lab, tmp_path)
        fleet.reset()
        pushed = lab.push(payload.demo())
        mark = lab.registry.mark()
        run = fleet.pin(
            pin_images_sets=[str(fleet.set_file("all", pushed))],
            pin_images_min_free_bytes=350 * MIB,
        )
        assert run.rc != 0
        message = run.node("small")["message"]
        for word in ("have", "need", "keep", "missing", "/var/lib/containers/storage"):
            assert word in message
        assert "have_bytes" not in run.output
        small = lab.node("small")
        assert not [one for one in lab.registry.requests(since=mark) if one.client == small.address]
        assert not has_file(small, DROP_IN)
        assert not has_file(small, JOURNAL)
        assert run.node("large")["state"] == "changed"
        assert set(references(pushed)) <= lab.node("large").pinned()


def test_check_mode_on_a_fresh_node(fleet: Fleet, images: Images) -> None:
    """Says what would be pulled and written, with the diff, and touches nothing."""
    before = {name: fleet.node(name).images() for name in fleet.names}
    run = fleet.pin("--check", "--diff", pin_images_sets=[str(fleet.set_file("all", images))])
    assert run.rc == 0
    # Not the node on which another test ran a pod: it has the layer of the pause image.
    node = fleet.node("node2")
    assert run.node("node2")["state"] == "would change"
    would = {one["reference"] for one in run.node("node2")["images"]}
    assert would == set(references(images))
    plan = run.node("node2")["plan"]
    assert {one["reference"] for one in plan} == would
    assert f"would pull {plan[0]['reference']}" in run.output
    told = sum(one["bytes"] for one in run.node("node2")["images"])
    assert told == sum(layer_sizes(images).values())
    assert f"30 of 30 images would be pulled, {told / 1e6:.1f} MB" in run.output
    assert {line for line in run.output.splitlines() if line.startswith("+      ")} == {
        f'+      "{one}",' for one in would
    }
    assert run.output.count(f'+      "{plan[0]["reference"]}",') == len(fleet.names)
    assert re.search(r"MB; that fits, (about|at least) [\d.]+ [MG]B stay free", run.output)
    assert not has_file(node, DROP_IN)
    assert node.exec(["ls", "-A", "/var/lib"]).stdout.count("edgefleet") == 0
    assert {name: fleet.node(name).images() for name in fleet.names} == before


def test_unreachable_nodes_are_reported(fleet: Fleet, images: Images) -> None:
    """The others finish; the report has a line for the unreachable node; the exit code tells."""
    with out_of_reach(fleet.node("node3")):
        run = fleet.pin(pin_images_sets=[str(fleet.set_file("few", images[:2]))])
        everyone = fleet.pin("--limit", "node3", pin_images_sets=[str(fleet.work / "few.yml")])
    assert run.rc != 0
    assert run.node("node3")["state"] == "unreachable"
    assert run.node("node1")["state"] == "changed"
    assert everyone.rc != 0
    assert everyone.node("node3")["state"] == "unreachable"


def test_become_from_a_user_with_sudo(fleet: Fleet, images: Images) -> None:
    """A user with sudo pins as root does."""
    run = fleet.pin(
        "--limit",
        "node1",
        pin_images_sets=[str(fleet.set_file("few", images[:2]))],
        ansible_user="ops",
        ansible_become=True,
    )
    assert run.rc == 0
    assert set(references(images[:2])) <= fleet.node("node1").pinned()
    sets = [str(fleet.work / "few.yml")]
    without = fleet.pin("--limit", "node1", pin_images_sets=sets, ansible_user="ops")
    assert without.rc != 0
    assert "needs root" in without.node("node1")["message"]


def test_every_option_as_a_string(fleet: Fleet, images: Images) -> None:
    """Surveys and -e give strings; all of them work, in each playbook of the role."""
    specs = yaml.safe_load((CHECKOUT / "roles/pin_images/meta/argument_specs.yml").read_text())
    entries = specs["argument_specs"]
    sets, lock = fleet.set_file("few", images[:2]), fleet.work / "few.lock.yml"
    assert fleet.lock(str(sets), lock).rc == 0
    values = {
        "pin_images_lock": str(lock),
        "pin_images_lock_checksum": hashlib.sha256(lock.read_bytes()).hexdigest(),
        "pin_images_sets": str(sets),
        "pin_images_pool": "edge",
        "pin_images_min_free_bytes": "1000000",
        "pin_images_max_parallel": "2",
        "pin_images_allow_pins_above_gc_threshold": "no",
        "pin_images_retries": "1",
        "pin_images_pull_stall_timeout": "60",
        "pin_images_remove_unpinned": "false",
        "pin_images_allow_restart": "no",
        "pin_images_deep": "true",
        "pin_images_on_conflict": "fail",
        "pin_images_platforms": "linux/amd64",
        "pin_images_registry_auth": "",
        "pin_images_result": str(fleet.work / "result.json"),
    }
    assert values.keys() == entries["main"]["options"].keys()
    locks = {"pin_images_lock": "", "pin_images_lock_checksum": ""}
    for entry, playbook, changed, pins in (
        ("main", "pin-images", locks, 2),
        ("main", "pin-images", {}, 2),
        ("verify", "verify_images", {}, 2),
        ("unpin", "unpin_images", {}, 0),
    ):
        given = {name: values[name] for name in entries[entry]["options"]}
        assert fleet.play(playbook, "--limit", "node1", **{**given, **changed}).rc == 0
        assert len(fleet.node("node1").pinned() & set(references(images))) == pins
        assert (
            json.loads((fleet.work / "result.json").read_text())["nodes"]["node1"]["wanted"] == pins
        )


TAKE_PINS = """
- hosts: edge
  gather_facts: false
  vars:
    references: "{{ (lookup('ansible.builtin.file', set_file) | from_json).images }}"
  tasks:
    - ansible.builtin.include_role: {name: edgefleet.crio.pin_dropin}
      vars: {pin_dropin_state: present, pin_dropin_references: "{{ references }}"}
    - ansible.builtin.include_role: {name: edgefleet.crio.runtime_reload}
      vars: {runtime_reload_references: "{{ references }}"}
"""


def test_ten_thousand_references(fleet: Fleet) -> None:
    """They are compared with a node, pinned there, taken by CRI-O, and unpinned again."""
    many = [
        f"registry.example.com/fleet/app-{number:04d}@sha256:{number:064x}"
        for number in range(10_000)
    ]
    path = fleet.work / "many.json"
    path.write_text(json.dumps({"name": "many", "pool": "edge", "images": many}))
    verified = fleet.play("verify_images", "--limit", "node1", pin_images_sets=str(path))
    assert verified.rc != 0
    assert "10000 more" in verified.node("node1")["message"]
    play = fleet.work / "take_pins.yml"
    play.write_text(TAKE_PINS)
    taking = Fleet(fleet.lab, fleet.work, Control(playbook=str(play)))
    assert taking.play("", "--limit", "node1", set_file=str(path)).rc == 0
    node = fleet.node("node1")
    assert node.read(DROP_IN) == drop_in_bytes(many)
    running = node.exec(["crio", "status", "config"]).stdout
    assert all(one in running for one in (many[0], many[-1]))
    assert running.count("registry.example.com/fleet/app-") == len(many)
    assert fleet.play("unpin_images", "--limit", "node1").rc == 0
    assert "registry.example.com" not in node.exec(["crio", "status", "config"]).stdout


def test_the_journal_tells_what_happened(fleet: Fleet, images: Images) -> None:
    """Each line is whole JSON, before and after each effect; only root reads it."""
    sets = [str(fleet.set_file("few", images[:2]))]
    assert fleet.pin("--limit", "node1", pin_images_sets=sets).rc == 0
    node = fleet.node("node1")
    text = node.read(JOURNAL)
    events = [
        (json.loads(line)["event"], json.loads(line)["phase"]) for line in text.splitlines() if line
    ]
    assert events.count(("pull", "before")) == events.count(("pull", "after")) == 2
    assert ("pin", "before") in events
    assert ("reload", "after") in events
    assert node.exec(["stat", "-c", "%a", JOURNAL]).stdout.strip() == "600"
