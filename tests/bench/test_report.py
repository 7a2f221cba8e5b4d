# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows, and what is made of them; needs no lab."""

from __future__ import annotations

import re

import pytest
from lab.oci import LayerSpec
from lab.payload import ImageSpec, Payload

from bench import payloads, plans, report, simulated
from bench.rows import BLIND, BLIND_PAUSED, NAIVE, SKETCH, Row
from bench.simulated import Work

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
    assert first == "| `plan_cpu_seconds` | a < b | 2 | 1.300 | 1 s | **missed** |  |  |  |  |  |"
    assert second == (
        "| `uplink_body_bytes_ratio` | some | 1 | 1.010 | 1.02 |  | 1.500 |  | 1.000 |  |  |"
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


def test_a_payload_is_what_a_lock_would_say_of_it() -> None:
    """A layer is one layer in whatever image, as large as it is when compressed."""
    shared, own = LayerSpec("shared", 2, 900, repeat=3), LayerSpec("own", 2, 900)
    images = (ImageSpec("one", (shared, own)), ImageSpec("two", (shared,)))
    locked = simulated.locked_images(Payload("some", images))
    assert locked.images == {"one": ("shared", "own"), "two": ("shared",)}
    assert {seed: layer.size for seed, layer in locked.layers.items()} == {
        "shared": 300,
        "own": 900,
    }


def test_a_plan_is_simulated_as_a_ratio_to_what_the_link_needs() -> None:
    """One layer of ten seconds of the link: unpacked after that, and five times for five workers."""
    shared = LayerSpec("shared", 2, 25_000_000 // 8 * 10)
    images = tuple(ImageSpec(str(number), (shared,)) for number in range(10))
    row = simulated.simulated_row(Work("ten alike", 1, Payload("alike", images), {25: 1.07}), 25)
    assert (row.key, row.payload, row.most) == ("simulated_time_ratio", "ten alike, 25 Mbit", 1.07)
    # 20 ns of a core for each of 31.25 million bytes; five at once are unpacked by two cores.
    assert row.value == pytest.approx(1.0625)
    assert row.today[BLIND] == pytest.approx(5.15625)
    # One second for the first five, and one for the others.
    assert row.today[BLIND_PAUSED] == pytest.approx(5.35625)
    assert row.today[SKETCH] == row.value


def test_every_shape_is_simulated_at_both_rates() -> None:
    """Three seeds of a release, the services, and three numbers of images over one layer."""
    rows = simulated.simulated_rows()
    assert len({(row.payload, row.seed) for row in rows}) == len(rows) == 14
    assert all(row.value < row.today[BLIND] < row.today[BLIND_PAUSED] for row in rows)


@pytest.mark.parametrize(
    ("large", "images", "layers"),
    [(plans.MANY_LAYERS, 500, 5000), (plans.MANY_REFERENCES, 10_000, 10_500)],
)
def test_a_very_large_lock(large: plans.Large, images: int, layers: int) -> None:
    """It has as many images and layers as its name says, each image known by its own reference."""
    locked = plans.locked_images(large, 1)
    assert len({one["reference"] for one in locked["images"]}) == images
    # A few of the shared ones are in no image.
    assert 0.99 * layers < len(locked["layers"]) <= layers


def test_images_to_lock() -> None:
    """Two hundred, over five layers, fifty of them for two platforms."""
    images = payloads.many_small().images
    assert len({image.name for image in images}) == 200
    assert len({image.layers[0] for image in images}) == 5
    assert sum(len(image.platforms) == 2 for image in images) == 50
