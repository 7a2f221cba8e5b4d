# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows, and what is made of them; needs no lab."""

from __future__ import annotations

import re

from bench import payloads, report
from bench.rows import BLIND, NAIVE, Row

MET = Row("uplink_body_bytes_ratio", "some", 1, 1.01, 1.02, {BLIND: 1.5, NAIVE: 1.0})
MISSED = Row("plan_cpu_seconds", "a < b", 2, 1.3, 1, {}, "s")


def test_a_bar_is_met_up_to_itself_and_missed_above() -> None:
    """With a tolerance, a bar may be missed by that fraction of it."""
    assert MET.met
    assert Row("key", "payload", 1, 1.02, 1.02, {}).met
    assert not MISSED.met
    assert MISSED.within(0.3)
    assert not MISSED.within(0.29)


def test_a_bar_may_have_a_lower_end() -> None:
    """What is below it is missed, whatever the tolerance; the table and the plot say so."""
    met, under = (Row("key", "payload", 1, value, 0.5, {}, least=0) for value in (0.0, -0.23))
    assert met.met
    assert not under.within(0.5)
    assert "| -0.230 | 0 to 0.5 | **missed** |" in report.render_table([under])
    assert "payload (1), missed</text>" in report.render_plot([under])


def test_the_table_says_which_bars_were_missed() -> None:
    """Rows stand in the order of their keys, today's ways in columns of their own."""
    _titles, _rule, first, second = report.render_table([MET, MISSED]).splitlines()
    assert first == "| `plan_cpu_seconds` | a < b | 2 | 1.300 | 1 s | **missed** |  |  |  |  |"
    assert second == (
        "| `uplink_body_bytes_ratio` | some | 1 | 1.010 | 1.02 |  | 1.500 |  | 1.000 |  |"
    )


def test_the_plot_has_a_dot_for_each_way() -> None:
    """A value far beyond its bar still stands within it."""
    far = Row("key", "payload", 1, 0, 0.02, {BLIND: 1e6})
    places = re.findall(r'cx="([\d.]+)" .*fill-opacity', report.render_plot([MET, far]))
    assert len(places) == 5
    assert all(0 < float(place) < 1000 for place in places)


def test_a_seed_gives_the_same_payload_and_another_seed_another() -> None:
    """The release has layers that many share, and some that one image has alone."""
    assert payloads.release_like(1) == payloads.release_like(1)
    assert payloads.release_like(1) != payloads.release_like(2)
    images = payloads.release_like(1).images
    assert len(images) == 120
    assert len({image.layers[:2] for image in images}) == 1
    assert len({image.layers[-1] for image in images}) == 120
