# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pull what is missing, and believe of it what CRI-O lists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Iterable, Sequence

from ..decisions.pull_order import PullOrder, Start, awaited_images, plan_pull
from ..decisions.versions import why_cut
from ..documents.locked_images import LockedImages
from ..errors import EdgefleetError
from ..node.crio_service import CrioService
from ..node.host import Host
from ..node.image_service import ImageService
from ..node.images import read_image_store
from ..node.reading_host import require_root
from ..node.store import read_layers
from ..observed.crio import RunningConfig
from .image_outcome import FAILED, ImageOutcome
from .leftovers import Leftover, find_leftovers, remove_leftovers
from .pull_record import read_own_pulls
from .pull_run import PULLED, DiskWatch, PullPolicy, PullRun
from .turn import take_turn

PRESENT = "present"
WOULD_PULL = "would_pull"

# How long a request for an image counts as one that still waits, in seconds: the kubelet asks again
# at least every 300 (MaxImageBackOff in pkg/kubelet/kubelet.go).
_REQUESTS_COUNT = 600
# What CRI-O says of a pull that it has ended itself.
_ENDED_BY_CRIO = "context canceled"


@dataclass(frozen=True)
class PullResult:
    """An outcome for each reference, in the order given, and what was to be pulled, in order.

    ``leftovers`` are what runs and pulls that died had left, and what became of it.
    """

    images: tuple[ImageOutcome, ...] = ()
    plan: tuple[Start, ...] = ()
    leftovers: tuple[Leftover, ...] = ()


def pull_missing(
    host: Host,
    references: Sequence[str],
    policy: PullPolicy,
    check_mode: bool,
    locked: LockedImages,
    watch: Callable[[RunningConfig], DiskWatch],
) -> PullResult:
    """Pull the references that are not in the store under their names.

    :param locked: what is known of their layers; images of which nothing is known share nothing.
    :param watch: makes what is asked whether the disks have room.
    :raises EdgefleetError: when CRI-O does not answer; a failed pull is an outcome instead.
    """
    require_root(host, "pulling images")
    crio, crictl = CrioService(host), ImageService(host)
    # Whoever had the turn before may have brought what is wanted here: nothing is looked at outside.
    with take_turn(host, "pull images", check_mode):
        config = crio.running_config()
        present = read_image_store(host, crictl, config).present()
        missing = [one for one in references if one not in present]
        # Without a lock there is no layer to look for.
        layers = read_layers(host, config) if missing and locked.images else frozenset()
        awaited = _awaited(host, crio, missing) if missing else frozenset()
        plan = plan_pull(missing, locked, layers, policy.max_parallel, awaited)
        outcomes = {one: ImageOutcome(one, PRESENT) for one in references}
        if check_mode:
            leftovers = find_leftovers(host, config)
            outcomes.update((one, ImageOutcome(one, WOULD_PULL)) for one in missing)
        else:
            leftovers = remove_leftovers(host, config)
            if missing:
                order = PullOrder(missing, locked, layers, policy.max_parallel, awaited)
                pulled = PullRun(host, crictl, config, policy, order, watch(config)).run(missing)
                listed = _listed(host, crictl, config)
                pulled = [_with_version(_as_listed(one, listed), crictl) for one in pulled]
                outcomes.update((one.reference, one) for one in pulled)
                if any(one.outcome == FAILED or one.attempts > 1 for one in pulled):
                    # A CRI-O that died meanwhile left its folders, and was started again.
                    leftovers = _newest((*leftovers, *remove_leftovers(host, config)))
        sizes = {start.reference: start.bytes for start in plan}
        images = tuple(replace(outcomes[one], bytes=sizes.get(one, 0)) for one in references)
        return PullResult(images, plan, leftovers)


def _awaited(host: Host, crio: CrioService, missing: Sequence[str]) -> frozenset[str]:
    since = host.now() - _REQUESTS_COUNT
    return awaited_images(missing, crio.requested_since(since), read_own_pulls(host, since))


def _newest(leftovers: Iterable[Leftover]) -> tuple[Leftover, ...]:
    """Return what was said last of each."""
    return tuple({one.path: one for one in leftovers}.values())


def _listed(host: Host, crictl: ImageService, config: RunningConfig) -> frozenset[str] | str:
    """Return the names that the daemon lists now, or why it does not."""
    try:
        return read_image_store(host, crictl, config).present()
    except EdgefleetError as error:
        return str(error)


def _as_listed(outcome: ImageOutcome, listed: frozenset[str] | str) -> ImageOutcome:
    """Believe a pull only when the daemon lists its image."""
    if outcome.outcome != PULLED:
        return outcome
    if isinstance(listed, str):
        return replace(outcome, outcome=FAILED, cause="unknown", message=listed)
    if outcome.reference not in listed:
        cause = "crictl reported success, CRI-O does not list the image"
        return replace(outcome, outcome=FAILED, cause="unknown", message=cause)
    return outcome


def _with_version(outcome: ImageOutcome, crictl: ImageService) -> ImageOutcome:
    """Say of a pull that CRI-O ended itself whether that is its version's way."""
    if _ENDED_BY_CRIO not in outcome.message:
        return outcome
    try:
        version = crictl.version()
    except EdgefleetError:
        # The outcome stands without that.
        return outcome
    why = why_cut(version)
    return replace(outcome, message=f"{outcome.message}: CRI-O {version} {why}") if why else outcome
