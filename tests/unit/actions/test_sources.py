# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets and locks from files, folders and variables."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.sources import (
    SourcePlace,
    read_checked_lock,
    read_lock,
    read_sets,
    read_sources,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.component import (
    Component,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.sources import (
    CatalogSource,
    PinnedImageSetSource,
    ReleaseSource,
    parse_sources,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.wanted_set import WantedSet
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from unit.fake_host import FakeHost

REFERENCE = "example.com/a@sha256:" + "a" * 64
FOLDERS = ["/play", "/here"]


def a_set(name: str) -> str:
    """Return a plain set as text."""
    return f"---\nname: {name}\nimages: [{REFERENCE}]\n"


def test_files_folders_and_values(host: FakeHost) -> None:
    """Relative paths are looked for beside the playbook first; folders give their YAML and JSON."""
    host.files = {
        "/play/one.yml": a_set("one"),
        "/here/one.yml": a_set("not this"),
        "/here/sets/two.yaml": a_set("two") + a_set("three"),
        "/here/sets/deep/four.json": '{"name": "four", "images": ["' + REFERENCE + '"]}',
        "/here/sets/README.md": "no set",
        "/abs/five.txt": a_set("five"),
    }
    inline = {"name": "six", "images": [REFERENCE]}
    sources = ["one.yml", "sets", "/abs/five.txt", inline]
    found = read_sets(host, sources, FOLDERS)
    assert [one.name for one in found] == ["one", "four", "two", "three", "five", "six"]
    assert found[0].origin == "/play/one.yml"
    assert found[-1].origin == "entry 4 of the sets"


@pytest.mark.parametrize(
    ("files", "sources", "said"),
    [
        (
            {},
            [],
            (
                "reading the sets: there are none. Name one at least in pin_images_sets; what is in"
                " pin_images_sources is taken from a lock of lock_images.yml, named in"
                " pin_images_lock."
            ),
        ),
        ({}, ["x.yml"], "reading 'x.yml': there is no /play/x.yml and no /here/x.yml"),
        ({}, ["/x.yml"], "reading '/x.yml': there is no /x.yml. Check the path."),
        ({"/x.yml": "---\n"}, ["/x.yml"], "reading /x.yml: it holds no document"),
        ({"/d/README": "x"}, ["/d"], "reading /d: it holds no document"),
        ({"/x.yml": "a: ["}, ["/x.yml"], "reading /x.yml: "),
        (
            {"/x.yml": a_set("a") * 2},
            ["/x.yml"],
            "set 'a' in /x.yml: /x.yml has a set of that name",
        ),
        ({}, [7], "entry 1 of the sets"),
    ],
)
def test_refused(host: FakeHost, files: dict[str, str], sources: list[Any], said: str) -> None:
    """What cannot be read is named."""
    host.files = files
    with pytest.raises(EdgefleetError) as caught:
        read_sets(host, sources, FOLDERS)
    assert said in str(caught.value)


def test_lock(host: FakeHost) -> None:
    """A lock is looked for in the same places."""
    host.files = {"/here/l.yml": "version: 9\n"}
    with pytest.raises(EdgefleetError, match=r"reading the lock /here/l\.yml: it has version 9"):
        read_lock(host, "l.yml", FOLDERS)
    absent = r"there is no /play/m and no /here/m\. Check the path, or make the lock with lock_im"
    with pytest.raises(EdgefleetError, match=absent):
        read_lock(host, "m", FOLDERS)
    with pytest.raises(EdgefleetError, match=absent):
        read_checked_lock(host, "m", "a" * 64, FOLDERS)


def test_a_lock_that_was_emptied(host: FakeHost) -> None:
    """A set without any image would unpin what it wanted, also one that left all out."""
    emptied = "version: 1\nplatforms: [linux/amd64]\nimages: []\nlayers: {}\nsets:\n- name: base\n"
    left_out = f"  excluded:\n  - {{image: '{REFERENCE}', pattern: '*', reason: ''}}\n"
    for more in ("", left_out):
        host.files = {"/here/l.yml": f"{emptied}  pool: edge\n{more}"}
        with pytest.raises(
            EdgefleetError, match=r"l\.yml: no image is asked for by set 'base'\. L"
        ):
            read_lock(host, "l.yml", FOLDERS)


POD = """
kind: Pod
apiVersion: v1
metadata: {name: p}
spec: {containers: [{name: c, image: "example.com/c:1"}]}
"""
CUSTOM = """
kind: Cluster
apiVersion: example.com/v1
metadata: {name: k}
spec: {image: "example.com/k:1"}
"""
STDIN = "/proc/7/fd/0"


class Reader:
    """Reads sources, and keeps the warnings."""

    def __init__(self, host: FakeHost, **stores: list[str]) -> None:
        """Take the host and what nodes hold."""
        self.warnings: list[str] = []
        self.place = SourcePlace(host, FOLDERS, STDIN, stores, self.warnings.append)

    def read(self, *entries: dict[str, Any]) -> list[WantedSet]:
        """Return the sets of entries; a release is one image."""
        return read_sources(self.place, parse_sources(list(entries), "x"), self.image)

    def image(self, source: ReleaseSource | CatalogSource) -> tuple[str, tuple[Component, ...]]:
        """Return an image as its own contents."""
        return f"image {source.image}", (Component("release", source.image),)


def images(one: WantedSet) -> list[str]:
    """Return the references of a set."""
    return [str(component.reference) for component in one.components]


def test_every_source(host: FakeHost) -> None:
    """Each gives its set, says where it came from, and keeps to its pool."""
    listed = {"release": {"base": "4.1"}, "images": {"m": REFERENCE}}
    host.files = {
        "/play/ms.json": json.dumps(listed),
        "/here/apps/one.yml": POD,
        "/here/apps/deep/two.yaml": POD.replace("c:1", "d:1"),
        "/here/apps/README.md": "no",
        "/here/sets/a.yml": a_set("a"),
    }
    found = Reader(host, golden=[REFERENCE]).read(
        {"pinned_image_set": "sets", "pool": "edge"},
        {"images": ["example.com/i"], "pool": "edge"},
        {"release": "example.com/r:4"},
        {"microshift": "ms.json"},
        {"manifests": "apps", "set": "apps"},
        {"node": "golden"},
    )
    assert [(one.name, one.pool, one.source, images(one)) for one in found] == [
        ("a", "edge", "pinned_image_set sets/a.yml", [REFERENCE]),
        ("images", "edge", "images", ["example.com/i:latest"]),
        ("release-4", None, "image example.com/r:4", ["example.com/r:4"]),
        ("microshift", None, "microshift ms.json (4.1)", [REFERENCE]),
        ("apps", None, "manifests apps", ["example.com/d:1", "example.com/c:1"]),
        ("node-golden", None, "node golden", [REFERENCE]),
    ]


def test_sets_of_a_source(host: FakeHost) -> None:
    """A set's own pool counts; a document has no place; what is excluded is each set's own."""
    other = REFERENCE.replace("/a@", "/b@")
    documents = [
        {"name": "one", "pool": "control", "images": [REFERENCE, other]},
        {"name": "two", "images": [REFERENCE]},
    ]
    entry = {"pinned_image_set": documents, "pool": "edge", "exclude": ["*/b"]}
    one, two = Reader(host).read(entry)
    assert (one.name, one.pool, one.source, images(one)) == ("one", "control", "", [REFERENCE])
    assert [str(left.component.reference) for left in one.excluded] == [other]
    assert (two.name, two.pool, images(two), two.excluded) == ("two", "edge", [REFERENCE], ())


def test_work_grows_with_the_references_and_not_with_their_square(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How often one image is held against another, of those that stay and those left out."""
    compared = 0
    compare = Component.__eq__

    def counted(one: Component, other: object) -> bool:
        nonlocal compared
        compared += 1
        return compare(one, other)

    monkeypatch.setattr(Component, "__eq__", counted)
    references = [f"example.com/{number}@sha256:{'a' * 64}" for number in range(2000)]
    documents = [{"name": name, "images": references} for name in ("one", "two")]
    found = Reader(host).read({"pinned_image_set": documents, "exclude": ["example.com/1*"]})
    assert [(len(one.components), len(one.excluded)) for one in found] == [(889, 1111)] * 2
    assert compared <= 4 * len(references)


def test_standard_input(host: FakeHost) -> None:
    """What was piped into the command."""
    host.files = {STDIN: POD}
    (one,) = Reader(host).read({"manifests": "-"})
    assert (one.source, images(one)) == ("manifests standard input", ["example.com/c:1"])


def test_warnings(host: FakeHost) -> None:
    """Images named twice, and images where nobody knows to look."""
    twice = f"---\nname: a\nimages: [{REFERENCE}, {REFERENCE}]\n"
    host.files = {"/here/a.yml": twice, STDIN: f"{POD}---{CUSTOM}"}
    reader = Reader(host)
    inline = {"name": "b", "images": [REFERENCE, REFERENCE]}
    reader.read({"pinned_image_set": ["a.yml", inline]}, {"manifests": "-"})
    assert reader.warnings == [
        f"/here/a.yml: set 'a' names images twice: {REFERENCE}",
        f"a set in a variable: set 'b' names images twice: {REFERENCE}",
        "standard input: images of these objects are not locked: Cluster k",
    ]


def test_warnings_of_many(host: FakeHost) -> None:
    """Five are named, and it is said how many more there are."""
    references = [f"example.com/{number}@sha256:{'a' * 64}" for number in range(6)]
    objects = "---".join(CUSTOM.replace("name: k", f"name: k{number}") for number in range(7))
    host.files = {
        "/here/a.yml": json.dumps({"name": "a", "images": references * 2}),
        STDIN: f"{POD}---{objects}",
    }
    reader = Reader(host)
    reader.read({"pinned_image_set": "a.yml"}, {"manifests": "-"})
    named = ", ".join(f"Cluster k{number}" for number in range(5))
    assert reader.warnings == [
        f"/here/a.yml: set 'a' names images twice: {', '.join(references[:5])} and 1 more",
        f"standard input: images of these objects are not locked: {named} and 2 more",
    ]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {"manifests": "-"},
            "set 'manifests': reading manifests from standard input: nothing came",
        ),
        ({"manifests": "x"}, "set 'manifests': reading 'x': there is no /play/x and no /here/x"),
        ({"manifests": "/m"}, "set 'manifests': reading /m: no workload there has an image"),
        ({"microshift": "/m"}, "set 'microshift': reading /m: "),
        ({"node": "n"}, "set 'node-n': reading what node n holds: nobody looked at it. Lock with"),
        ({"node": "empty"}, "reading what node empty holds: it holds no image by digest"),
        (
            {"images": ["example.com/i:1"], "exclude": ["*/x"]},
            "set 'images': excluding '*/x' from images: nothing there matches it",
        ),
        (
            {"pinned_image_set": {"name": "s", "images": [REFERENCE]}, "exclude": ["*/x"]},
            "excluding '*/x' from entry 1: nothing there matches it",
        ),
        (
            {"images": ["example.com/i:1", "example.com/j:1"], "exclude": ["*/j", "*"]},
            "set 'images' of images: all its images are excluded by '*', '*/j'. Correct the",
        ),
        (
            {
                "pinned_image_set": [
                    {"name": "s", "images": [REFERENCE]},
                    {"name": "t", "images": [REFERENCE.replace("/a@", "/b@")]},
                ],
                "exclude": ["*/b"],
            },
            "set 't' of a variable: all its images are excluded by '*/b'. Correct the patterns, or",
        ),
        ({"pinned_image_set": {"name": "s"}}, "reading set 's' (a set in a variable): images is"),
    ],
)
def test_sources_refused(host: FakeHost, entry: dict[str, Any], said: str) -> None:
    """The set, what was read, and why."""
    host.files = {"/m": "kind: ConfigMap\napiVersion: v1\n", STDIN: ""}
    with pytest.raises(EdgefleetError) as caught:
        Reader(host, empty=[]).read(entry)
    assert said in str(caught.value)


def test_no_sources(host: FakeHost) -> None:
    """Something must be asked for."""
    with pytest.raises(
        EdgefleetError,
        match=r"there are none\. Name one at least in pin_images_sets or pin_images_sources\.",
    ):
        Reader(host).read()


def test_two_sets_of_one_name(host: FakeHost) -> None:
    """Whatever their sources."""
    documents = PinnedImageSetSource(0, "", None, (), ({"name": "images", "images": [REFERENCE]},))
    sources = [documents, *parse_sources([{"images": [REFERENCE]}], "x")]
    reader = Reader(host)
    with pytest.raises(EdgefleetError, match="set 'images' of images: a variable has a set of"):
        read_sources(reader.place, sources, reader.image)
