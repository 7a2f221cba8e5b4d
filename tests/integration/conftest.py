# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real nodes, a real registry, and the playbooks as users run them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import Fleet
from lab import GIB, Lab, NodeSpec, payload

# What takes longest, then what waits most, begins first: both workers then have work to the end.
_FIRST = (
    "test_pin_images", "test_stall", "test_full_disks", "test_deep", "test_demo", "test_lab",
    "test_control_sides", "test_modules", "test_locking", "test_storage",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; `make integration` hands them out in this order.

    Within a file, tests that want what others left on the nodes come after those that begin with
    nothing there, instead of having them pull it each time.
    """
    places = {name: place for place, name in enumerate(_FIRST)}
    items.sort(
        key=lambda item: (
            places.get(item.path.stem, len(places)),
            "pinned" in getattr(item, "fixturenames", ()),
        )
    )


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Three nodes and a registry, for the whole session; tests leave nodes as they found them."""
    with Lab.up([NodeSpec(f"node{number}", store_size=3 * GIB) for number in (1, 2, 3)]) as up:
        yield up


@pytest.fixture(scope="session")
def images(lab: Lab) -> list[payload.PushedImage]:
    """Thirty images with shared layers, one of them for two platforms, in the registry."""
    return lab.push(payload.demo())


@pytest.fixture
def fleet(lab: Lab, images: list[payload.PushedImage], tmp_path: Path) -> Fleet:
    """Bring the nodes to where they had never seen us, and the playbooks to run against them."""
    del images
    fleet = Fleet(lab, tmp_path)
    fleet.reset()
    return fleet
