# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage inside layers: found, named, and healed where nothing runs from them."""

from __future__ import annotations

import json

import pytest
from fleet import DROP_IN, Fleet
from lab import Node, payload

Images = list[payload.PushedImage]
STORE = "/var/lib/containers/storage"
# The demo's images 0, 3 and 6 stand on one base layer, 1 on another.
SHARED, APART = (0, 3, 6), 1


@pytest.fixture
def deep(fleet: Fleet, images: Images) -> Fleet:
    """Pin four images on node1."""
    fleet.set_file("few", [images[one] for one in (*SHARED, APART)])
    assert run(fleet).rc == 0
    return fleet


def run(fleet: Fleet, *arguments: str, playbook: str = "pin-images", **variables: object):
    """Run a playbook for the four images on node1, deep."""
    sets = [str(fleet.work / "few.yml")]
    return fleet.play(
        playbook,
        "--limit",
        "node1",
        *arguments,
        **{"pin_images_sets": sets, "pin_images_deep": True, **variables},
    )


def layer_of(node: Node, image: payload.PushedImage, place: int) -> str:
    """Return the store's identifier of a layer of an image; -1 is the uppermost."""
    layers = json.loads(node.read(f"{STORE}/overlay-layers/layers.json"))
    digest = image.platform().layers[place].digest
    return next(one["id"] for one in layers if one["compressed-diff-digest"] == digest)


def files_of(node: Node, layer: str) -> list[str]:
    """Return the regular files of a layer, sorted."""
    folder = f"{STORE}/overlay/{layer}/diff"
    found = node.exec(["find", folder, "-type", "f", "-size", "+1k"])
    return sorted(found.stdout.split())


def deviations(result: dict[str, object]) -> dict[str, str]:
    """Return what a run said is corrupt, by image."""
    listed = result["deviations"]
    assert isinstance(listed, list)
    return {one["subject"]: one["detail"] for one in listed if one["kind"] == "corrupt"}


def test_a_truncated_file_and_a_deleted_one(deep: Fleet, images: Images) -> None:
    """Each image with the layer is named with the file; they go together, and only damage is fetched."""
    node = deep.node("node1")
    whole = run(deep)
    assert whole.rc == 0
    assert set(whole.changed().values()) == {0}
    base, own = layer_of(node, images[0], 1), layer_of(node, images[APART], -1)
    cut, gone = files_of(node, base)[5], files_of(node, own)[3]
    node.exec(["truncate", "-s", "7", cut])
    node.exec(["rm", gone])

    assert run(deep, playbook="verify_images", pin_images_deep=False).rc == 0
    seen = run(deep, playbook="verify_images")
    assert seen.rc != 0
    named = deviations(seen.node("node1"))
    assert set(named) == {images[one].reference for one in (*SHARED, APART)}
    for one in SHARED:
        assert cut.partition("/diff/")[2] + " has 7 bytes of " in named[images[one].reference]
        assert images[0].platform().layers[1].digest in named[images[one].reference]
    assert gone.partition("/diff/")[2] + " is not there" in named[images[APART].reference]

    predicted = run(deep, "--check")
    assert predicted.rc == 0
    said = "4 damaged images would be removed and pulled again; that fits, "
    assert said in predicted.output
    assert f"would remove and pull again {images[APART].reference}" in predicted.output
    assert node.exec(["stat", "-c", "%s", cut]).stdout.strip() == "7"

    mark = deep.lab.registry.mark()
    healed = run(deep)
    assert healed.rc == 0
    assert healed.node("node1")["pulled"] == 4
    assert node.exec(["stat", "-c", "%s", cut]).stdout.strip() != "7"
    node.exec(["test", "-f", gone])
    fetched = deep.blobs_fetched(since=mark)
    # What other images hold stays: the common layers of images 1 and 3 are theirs alone, the
    # runtime's is that of the pause image too.
    assert images[0].platform().layers[1].digest in fetched
    assert images[APART].platform().layers[-1].digest in fetched
    assert {images[one].reference for one in (*SHARED, APART)} <= node.pinned()
    again = run(deep)
    assert again.rc == 0
    assert set(again.changed().values()) == {0}


