# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the full bench, each for a site of its own."""

from __future__ import annotations

from lab import payload

from . import converged, payloads, plans, pulls, storage
from .pulls import Task
from .rows import BLIND, BLIND_PAUSED, NAIVE, Row
from .ways import Site

# Manifests and small layers weigh more beside 30 MB.
ONE_LAYER_BAR = 1.03
_QUICK = (BLIND, BLIND_PAUSED)
_ALL = (*_QUICK, NAIVE)


def release_pulls(site: Site) -> list[Row]:
    """Three release-like payloads at both rates; today's slower ways with the first."""
    rows = []
    for seed in payloads.SEEDS:
        images = site.lab.push(payloads.release_like(seed))
        for rate in pulls.TIME_BARS:
            task = Task("release-like", seed, images, rate, timed=True)
            rows += pulls.pull_rows(site, site.lab.nodes[0], task, _ALL if seed == 1 else (BLIND,))
    return rows


def services_pulls(site: Site) -> list[Row]:
    """The other shape, at both rates."""
    rows = []
    images = site.lab.push(payloads.services(1))
    for rate in pulls.TIME_BARS:
        task = Task("services", 1, images, rate, timed=True)
        rows += pulls.pull_rows(site, site.lab.nodes[0], task, _QUICK)
    return rows


def one_layer_pulls(site: Site) -> list[Row]:
    """5, 20 and 60 images over one layer; one by one, as the naive playbook does, is no contest."""
    rows = []
    for count in payloads.ONE_LAYER_COUNTS:
        images = site.lab.push(payloads.over_one_layer(count, 1))
        task = Task(f"{count} over one layer", 1, images, 100, bytes_bar=ONE_LAYER_BAR)
        rows += pulls.pull_rows(site, site.lab.nodes[0], task, _QUICK)
    return rows


def at_once_pulls(site: Site) -> list[Row]:
    """The default of `max_parallel` beside fewer and more at once, where a pull's own cost shows."""
    images = site.lab.push(payloads.release_like(1))
    task = Task("release-like", 1, images, 100)
    return pulls.at_once_rows(site, site.lab.nodes[0], task, (3, 5, 8))


def half_filled_pulls(site: Site) -> list[Row]:
    """Release-like payloads of which the store has every other image."""
    rows = []
    for seed in payloads.SEEDS[:2]:
        images = site.lab.push(payloads.release_like(seed))
        half = payloads.half_of(images, seed)
        task = Task("release-like on half of it", seed, images, 100, half)
        rows += pulls.pull_rows(site, site.lab.nodes[0], task, (BLIND,))
    return rows


def storage_rows(site: Site) -> list[Row]:
    """Payloads that are hard to predict, measured and not, on each filesystem, empty and half full."""
    wanted = [
        payloads.small_files(1),
        payloads.large_files(1),
        payloads.crossed(1),
        payloads.two_platforms(1),
        payload.demo(),
    ]
    rows = []
    for one in wanted:
        images = site.lab.push(one)
        for present in ([], payloads.half_of(images, 1)):
            fill = storage.Fill(one.name, 1, images, present)
            for node in site.lab.nodes:
                rows += storage.unlimited_pull_rows(site, node, fill)
    return rows


def plan_rows(site: Site) -> list[Row]:
    """The very large locks."""
    return [
        row
        for large in (plans.MANY_LAYERS, plans.MANY_REFERENCES)
        for row in plans.plan_rows(site, site.lab.nodes[0], large, 1)
    ]


def converged_rows(site: Site) -> list[Row]:
    """A hundred images on three nodes, and these again after their stores were wiped."""
    images = site.lab.push(payload.demo(100))
    rows = converged.converged_rows(site, images, pairs=7, naive=True)
    return rows + converged.wiped_rows(site, images, pairs=7)
