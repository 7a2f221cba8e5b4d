# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look into the layers of images, and make room for damaged ones to come again."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Iterable, Sequence

from ..decisions.healing import (
    CorruptImage,
    HealingPlan,
    chain_of,
    file_damage,
    plan_healing,
    twins_of,
)
from ..decisions.stall import Stillness
from ..errors import EdgefleetError
from ..node.crio import Crio
from ..node.image_service import ImageService
from ..node.images import images_in_use
from ..node.layer_content import ContentHost, LayerStore
from ..node.reading_host import Completed, require_root
from ..observed.crio import RunningConfig
from ..observed.failure import failure_of
from ..observed.tar_split import recorded_files
from .image_outcome import FAILED, ImageOutcome
from .journal import Journal
from .pin_record import read_pin_record
from .remove import LEFT
from .stall import look_again
from .turn import take_turn

CLEARED = "cleared"
WOULD_CLEAR = "would_clear"

# As long as a pull may stand still unless told otherwise, and how often it is looked at. In seconds.
_STILL_SECONDS = 120.0
_WATCH_SECONDS = 5.0


@dataclass(frozen=True)
class ContentLook:
    """What is damaged, and the names of all images that healing it removes.

    ``going`` has images, too, that only share a damaged layer with a wanted one.
    """

    corrupt: tuple[CorruptImage, ...]
    going: tuple[str, ...]


def look_into(host: ContentHost, wanted: Sequence[str]) -> ContentLook:
    """Compare the files of each layer of the wanted images with what the store recorded of them.

    Names, kinds and sizes are compared; files are not read. Images that are not there are no
    matter of this look.

    :raises EdgefleetError: when CRI-O does not answer.
    """
    require_root(host, "looking into the layers")
    store, plan = _look(host, ImageService(host), Crio(host).running_config(), wanted)
    going = [name for group in plan.groups for name in _names_of(store, group)]
    return ContentLook(plan.corrupt, tuple(going))


def clear_corrupt(host: ContentHost, wanted: Sequence[str], check_mode: bool) -> list[ImageOutcome]:
    """Remove damaged images, so that a pull fetches their layers again.

    Before, a pull of each asks its registry: a wanted image that nobody could give back stays. All
    images that share a damaged layer go, or none; see :func:`.plan_healing`. Among them may be some
    that we once pinned and nobody wants now: they are named.

    :raises EdgefleetError: when CRI-O does not answer.
    """
    require_root(host, "removing damaged images")
    with take_turn(host, "remove damaged images", check_mode):
        crictl, config = ImageService(host), Crio(host).running_config()
        store, plan = _look(host, crictl, config, wanted)
        outcomes = [
            ImageOutcome(one.reference, LEFT, message=one.detail)
            for one in plan.corrupt
            if one.stays
        ]
        registries = _Registries(host, crictl, config)
        for group in plan.groups:
            names = _names_of(store, group)
            outcomes += _clear(host, registries, frozenset(wanted), names, check_mode)
        return outcomes


def _names_of(store: LayerStore, images: Iterable[str]) -> list[str]:
    return sorted(name for one in images for name in store.contents.images[one].names)


def _clear(
    host: ContentHost,
    registries: _Registries,
    wanted: frozenset[str],
    every: Sequence[str],
    check_mode: bool,
) -> list[ImageOutcome]:
    """Remove the images of one group, by all their names."""
    asked = [name for name in every if name in wanted]
    others = [name for name in every if name not in wanted]
    if check_mode:
        return _cleared(asked, others, WOULD_CLEAR)
    for name in asked:
        completed = registries.asked_for(name)
        if completed.rc != 0:
            cause, said = failure_of(completed.stderr)
            message = f"it is damaged, and stays until it can be pulled again: {said}"
            return [ImageOutcome(one, FAILED, cause, message, attempts=1) for one in asked]
    journal, crictl = Journal(host), registries.crictl
    journal.before("clear", references=every)
    for name in every:
        completed = crictl.remove(name)
        if completed.rc != 0:
            cause, said = failure_of(completed.stderr)
            journal.after("clear-failed", references=[name], cause=cause)
            return [ImageOutcome(one, FAILED, cause, said, attempts=1) for one in asked]
    journal.after("clear", references=every)
    return _cleared(asked, others, CLEARED)


