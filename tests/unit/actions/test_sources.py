# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources of every kind, from files, folders, variables and nodes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.sources import (
    SourcePlace,
    read_sources,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.component import (
    Component,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.platform import (
    parse_pool_platforms,
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
from unit.plain_sets import FOLDERS, REFERENCE, a_set

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
PLATFORMS = {
    "control": ["linux/amd64"],
    "edge": ["linux/arm64", "linux/arm64/v9"],
    "far": ["linux/s390x"],
}


class Reader:
    """Reads sources, and keeps the warnings."""

    def __init__(self, host: FakeHost, **stores: list[str]) -> None:
        """Take the host and what nodes hold."""
        self.warnings: list[str] = []
        platforms = parse_pool_platforms(PLATFORMS, "here")
        self.place = SourcePlace(host, FOLDERS, STDIN, stores, platforms, self.warnings.append)

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


def microshift(name: str, base: str = "4.18.1") -> str:
    """Return one of MicroShift's lists, with one image of its own and one that all share."""
    own, shared = f"example.com/{name}:1", "example.com/proxy:1"
    return json.dumps({"release": {"base": base}, "images": {name: own, "kube-rbac-proxy": shared}})


def test_lists_of_microshift(host: FakeHost) -> None:
    """Of a folder those that fit the pool, of files all that are named; it is one set."""
    host.files = {
        "/here/release/release-aarch64.json": microshift("core-arm"),
        "/here/release/release-x86_64.json": microshift("core"),
        "/here/release/release-olm-aarch64.json": microshift("olm-arm"),
        "/here/release/release-olm-x86_64.json": microshift("olm", "4.18.2"),
        "/here/release/own.json": microshift("own"),
        "/here/release/README": "no",
        "/here/release-multus-x86_64.json": microshift("multus"),
    }
    found = Reader(host).read(
        {"microshift": ["release", "release-multus-x86_64.json"], "pool": "control"},
        {"microshift": "release", "pool": "edge", "set": "arm"},
        {"microshift": "release/release-x86_64.json", "pool": "far", "set": "named"},
    )
    proxy = "example.com/proxy:1"
    olm = ["example.com/olm:1", "example.com/core:1", "example.com/multus:1"]
    arm = ["example.com/core-arm:1", "example.com/olm-arm:1"]
    assert [(one.name, one.source, images(one)) for one in found] == [
        (
            "microshift",
            "microshift release, release-multus-x86_64.json (4.18.1, 4.18.2)",
            ["example.com/own:1", proxy, *olm],
        ),
        ("arm", "microshift release (4.18.1)", ["example.com/own:1", proxy, *arm]),
        (
            "named",
            "microshift release/release-x86_64.json (4.18.1)",
            ["example.com/core:1", proxy],
        ),
    ]


@pytest.mark.parametrize(
    ("files", "pool", "said"),
    [
        (
            ["release-x86_64.json", "release-olm-aarch64.json"],
            None,
            "set 'microshift': reading /r: it has lists for amd64 and arm64, and each is for nodes",
        ),
        (
            ["release-x86_64.json", "release-aarch64.json"],
            "far",
            "it has no list for linux/s390x. There are: release-aarch64.json, release-x86_64.json.",
        ),
        (["README"], "control", "it has no list for linux/amd64. There are: none."),
        (["release-x86_64.json"], "near", "looking for the platforms of pool 'near' of set 'micro"),
    ],
)
def test_no_lists_of_microshift(
    host: FakeHost, files: list[str], pool: str | None, said: str
) -> None:
    """Of one architecture there must be some, and of two there are none that fit all nodes."""
    host.files = {f"/r/{name}": microshift("m") for name in files}
    with pytest.raises(EdgefleetError) as caught:
        Reader(host).read({"microshift": "/r", "pool": pool})
    assert said in str(caught.value)


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
    host.files = {"/here/a.yml": twice, STDIN: f"{POD}---{CUSTOM.replace('Cluster', 'Pot')}"}
    reader = Reader(host)
    inline = {"name": "b", "images": [REFERENCE, REFERENCE]}
    reader.read({"pinned_image_set": ["a.yml", inline]}, {"manifests": "-"})
    assert reader.warnings == [
        f"/here/a.yml: set 'a' names images twice: {REFERENCE}",
        f"a set in a variable: set 'b' names images twice: {REFERENCE}",
        "set 'manifests': images in objects of these kinds are not locked: Pot.example.com (1 object)",
    ]


def test_warnings_of_many(host: FakeHost) -> None:
    """Five images are named, and it is said how many more there are."""
    references = [f"example.com/{number}@sha256:{'a' * 64}" for number in range(6)]
    host.files = {"/here/a.yml": json.dumps({"name": "a", "images": references * 2})}
    reader = Reader(host)
    reader.read({"pinned_image_set": "a.yml"})
    assert reader.warnings == [
        f"/here/a.yml: set 'a' names images twice: {', '.join(references[:5])} and 1 more",
    ]


def test_unknown_kinds(host: FakeHost) -> None:
    """Every kind of a source once, in all its files, with how many objects hold images."""
    kinds = [f"Kind{number}" for number in range(6)]
    objects = "---".join(CUSTOM.replace("Cluster", kind) for kind in ["Cluster", *kinds])
    host.files = {"/here/apps/a.yml": f"{POD}---{objects}", "/here/apps/b.yml": CUSTOM}
    reader = Reader(host)
    reader.read({"manifests": "apps", "set": "apps"})
    named = ", ".join(f"{kind}.example.com (1 object)" for kind in kinds)
    assert reader.warnings == [
        f"set 'apps': images in objects of these kinds are not locked: Cluster.example.com (2 objects), {named}"
    ]


def test_keys_that_stand_twice(host: FakeHost) -> None:
    """In manifests the last value counts, with a warning; a set with such a key is refused."""
    twice = "kind: ConfigMap\napiVersion: v1\ndata:\n  a: b\n  a: c\n"
    many = "".join(f"  k{number}: 1\n  k{number}: 2\n" for number in range(6))
    host.files = {
        "/here/apps/one.yml": f"{twice}---{POD}",
        "/here/apps/two.yml": f"kind: ConfigMap\napiVersion: v1\ndata:\n{many}",
    }
    reader = Reader(host)
    (one,) = reader.read({"manifests": "apps"})
    assert images(one) == ["example.com/c:1"]
    said = "of keys that stand twice the last value counts, as in Kubernetes:"
    named = ", ".join(f"'k{number}' in line {2 * number + 5}" for number in range(5))
    assert reader.warnings == [
        f"/here/apps/one.yml: {said} 'a' in line 5",
        f"/here/apps/two.yml: {said} {named} and 1 more",
    ]
    host.files = {"/here/s.yml": f"{a_set('s')}name: t\n"}
    with pytest.raises(EdgefleetError, match="the key 'name' stands twice in line 4, column 1"):
        reader.read({"pinned_image_set": "s.yml"})


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
