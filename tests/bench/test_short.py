# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short bench: the bars that keep the product honest, on one seed, in a few minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from lab import GIB, Lab, NodeSpec, payload

from bench import converged, payloads, plans, pulls, report, simulated
from bench.pulls import Task
from bench.rows import BLIND, SKETCH, Row
from bench.suite import ONE_LAYER_BAR
from bench.ways import Site

# By how much a bar may be missed, as a fraction of it. Bytes, counts, predictions and what is
# simulated come out alike in every run and have none. Times do not where two cores carry nodes,
# registry and Ansible:
# - pulls at 25 Mbit took 1.03 to 1.11 times what the link needs at loads of 4 to 11, 5 % above the bar
#   at most; at 100 Mbit the cores are the limit, so that only the whole bench has a bar for that time;
# - pairs of run and ping on a busy machine lay from 26 % below to 16 % above their median.
TOLERANCES = {
    "cold_time_ratio": 0.08,
    "converged_ratio": 0.2,
    "wiped_look_ratio": 0.2,
}
_SEED = 1
# So many images of a release, where all of them would take too long.
_FEW = 40


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three nodes and a registry; every test starts from an empty store."""
    with Lab.up([NodeSpec(f"edge{number}", store_size=4 * GIB) for number in (1, 2, 3)]) as lab:
        yield Site(lab, tmp_path_factory.mktemp("bench"))


def check(rows: Sequence[Row]) -> None:
    """Show the figures, and hold them against their bars."""
    print(report.render_table(rows))
    missed = [row for row in rows if not row.within(TOLERANCES.get(row.key, 0))]
    assert not missed, f"missed:\n{report.render_table(missed)}"


def test_release_like(site: Site) -> None:
    """Every layer once, nearly as fast as the link allows, and in the room that was predicted."""
    images = site.lab.push(payloads.release_like(_SEED))
    task = Task("release-like", _SEED, images, 25, timed=True)
    check(pulls.pull_rows(site, site.lab.nodes[0], task, []))


def test_release_like_beside_blind_workers(site: Site) -> None:
    """Fewer bytes, and there earlier, also where the cores are the limit and not the link."""
    images = site.lab.push(payloads.release_like(_SEED, _FEW))
    task = Task(f"{_FEW} images of a release", _SEED, images, 100, timed=True)
    rows = pulls.pull_rows(site, site.lab.nodes[0], task, [BLIND])
    compared = [row for row in rows if BLIND in row.today]
    assert {row.key for row in compared} == {"uplink_body_bytes_ratio", "cold_time_ratio"}
    check([row for row in rows if row.key != "cold_time_ratio"])
    print(report.render_table(compared))
    assert all(row.value < row.today[BLIND] for row in compared)


def test_release_like_on_half_of_it(site: Site) -> None:
    """What the store has is not fetched again."""
    images = site.lab.push(payloads.release_like(_SEED, _FEW))
    half = payloads.half_of(images, _SEED)
    task = Task(f"{_FEW} images of a release on half of them", _SEED, images, 100, half)
    check(pulls.pull_rows(site, site.lab.nodes[0], task, []))


def test_twenty_images_over_one_layer(site: Site) -> None:
    """The layer crosses the link once."""
    images = site.lab.push(payloads.over_one_layer(20, _SEED))
    task = Task("20 over one layer", _SEED, images, 100, bytes_bar=ONE_LAYER_BAR)
    check(pulls.pull_rows(site, site.lab.nodes[0], task, []))


def test_simulated() -> None:
    """The plan leaves the link hardly idle, whatever is pulled, and is never behind the sketch."""
    rows = simulated.simulated_rows()
    check(rows)
    assert all(row.value <= row.today[SKETCH] for row in rows)


def test_plan(site: Site) -> None:
    """A very large lock is planned in the time of a few pings and in little memory.

    Seconds are shown only: they are the machine's as much as ours, 0.6 on one and 1.3 on another.
    """
    rows = plans.plan_rows(site, site.lab.nodes[0], plans.MANY_LAYERS, _SEED)
    print(report.render_table(rows))
    check([row for row in rows if row.key != "plan_cpu_seconds"])


def test_converged(site: Site) -> None:
    """Nodes on which all is well cost little more than a ping."""
    for node in site.lab.nodes:
        site.forget(node)
    images = site.lab.push(payload.demo(100))
    check(converged.converged_rows(site, images, pairs=5, naive=False))


def test_wiped(site: Site) -> None:
    """Nodes that lost their stores are known for little more than a ping, and get each layer once."""
    images = site.lab.push(payload.demo(100))
    site.pin(site.lock("converged", images), *site.lab.nodes)
    check(converged.wiped_rows(site, images, pairs=3))
