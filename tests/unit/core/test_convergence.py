# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a node deviates, and which pins are stale."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.convergence import (
    Deviation,
    file_deviations,
    image_deviations,
    left_over_pins,
    override_deviations,
    pin_matches,
    stale_pins,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.removal import plan_removal
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import (
    render_drop_in,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.found_file import (
    DIRECTORY,
    FILE,
    LINK,
    OTHER,
    FoundFile,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.images import (
    DaemonImage,
    ImageStore,
    StoredNames,
)

PATH = "/etc/crio/crio.conf.d/50-pinned-images"


def store(*images: tuple[str, str, bool]) -> ImageStore:
    """Return a store of images: identifier, names as letters, pinned."""
    return ImageStore(
        tuple(DaemonImage(one, frozenset(f"computed-{one}"), pinned) for one, _n, pinned in images),
        StoredNames({one: frozenset(names) for one, names, _pinned in images}),
    )


def test_images() -> None:
    """Not there, or there and not pinned, by the exact name; the rest is as wanted."""
    found = image_deviations("dabc", store(("1", "a", True), ("2", "bx", False), ("3", "y", True)))
    assert [(one.kind, one.subject) for one in found] == [
        ("unpinned", "b"),
        ("missing", "c"),
        ("missing", "d"),
    ]
    assert image_deviations("a", store(("1", "a", True))) == []


@pytest.mark.parametrize(
    ("wanted", "text", "kind", "detail"),
    [
        ("ab", render_drop_in("ab"), "", ""),
        ("", None, "", ""),
        ("ab", None, "file_differs", "the drop-in is not there"),
        ("ab", render_drop_in("abcd"), "staged", "it still pins 2 that no set wants"),
        ("", render_drop_in("ab"), "staged", "it still pins 2 that no set wants"),
        ("ab", render_drop_in("a"), "file_differs", "the drop-in has other content"),
        ("ab", render_drop_in("ac"), "file_differs", "the drop-in has other content"),
        ("ab", "# mine\n", "file_differs", "the drop-in has other content"),
        ("", "", "file_differs", "the drop-in has other content"),
        ("", render_drop_in(""), "file_differs", "the drop-in has other content"),
    ],
)
def test_the_file(wanted: str, text: str | None, kind: str, detail: str) -> None:
    """Committed, staged, or something else."""
    lying = FoundFile() if text is None else FoundFile(FILE, text, 0o644)
    found = file_deviations(wanted, PATH, lying, "")
    assert found == ([Deviation(kind, PATH, detail)] if kind else [])


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("xy", "the drop-in has other content, then"),
        ("abc", "it still pins 1 that no set wants, then"),
    ],
)
def test_the_file_as_another_run_left_it(text: str, detail: str) -> None:
    """Two that are set to different images meet on a node: who had it last is told from a hand."""
    lying = FoundFile(FILE, render_drop_in(text), 0o644)
    assert [one.detail for one in file_deviations("ab", PATH, lying, ", then")] == [detail]


@pytest.mark.parametrize(
    ("lying", "detail"),
    [
        (FoundFile(FILE, render_drop_in("a"), 0o600), "its mode is 0600, not 0644"),
        (FoundFile(FILE, render_drop_in("a"), 0o644, 5), "it belongs to user 5, not to root"),
        (FoundFile(LINK), "it is a symbolic link"),
        (FoundFile(DIRECTORY), "it is a directory"),
        (FoundFile(OTHER), "it is a special file"),
    ],
)
def test_an_odd_file(lying: FoundFile, detail: str) -> None:
    """Whatever its text: it is not the file that we wrote."""
    for wanted in ("a", ""):
        (found,) = file_deviations(wanted, PATH, lying, ", then")
        assert (found.kind, found.subject, found.detail) == ("file_differs", PATH, detail)


def test_overrides() -> None:
    """Each file that is read later is a deviation of its own."""
    found = override_deviations(["/c/60-x", "/c/70-y"])
    assert [(one.kind, one.subject) for one in found] == [
        ("overridden", "/c/60-x"),
        ("overridden", "/c/70-y"),
    ]


