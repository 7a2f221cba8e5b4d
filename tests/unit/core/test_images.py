# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a node has and uses, read from real answers of crictl 1.36.0 and CRI-O 1.36.3, shortened."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.answer import UnreadableAnswer
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.images import (
    DaemonImage,
    ImageStore,
    StoredNames,
    parse_container_images,
    parse_crictl_images,
    parse_images_json,
    parse_running_images,
)

APP = "example.com/demo/app@sha256:" + "a" * 64
ALSO = "example.com/demo/app@sha256:" + "b" * 64
PAUSE = "example.com/lab/pause:1"

IMAGES = json.dumps(
    {
        "images": [
            {"id": "e6b8", "repoTags": [], "repoDigests": [APP, ALSO], "size": "9433712",
             "username": "", "pinned": True},
            {"id": "2041", "repoTags": [PAUSE], "repoDigests": [], "size": "1987573",
             "username": "", "pinned": False},
        ]
    }
)  # fmt: skip
IMAGES_JSON = json.dumps(
    [
        {"id": "e6b8", "digest": "sha256:" + "a" * 64, "names": [APP], "names-history": [APP, ALSO],
         "layer": "51b2", "metadata": "{}"},
        {"id": "2041", "names": [PAUSE], "layer": "c621"},
        {"id": "dead", "names": None},
        {"id": "gone"},
    ]
)  # fmt: skip
CONTAINERS = json.dumps(
    {
        "containers": [
            {"id": "ec48", "image": {"image": APP, "imageRef": ""}, "imageRef": APP,
             "state": "CONTAINER_RUNNING", "imageId": "5215"},
            {"id": "old", "image": None, "imageRef": PAUSE},
        ]
    }
)  # fmt: skip


def test_images_of_the_daemon() -> None:
    """Identifier, names and pinned."""
    assert parse_crictl_images(IMAGES) == (
        DaemonImage("e6b8", frozenset({APP, ALSO}), True),
        DaemonImage("2041", frozenset({PAUSE}), False),
    )
    assert parse_crictl_images('{"images": []}') == ()
    old = '{"images": [{"id": "1", "repoTags": null, "repoDigests": null}]}'
    assert parse_crictl_images(old) == (DaemonImage("1", frozenset(), False),)


def test_exact_names() -> None:
    """The digests that CRI-O adds in its lists are no names under which an image can be pinned."""
    store = ImageStore(parse_crictl_images(IMAGES), parse_images_json(IMAGES_JSON))
    assert store.present() == {APP, PAUSE}
    assert store.pinned() == {APP}
    assert store.stored.names_of("dead") == store.stored.names_of("unknown") == frozenset()
    found = store.image_named(APP)
    assert found
    assert found.identifier == "e6b8"
    assert store.image_named(ALSO) is None


def test_pulled_by_a_tag() -> None:
    """By an index, as the store has it, or by a manifest, which is all that there is."""
    index, own, single = (f"sha256:{letter * 64}" for letter in "123")
    digests = {"manifest": own, f"manifest-{index}": index, f"manifest-{own}": own}
    images_json = [
        {"id": "1", "names": ["example.com/a:1"], "digest": index, "big-data-digests": digests},
        {"id": "2", "names": ["example.com/b:1"], "big-data-digests": {"manifest": single}},
    ]
    listed = [
        {"id": "1", "repoTags": ["example.com/a:1"],
         "repoDigests": [f"example.com/a@{index}", f"example.com/a@{own}"]},
        {"id": "2", "repoTags": ["example.com/b:1"], "repoDigests": [f"example.com/b@{single}"]},
    ]  # fmt: skip
    stored = parse_images_json(json.dumps(images_json))
    images = parse_crictl_images(json.dumps({"images": listed}))
    expected = (f"example.com/a@{index}", f"example.com/b@{single}")
    assert ImageStore(images, stored).digest_references() == expected
    # Also where a second store has images.
    merged = StoredNames({}).merged_with(stored).merged_with(StoredNames({}))
    assert ImageStore(images, merged).digest_references() == expected


def test_names_of_several_stores() -> None:
    """An image may have names in the store and in an additional one."""
    both = StoredNames({"1": frozenset("a")}).merged_with(
        StoredNames({"1": frozenset("b"), "2": frozenset("c")})
    )
    assert both == StoredNames({"1": frozenset("ab"), "2": frozenset("c")})
    one = StoredNames({"1": frozenset("a")})
    one.merged_with(both)
    assert one == StoredNames({"1": frozenset("a")})


