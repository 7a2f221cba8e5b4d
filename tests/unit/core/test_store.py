# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images and layers of a store, read from real files of CRI-O 1.36.3, shortened."""

from __future__ import annotations

import json

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.answer import UnreadableAnswer
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.store import (
    StoreContents,
    StoredImage,
    StoredLayer,
    digests_of,
    parse_layers,
    parse_store_contents,
)

LAYERS_JSON = json.dumps(
    [
        {"id": "c621", "compressed-diff-digest": "sha256:" + "1" * 64, "compressed-size": 1093395,
         "diff-digest": "sha256:" + "2" * 64, "diff-size": 1986560, "compression": 2},
        {"id": "971a", "parent": "c621", "compressed-diff-digest": "sha256:" + "3" * 64,
         "flags": {"incomplete": True}},
        {"id": "9999", "compressed-diff-digest": "sha256:" + "4" * 64, "flags": None},
        {"id": "top", "parent": "971a"},
    ]
)  # fmt: skip


def test_layers() -> None:
    """Only layers that are complete and were pulled need not be fetched again."""
    assert digests_of(parse_layers(LAYERS_JSON)) == {"sha256:" + "1" * 64, "sha256:" + "4" * 64}


def test_contents() -> None:
    """Images with their uppermost layer, layers with the one below; incomplete ones are none."""
    images = json.dumps([{"id": "1", "names": ["a@d"], "layer": "top", "digest": "x"}, {"id": "2"}])
    layers = json.dumps(
        [
            {"id": "low", "compressed-diff-digest": "sha256:l", "diff-size": 7},
            {"id": "top", "parent": "low"},
            {"id": "torn", "parent": "low", "flags": {"incomplete": True}},
        ]
    )
    contents = parse_store_contents(images, layers)
    assert contents == StoreContents(
        {"1": StoredImage(frozenset({"a@d"}), "top"), "2": StoredImage(frozenset(), "")},
        {"low": StoredLayer("sha256:l", "", 7), "top": StoredLayer("", "low", 0)},
    )
    assert contents.layers_of(["1"]) == {"low", "top"}
    assert contents.layers_of(["2"]) == set()
    assert digests_of(parse_layers(layers)) == {"sha256:l"}


@pytest.mark.parametrize("text", ["", "no JSON", '{"other": 1}', '[["x"]]', "7", '[{"x": 1}, 7]'])
def test_unreadable_layers(text: str) -> None:
    """Anything else is an answer that we do not understand, never an empty store."""
    with pytest.raises(UnreadableAnswer, match=r"^reading the store's layers\.json: it "):
        parse_layers(text)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[7]", "it lacks "),
        ("null", "it lacks "),
        ('[{"compressed-diff-digest": "d", "flags": "incomplete"}]', "it lacks "),
        ("x", "it is no JSON, Expecting"),
    ],
)
def test_what_is_unreadable_is_named(text: str, cause: str) -> None:
    """The file, and what it lacks."""
    with pytest.raises(UnreadableAnswer) as caught:
        parse_layers(text)
    assert str(caught.value).startswith(f"reading the store's layers.json: {cause}")


def test_empty_contents() -> None:
    """As a store is before its first image."""
    assert parse_store_contents("", "") == StoreContents({}, {})


def test_layers_in_a_ring() -> None:
    """A store that is broken is no reason to hang."""
    contents = StoreContents(
        {"1": StoredImage(frozenset(), "a")},
        {"a": StoredLayer("", "b", 0), "b": StoredLayer("", "a", 0)},
    )
    assert contents.layers_of(["1"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("images", "layers", "message"),
    [
        ("torn", "[]", "reading the store's images.json: it is no JSON"),
        ("[7]", "[]", "reading the store's images.json: it lacks "),
        ("[]", '[{"diff-size": 7}]', "reading the store's layers.json: it lacks 'id'"),
        ("[]", '[{"id": "x", "diff-size": "many"}]', "reading the store's layers.json: it lacks "),
    ],
)
def test_unreadable_contents(images: str, layers: str, message: str) -> None:
    """The file is named."""
    with pytest.raises(UnreadableAnswer) as caught:
        parse_store_contents(images, layers)
    assert str(caught.value).startswith(message)