def _cleared(asked: Sequence[str], others: Sequence[str], outcome: str) -> list[ImageOutcome]:
    unwanted = "it shares a damaged layer; no set wants it, so it does not come again"
    return [
        *(ImageOutcome(name, outcome, attempts=int(outcome == CLEARED)) for name in asked),
        *(ImageOutcome(name, outcome, message=unwanted) for name in others),
    ]


class _Registries:
    """Whether registries still have images that are there; one that was silent is asked once."""

    def __init__(self, host: ContentHost, crictl: ImageService, config: RunningConfig) -> None:
        self.crictl = crictl
        self._host = host
        self._config = config
        self._silent: dict[str, Completed] = {}

    def asked_for(self, name: str) -> Completed:
        """Have CRI-O ask for an image that is there: a manifest, or a layer that the store has lost."""
        registry = name.partition("/")[0]
        if registry in self._silent:
            return self._silent[registry]
        silence = threading.Event()
        with ThreadPoolExecutor(1) as worker:
            pull = worker.submit(self.crictl.pull, name, silence)
            self._watch(pull, silence)
        completed = pull.result()
        if silence.is_set():
            said = f"timed out: nothing came for {_STILL_SECONDS:g} s"
            completed = self._silent[registry] = replace(completed, stderr=said)
        return completed

    def _watch(self, pull: Future[Completed], silence: threading.Event) -> None:
        """Wait for a pull, and end it when it has stood still for too long."""
        started = self._host.monotonic()
        still = Stillness(frozenset(), started)
        while not wait([pull], _WATCH_SECONDS).done:
            still = look_again(self._host, self._config, still)
            if still.has_lasted(_STILL_SECONDS, started, self._host.monotonic()):
                silence.set()


def _look(
    host: ContentHost, crictl: ImageService, config: RunningConfig, wanted: Sequence[str]
) -> tuple[LayerStore, HealingPlan]:
    store = LayerStore(host, config)
    asked = frozenset(wanted)
    images = [one for one, image in store.contents.images.items() if image.names & asked]
    damaged = _damages(store, images)
    in_use = images_in_use(host, crictl, config) if damaged else frozenset()
    ours = asked | read_pin_record(host).known
    return store, plan_healing(asked, ours, store.contents, damaged, in_use)


def _damages(store: LayerStore, images: Iterable[str]) -> dict[str, str]:
    """Return what is wrong with the layers of these images, by the layers' identifiers."""
    damaged: dict[str, str] = {}
    layers: set[str] = set()
    for image in images:
        chain, lacking = chain_of(store.contents, image)
        layers.update(chain)
        if lacking:
            damaged[lacking] = "the store has no such layer"
    _look_at(store, layers, damaged)
    _look_at(store, twins_of(store.contents, damaged), damaged)
    return damaged


def _look_at(store: LayerStore, layers: Iterable[str], damaged: dict[str, str]) -> None:
    """Add what is wrong with these layers to ``damaged``."""
    for one in sorted(set(layers) - set(damaged)):
        wrong = _damage(store, one)
        if wrong:
            damaged[one] = wrong


def _damage(store: LayerStore, identifier: str) -> str:
    """Return the first thing that is wrong with a layer, empty for nothing."""
    if not store.has_record(identifier):
        # A layer that did not come as the blob of an image need not have one.
        known = store.contents.layers[identifier].digest
        return "the store's record of it is not there" if known else ""
    try:
        with store.tree(identifier) as tree:
            wrong: dict[bytes, str] = {}
            for recorded in recorded_files(store.record(identifier)):
                damage = file_damage(recorded, tree.found(recorded.path))
                if damage:
                    wrong[recorded.path] = damage
                else:
                    # A path may stand in a layer twice: the last one counts.
                    wrong.pop(recorded.path, None)
    except EdgefleetError as error:
        return str(error)
    for path, damage in wrong.items():
        return f"{path.decode('utf-8', errors='backslashreplace')} {damage}"
    return ""
