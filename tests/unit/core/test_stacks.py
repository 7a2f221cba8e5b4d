# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store keeps a layer once for each stack that it lies on."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.stacks import (
    unpacked_layers,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.store import StoredLayer
from hypothesis import given
from hypothesis import strategies as st


def store_of(*images: str) -> dict[str, StoredLayer]:
    """Return the layers of these images, a letter each, named after their stacks."""
    return {
        image[: height + 1]: StoredLayer(image[height], image[:height], 1)
        for image in images
        for height in range(len(image))
    }


@pytest.mark.parametrize(
    ("images", "stored", "unpacked"),
    [
        ([], [], ""),
        (["ab", "ac"], [], "abc"),
        # Above another parent it is unpacked again.
        (["ac", "bc"], [], "acbc"),
        (["abb"], [], "abb"),
        (["ab", "ac"], ["ab"], "c"),
        (["ab"], ["b"], "ab"),
        (["bc"], ["ac"], "bc"),
        (["abcd"], ["ab", "xcd"], "cd"),
        (["ab", "ab"], [], "ab"),
    ],
)
def test_what_is_unpacked(images: list[str], stored: list[str], unpacked: str) -> None:
    """What is there at the same place is not, and nothing is twice at one place."""
    assert "".join(unpacked_layers(images, store_of(*stored))) == unpacked


def test_a_layer_without_a_digest() -> None:
    """One that was built on the node is nobody's."""
    assert unpacked_layers(["a"], {"x": StoredLayer("", "", 1)}) == ["a"]


STACKS = st.lists(st.text("abc", max_size=5), max_size=6)


@given(images=STACKS, stored=STACKS)
def test_as_many_as_new_stacks(images: list[str], stored: list[str]) -> None:
    """Each distinct beginning of an image that no store has, counted on its own."""

    def beginnings(of: list[str]) -> set[str]:
        return {one[:end] for one in of for end in range(1, len(one) + 1)}

    new = beginnings(images) - beginnings(stored)
    unpacked = unpacked_layers(images, store_of(*stored))
    assert sorted(unpacked) == sorted(one[-1] for one in new)
