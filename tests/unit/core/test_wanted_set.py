# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets as their sources gave them."""

from __future__ import annotations

from ansible_collections.edgefleet.crio.plugins.module_utils.documents.component import (
    Component,
    Excluded,
    Exclusion,
    parse_component,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.lock import (
    LeftOut,
    LockedSet,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.wanted_set import (
    WantedSet,
)

ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")


def component(text: str, name: str = "") -> Component:
    """Return a component."""
    return parse_component(name, f"example.com/{text}", "x")


def test_resolved() -> None:
    """By digest, with the tags that led there; what has no digest is left out."""
    images = ("a:1", "a:2", f"a:3@{ONE}", f"a@{ONE}", f"b@{TWO}", "gone:1")
    excluded = Excluded(component("c:1", "see"), Exclusion("c*", "too large"))
    wanted = WantedSet("s", "edge", "images", tuple(map(component, images)), (excluded,))
    assert wanted.by_tag() == ["example.com/a:1", "example.com/a:2", "example.com/gone:1"]
    resolved = wanted.resolved({"example.com/a:1": ONE, "example.com/a:2": TWO})
    assert resolved.described == LockedSet(
        "s", "edge", "images", (LeftOut("example.com/c:1", "c*", "too large", "see"),)
    )
    assert resolved.images == {
        f"example.com/a@{ONE}": ("1", "3"), f"example.com/a@{TWO}": ("2",), f"example.com/b@{TWO}": (),
    }  # fmt: skip


def test_what_the_source_calls_an_image() -> None:
    """All its names there, and none for an image that has none or that was left out."""
    named = (("a:1", "etcd"), (f"a@{ONE}", "dns"), (f"a@{ONE}", "etcd"), (f"b@{TWO}", ""))
    images = tuple(component(text, name) for text, name in named)
    wanted = WantedSet("s", "edge", "release x", (*images, component("gone:1", "gone")))
    resolved = wanted.resolved({"example.com/a:1": ONE})
    assert resolved.names == {f"example.com/a@{ONE}": ("dns", "etcd")}