@pytest.mark.parametrize(
    ("images", "wanted", "ours", "foreign", "stale"),
    [
        ([("1", "a", True)], "", "a", [], "a"),
        ([("1", "a", False)], "", "a", [], ""),
        ([], "", "a", [], ""),
        ([("1", "a", True)], "a", "a", [], ""),
        # Never pinned by us: somebody else's business.
        ([("1", "b", True)], "", "a", [], ""),
        # Another wanted name, a foreign pin or the pause image holds the same image.
        ([("1", "ab", True)], "b", "a", [], ""),
        ([("1", "ab", True)], "", "a", ["b"], ""),
        ([("1", "a", True)], "", "a", ["*a*"], ""),
        ([("1", "a", True), ("2", "b", True)], "", "ba", ["c"], "ab"),
        # One that is gone, unpinned or held does not hide the next.
        ([("2", "b", True)], "", "ab", [], "b"),
        ([("1", "a", False), ("2", "b", True)], "", "ab", [], "b"),
        ([("1", "ax", True), ("2", "b", True)], "x", "ab", [], "b"),
    ],
)
def test_stale_pins(
    images: list[tuple[str, str, bool]], wanted: str, ours: str, foreign: list[str], stale: str
) -> None:
    """What we pinned, nobody wants and nothing else holds must not be reported pinned."""
    assert stale_pins(wanted, ours, store(*images), foreign) == tuple(stale)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("quay.io/a:1", "quay.io/a:1", True),
        ("quay.io/a:1", "quay.io/a:11", False),
        ("QUAY.io/a", "quay.io/A", True),
        ("quay.io/*", "quay.io/a", True),
        # As CRI-O compiles it, a prefix is not anchored.
        ("io/*", "quay.io/a", True),
        ("*pause*", "quay.io/pause:1", True),
        ("*pause*", "quay.io/a", False),
        ("quay.io/b*", "quay.io/a", False),
        ("a.b", "axb", False),
        ("example.com/*", "xample.com/a", False),
        ("*pause", "example.com/pause", False),
        ("*pause", "*pause", True),
        ("*pause*", "example.com/ause:1", False),
        ("*pause*", "example.com/paus:1", False),
        ("example.com/*", "example.com:5000/a", False),
    ],
)
def test_patterns_of_crio(pattern: str, name: str, matches: bool) -> None:
    """Exact, prefix and keyword, never minding case."""
    assert pin_matches(pattern, name) == matches


def test_removal() -> None:
    """Only what we pinned and nobody wants; never what is pinned, in use or somebody else's."""
    images = store(
        ("1", "a", False), ("2", "b", True), ("3", "c", False), ("4", "d", False),
        ("5", "x", False), ("6", "f", False),
    )  # fmt: skip
    plan = plan_removal("d", "abcdefg", images, frozenset({"3", "f"}))
    assert plan.remove == ("a",)
    assert plan.left == (
        ("b", "CRI-O reports it pinned"),
        ("c", "a container uses it"),
        ("f", "a container uses it"),
    )
    assert plan.gone == ("e", "g")


def test_removal_before_our_pins_are_withdrawn() -> None:
    """What only our own drop-in pins will go; what others pin will stay."""
    images = store(("1", "a", True), ("2", "b", True), ("3", "c", True))
    plan = plan_removal("c", "abc", images, frozenset(), still_pinning=["b*"])
    assert plan.remove == ("a",)
    assert plan.left == (("b", "CRI-O reports it pinned"),)


def test_what_is_left_over() -> None:
    """In the list of the running CRI-O, and in no file that counts."""
    assert left_over_pins("cab", "bx", "p") == ("a", "c")
    assert left_over_pins("ab", "ab", "p") == ()
    assert left_over_pins("apb", "a", "p") == ("b",)


def test_the_reasons() -> None:
    """Each deviation says in words what is wrong with its subject."""
    found = [
        *image_deviations("ab", store(("1", "a", False))),
        *override_deviations(["/c/60-x"]),
    ]
    assert [one.detail for one in found] == [
        "CRI-O does not report it pinned",
        "no image of this name is in the store",
        "CRI-O reads it later, and its pinned_images replace ours",
    ]


def test_the_old_name_of_a_wanted_image_goes() -> None:
    """After a registry has moved, the image is pinned by its new name, and the old one is litter."""
    images = ImageStore((DaemonImage("1", frozenset(), True),), StoredNames({"1": frozenset("on")}))
    assert plan_removal("n", "on", images, frozenset()).remove == ("o",)
    assert plan_removal("n", "on", images, frozenset("n")).remove == ()
    assert plan_removal("", "o", images, frozenset()).remove == ()


@pytest.mark.parametrize("handle", ["1", "b", "computed-1"])
def test_an_image_in_use_by_any_handle(handle: str) -> None:
    """A container may give its image by identifier, by another name, or by what CRI-O lists."""
    image = DaemonImage("1", frozenset({"computed-1"}), False)
    images = ImageStore((image,), StoredNames({"1": frozenset("ab")}))
    assert plan_removal("", "a", images, frozenset({handle})).remove == ()
    assert plan_removal("", "a", images, frozenset({"other"})).remove == ("a",)