def test_images_in_use() -> None:
    """By every name and identifier that a container gives its image."""
    assert parse_running_images(CONTAINERS) == {APP, "5215", PAUSE}
    assert parse_running_images('{"containers": null}') == frozenset()


def test_images_of_all_that_the_store_keeps() -> None:
    """Sandboxes, and containers of other programs; a container need not have an image."""
    kept = [{"id": "1", "image": "5215"}, {"id": "2", "image": ""}, {"id": "3"}]
    assert parse_container_images(json.dumps(kept)) == {"5215"}


@pytest.mark.parametrize(
    "parse",
    [parse_crictl_images, parse_images_json, parse_running_images, parse_container_images],
)
@pytest.mark.parametrize("text", ["", "no JSON", '{"other": 1}', '[["x"]]', "7", '[{"x": 1}, 7]'])
def test_unreadable(parse: Callable[[str], object], text: str) -> None:
    """Anything else is an answer that we do not understand, never an empty store."""
    with pytest.raises(UnreadableAnswer, match=r"^reading the "):
        parse(text)


def test_an_image_in_use_by_its_tag() -> None:
    """The name that the container was asked for counts beside what CRI-O made of it."""
    container = {"imageRef": APP, "image": {"image": PAUSE}, "imageId": "5215"}
    assert parse_running_images(json.dumps({"containers": [container]})) == {APP, PAUSE, "5215"}


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_crictl_images, "{}", "the answer of 'crictl images': it lacks 'images'."),
        (parse_crictl_images, '{"images": [{}]}', "the answer of 'crictl images': it lacks 'id'."),
        (parse_images_json, "[{}]", "the store's images.json: it lacks 'id'."),
        (
            parse_images_json,
            '[{"id": "x", "big-data-digests": [7]}]',
            "the store's images.json: it lacks ",
        ),
        (parse_running_images, "{}", "the answer of 'crictl ps': it lacks 'containers'."),
        (
            parse_running_images,
            '{"containers": [{"imageRef": "x", "image": "x"}]}',
            "the answer of 'crictl ps': it lacks ",
        ),
        (parse_crictl_images, "x", "the answer of 'crictl images': it is no JSON, Expecting"),
        (parse_images_json, "x", "the store's images.json: it is no JSON, Expecting"),
        (parse_running_images, "x", "the answer of 'crictl ps': it is no JSON, Expecting"),
    ],
)
def test_what_is_unreadable_is_named(
    parse: Callable[[str], object], text: str, message: str
) -> None:
    """The program or the file, and what it lacks."""
    with pytest.raises(UnreadableAnswer) as caught:
        parse(text)
    assert str(caught.value).startswith(f"reading {message}")


def test_by_digest() -> None:
    """As it was pulled; by tag alone, the digests that the daemon has for that repository."""
    tagged = "example.com:5000/demo/agent"
    digests = frozenset({f"{tagged}@sha256:1", f"{tagged}@sha256:2", "other.com/x@sha256:1"})
    images = (
        DaemonImage("e6b8", frozenset({APP, ALSO}), True),
        DaemonImage("aaaa", digests | {f"{tagged}:1"}, False),
        DaemonImage("bbbb", frozenset({"example.com/unknown:1"}), False),
        DaemonImage("cccc", frozenset({"example.com/late@sha256:3"}), False),
    )
    names = {"e6b8": frozenset({APP}), "aaaa": frozenset({f"{tagged}:1"})}
    both = {**names, "dddd": frozenset({"gone.com/x@sha256:4"})}
    assert ImageStore(images, StoredNames(both)).digest_references() == (
        APP, "example.com/late@sha256:3", f"{tagged}@sha256:1", f"{tagged}@sha256:2",
    )  # fmt: skip
    # Of an index and the manifest in it that the node has, the index alone.
    instances = {"aaaa": "sha256:2", "e6b8": "sha256:" + "a" * 64, "cccc": "sha256:3"}
    assert ImageStore(images, StoredNames(both, instances)).digest_references() == (
        APP, "example.com/late@sha256:3", f"{tagged}@sha256:1",
    )  # fmt: skip
    # What was pulled by that digest was meant.
    both["aaaa"] |= {f"{tagged}@sha256:2"}
    for stored in (StoredNames(both), StoredNames(both, instances)):
        assert ImageStore(images, stored).digest_references() == (
            APP, "example.com/late@sha256:3", f"{tagged}@sha256:2",
        )  # fmt: skip
