# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about the plan of a pull alone: carried out on a model of the link, without any node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedImages,
    LockedLayer,
)
from fleet import CHECKOUT
from lab.oci import LayerSpec
from lab.payload import Payload
from link_model import BlindOrder, Link, OurOrder, SketchOrder, simulate

from . import payloads
from .rows import BLIND, BLIND_PAUSED, SKETCH, Row

# Ours, by the link's rate in Mbit/s. The link idles while layers are unpacked that all images wait
# for, or that came last; that weighs more the faster it is.
BARS: Mapping[int, float] = {25: 1.03, 100: 1.08}
# All images wait until the one large layer is unpacked, whatever the order.
ONE_LAYER_BARS: Mapping[int, float] = {25: 1.07, 100: 1.26}
_BYTES_PER_MBIT = 1_000_000 / 8
_DEFAULTS = CHECKOUT / "roles" / "pin_images" / "defaults" / "main.yml"
_BLIND_WORKERS, _SKETCH_WORKERS = 5, 8


@dataclass(frozen=True)
class Work:
    """A payload to pull on the model, and its bars by the link's rate."""

    title: str
    seed: int
    payload: Payload
    bars: Mapping[int, float]


def simulated_rows() -> list[Row]:
    """Every shape of payload at both rates: ours as it is by default, and today's workers."""
    works = [
        *(Work("release-like", seed, payloads.release_like(seed), BARS) for seed in payloads.SEEDS),
        Work("services", 1, payloads.services(1), BARS),
        *(
            Work(f"{count} over one layer", 1, payloads.over_one_layer(count, 1), ONE_LAYER_BARS)
            for count in payloads.ONE_LAYER_COUNTS
        ),
    ]
    return [simulated_row(work, rate) for work in works for rate in work.bars]


def simulated_row(work: Work, rate: int) -> Row:
    """One payload over one link, as a ratio to the time that the link needs for each layer once."""
    images = locked_images(work.payload)
    bytes_per_second = rate * _BYTES_PER_MBIT
    limit = sum(layer.size for layer in images.layers.values()) / bytes_per_second
    at_once = _default_max_parallel()
    # A pull costs nothing of its own here: what is measured is the order.
    free = Link(bytes_per_second, fixed=0)
    # With a pause before each image instead of after it, all comes a second later and takes as long.
    paused = Link(bytes_per_second, fixed=1)
    blind, blind_paused = (
        simulate(images, BlindOrder(images), _BLIND_WORKERS, link).seconds
        for link in (free, paused)
    )
    sketch = simulate(images, SketchOrder(images), _SKETCH_WORKERS, free).seconds
    return Row(
        "simulated_time_ratio",
        f"{work.title}, {rate} Mbit",
        work.seed,
        simulate(images, OurOrder(images, at_once), at_once, free).seconds / limit,
        work.bars[rate],
        {BLIND: blind / limit, BLIND_PAUSED: blind_paused / limit, SKETCH: sketch / limit},
    )


def locked_images(payload: Payload) -> LockedImages:
    """The part of a lock that a node would be given; a layer's seed stands for its digest."""
    layers = {image.name: [_seeded(one) for one in image.layers] for image in payload.images}
    return LockedImages(
        {name: tuple(one.seed for one in own) for name, own in layers.items()},
        {one.seed: LockedLayer(one.size // one.repeat) for own in layers.values() for one in own},
    )


def _seeded(layer: object) -> LayerSpec:
    if not isinstance(layer, LayerSpec):
        raise TypeError(f"{layer}: only a layer made of a seed tells what it compresses to")
    return layer


def _default_max_parallel() -> int:
    return int(yaml.safe_load(_DEFAULTS.read_text())["pin_images_max_parallel"])