def test_damage_beside_a_broken_drop_in(deep: Fleet, images: Images) -> None:
    """What a quick look sees does not hide what a deep one would."""
    node = deep.node("node1")
    node.exec(["rm", files_of(node, layer_of(node, images[APART], -1))[3]])
    node.exec(["truncate", "-s", "0", DROP_IN])
    seen = run(deep, playbook="verify_images")
    assert seen.rc != 0
    kinds = {one["kind"] for one in seen.node("node1")["deviations"]}
    assert {"file_differs", "corrupt"} <= kinds
    assert run(deep).rc == 0
    assert run(deep, playbook="verify_images").rc == 0


def test_what_a_container_uses_stays(deep: Fleet, images: Images) -> None:
    """It is named with its container's image, and heals when the pod is gone."""
    node = deep.node("node1")
    pod = node.run_pod(images[3].reference)
    try:
        cut = files_of(node, layer_of(node, images[0], 1))[0]
        node.exec(["truncate", "-s", "0", cut])
        predicted = run(deep, "--check")
        assert predicted.rc != 0
        assert "the node deviates (corrupt): " in predicted.node("node1")["message"]
        kept = run(deep)
        assert kept.rc != 0
        named = deviations(kept.node("node1"))
        assert set(named) == {images[one].reference for one in SHARED}
        assert all(f"a container uses {images[3].reference}" in one for one in named.values())
        assert pod.running
        assert {images[one].reference for one in (*SHARED, APART)} <= node.pinned()
    finally:
        pod.stop()
    assert run(deep).rc == 0
    assert node.exec(["stat", "-c", "%s", cut]).stdout.strip() != "0"


def test_torn_records_and_lost_folders(deep: Fleet, images: Images) -> None:
    """A torn record, a lost one, and a layer without its files are damage too, and heal."""
    node = deep.node("node1")
    torn = layer_of(node, images[0], -1)
    lost = layer_of(node, images[3], -1)
    empty = layer_of(node, images[APART], -1)
    records = f"{STORE}/overlay-layers"
    node.exec(["truncate", "-s", "700", f"{records}/{torn}.tar-split.gz"])
    node.exec(["rm", f"{records}/{lost}.tar-split.gz"])
    node.exec(["rm", "-r", f"{STORE}/overlay/{empty}/diff"])
    named = deviations(run(deep, playbook="verify_images").node("node1"))
    assert "it is torn" in named[images[0].reference]
    assert "the store's record of it is not there" in named[images[3].reference]
    assert "No such file or directory" in named[images[APART].reference]
    assert images[6].reference not in named
    assert run(deep).rc == 0
    assert run(deep, playbook="verify_images").rc == 0


def test_nothing_goes_that_cannot_come_back(deep: Fleet, images: Images) -> None:
    """Without its registry, a damaged image stays as it is."""
    node = deep.node("node1")
    gone = files_of(node, layer_of(node, images[APART], -1))[0]
    node.exec(["rm", gone])
    assert deep.lock([str(deep.work / "few.yml")], deep.work / "few.lock.yml").rc == 0
    lock = {"pin_images_lock": str(deep.work / "few.lock.yml"), "pin_images_retries": 0}
    with deep.lab.registry.away():
        kept = run(deep, **lock)
    assert kept.rc != 0
    (image,) = kept.node("node1")["images"]
    assert image["reference"] == images[APART].reference
    assert image["cause"] == "unreachable"
    assert "stays until it can be pulled again" in image["message"]
    assert images[APART].reference in node.pinned()
    assert run(deep, **lock).rc == 0
    node.exec(["test", "-f", gone])


def test_a_lost_record_of_an_image(deep: Fleet, images: Images) -> None:
    """CRI-O then lists no image at all; each run says what to do, and once that is done it is whole."""
    node = deep.node("node1")
    lost = next(one["id"] for one in node.images() if images[APART].reference in one["repoDigests"])
    node.exec(["rm", "-r", f"{STORE}/overlay-images/{lost}"])
    # What it has read it remembers.
    node.exec(["systemctl", "restart", "crio"])
    node.wait_ready()
    commands = ["systemctl stop crio", "crio check --quick --repair", "systemctl start crio"]
    for playbook in ("verify_images", "pin-images"):
        failed = run(deep, playbook=playbook)
        assert failed.rc != 0
        assert f'image with ID "{lost}"' in failed.output
        assert f": {'; '.join(commands)}. Then run again." in failed.output
        assert failed.node("node1")["needs"] == "person"
    for command in commands:
        node.exec(command.split())
    node.wait_ready()
    healed = run(deep)
    assert healed.rc == 0
    assert healed.node("node1")["pulled"] == 1
    assert {images[one].reference for one in (*SHARED, APART)} <= node.pinned()
