# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node and a registry for the whole session, and the choices of its command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import GIB, Lab, NodeSpec

from .site import Site

_SEED = 20261125


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the seed be chosen, and the short form of the suite."""
    parser.addoption("--seed", type=int, default=_SEED, help="decides times and places of faults")
    parser.addoption("--short", action="store_true", help="the faults of the gate only")


def pytest_report_header(config: pytest.Config) -> str:
    """Say which seed it is."""
    return f"faults: --seed {config.getoption('--seed')}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that takes a fault those of its module's list `FAULTS`, or the short ones."""
    if "fault" in metafunc.fixturenames:
        short = metafunc.config.getoption("--short")
        faults = [one for one in metafunc.module.FAULTS if one.short or not short]
        metafunc.parametrize("fault", faults, ids=str)


@pytest.fixture(scope="session")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A node that goes between two sets."""
    with Lab.up([NodeSpec("edge1", store_size=2 * GIB)]) as lab:
        yield Site(lab, tmp_path_factory.mktemp("faults"), request.config.getoption("--seed"))
