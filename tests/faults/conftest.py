# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node and a registry for the whole session, the choices of its command line, and its summary."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from lab import Lab, NodeSpec

from .fault import Case, Fault, summary, write_cases
from .site import STORE_SIZE, VAR_TMP_SIZE, Site

_SEED = 20261125
_CASES: pytest.StashKey[list[Case]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the seed be chosen, the short form of the suite, or a part of it."""
    parser.addoption("--seed", type=int, default=_SEED, help="decides times and places of faults")
    parser.addoption("--short", action="store_true", help="the faults of the gate only")
    parser.addoption(
        "--part", default="1/1", help="as in 2/3: every third case, from the second on"
    )
    parser.addoption("--cases", type=Path, help="where to keep what became of the faults, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Begin without any case."""
    config.stash[_CASES] = []


def pytest_report_header(config: pytest.Config) -> str:
    """Say which seed it is."""
    return f"faults: --seed {config.getoption('--seed')}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that takes a fault those of its module's list `FAULTS`."""
    if "fault" in metafunc.fixturenames:
        metafunc.parametrize("fault", metafunc.module.FAULTS, ids=str)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    """Leave the faults of the gate, and of them those of this part."""
    part, parts = map(int, config.getoption("--part").split("/"))
    if config.getoption("--short"):
        items[:] = [one for one in items if _fault(one).short]
    items[:] = items[part - 1 :: parts]


def _fault(item: pytest.Function) -> Fault:
    fault = item.callspec.params["fault"]
    assert isinstance(fault, Fault)
    return fault


@pytest.fixture(scope="session")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A node that goes between two sets."""
    # Each of the places that a pull writes to has a disk of its own.
    with Lab.up([NodeSpec("edge1", store_size=STORE_SIZE, var_tmp_size=VAR_TMP_SIZE)]) as lab:
        yield Site(lab, tmp_path_factory.mktemp("faults"), request.config.getoption("--seed"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what became of each fault that was injected."""
    report = yield
    arguments = getattr(item, "funcargs", {})
    if call.when == "call" and "fault" in arguments:
        site, fault = arguments["site"], arguments["fault"]
        case = Case(
            seed=item.config.getoption("--seed"),
            row=item.path.stem.removeprefix("test_"),
            kind=fault.kind or fault.name,
            name=fault.name,
            survived=report.passed,
            lost=sorted(site.lost),
            taken=sorted(site.taken),
            seconds=round(report.duration, 1),
        )
        item.config.stash[_CASES].append(case)
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of faults, or keep what it is made of."""
    cases = config.stash[_CASES]
    if config.getoption("--cases"):
        write_cases(config.getoption("--cases"), cases)
        return
    terminalreporter.section("faults")
    for line in summary(cases):
        terminalreporter.write_line(line)
