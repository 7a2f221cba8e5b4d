# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What could go to make room: unpinned, unused, unwanted, the largest first."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.freeing import (
    Removable,
    plan_freeing,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.images import DaemonImage
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.store import (
    StoreContents,
    StoredImage,
    StoredLayer,
)

# Two small images over one base; one large, one tagged image, one of no layer and no name.
CONTENTS = StoreContents(
    images={
        "1": StoredImage(frozenset({"one@d"}), "one"),
        "2": StoredImage(frozenset({"two@d"}), "two"),
        "3": StoredImage(frozenset({"large:1", "large@d"}), "large"),
        "4": StoredImage(frozenset(), ""),
    },
    layers={
        "base": StoredLayer("sha256:b", "", 100),
        "one": StoredLayer("sha256:1", "base", 10),
        "two": StoredLayer("sha256:2", "base", 20),
        "large": StoredLayer("sha256:3", "", 70),
    },
)
ALL = tuple(DaemonImage(one, frozenset({f"{one}@listed"}), False) for one in "1234")


def freeing(
    enough: int = 10**9, pinned: str = "", in_use: set[str] | None = None, wanted: tuple = ()
) -> list[tuple[str, int]]:
    """Plan, with some images pinned."""
    images = [DaemonImage(one.identifier, one.names, one.identifier in pinned) for one in ALL]
    plan = plan_freeing(CONTENTS, images, frozenset(in_use or ()), wanted, enough)
    assert all(isinstance(one, Removable) for one in plan)
    return [(one.name, one.bytes) for one in plan]


def test_largest_first() -> None:
    """By what goes with each alone; a shared layer goes with the last image that has it."""
    assert freeing() == [("large:1", 70), ("two@d", 20), ("one@d", 110), ("4@listed", 0)]


@pytest.mark.parametrize(
    ("enough", "count"), [(0, 0), (1, 1), (70, 1), (71, 2), (90, 2), (91, 3), (200, 3), (201, 4)]
)
def test_no_more_than_needed(enough: int, count: int) -> None:
    """The list ends where it fits."""
    assert len(freeing(enough)) == count


@pytest.mark.parametrize(
    "kept",
    [
        {"pinned": "3"},
        {"wanted": ("large@d",)},
        {"in_use": {"3"}},
        {"in_use": {"large:1"}},
        {"in_use": {"3@listed"}},
    ],
)
def test_what_must_stay(kept: dict) -> None:
    """Pinned, wanted, or in use under whatever name."""
    assert [name for name, _bytes in freeing(**kept)] == ["two@d", "one@d", "4@listed"]


def test_what_stays_keeps_its_layers() -> None:
    """A base of an image that stays is not freed."""
    assert freeing(pinned="1") == [("large:1", 70), ("two@d", 20), ("4@listed", 0)]


def test_images_of_other_stores_free_nothing() -> None:
    """What the daemon lists from a read-only store is not there to go; an identifier is a name."""
    elsewhere = DaemonImage("9", frozenset(), False)
    nameless = DaemonImage("4", frozenset(), False)
    plan = plan_freeing(CONTENTS, [elsewhere, nameless], frozenset(), (), 1)
    assert plan == (Removable("4", 0),)
