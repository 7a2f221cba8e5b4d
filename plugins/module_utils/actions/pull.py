# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pull what is missing, several at a time; one failed image costs that image only."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Sequence

from ..decisions.retry import delay_before, is_final
from ..node.crictl import Crictl
from ..node.crio import Crio
from ..node.host import Host, require_root
from ..node.store import read_image_store
from ..observed.failure import classify_failure, readable_message
from .journal import Journal

PRESENT = "present"
PULLED = "pulled"
FAILED = "failed"
WOULD_PULL = "would_pull"


@dataclass(frozen=True)
class PullPolicy:
    """How often, how soon and how many at once; ``retry_delay`` in seconds, doubling."""

    retries: int
    retry_delay: float
    max_parallel: int


@dataclass(frozen=True)
class ImageOutcome:
    """What became of one image; ``cause`` is a class of failure, empty unless it failed."""

    reference: str
    outcome: str
    cause: str = ""
    message: str = ""
    attempts: int = 0
    seconds: float = 0.0


def pull_missing(
    host: Host, references: Sequence[str], policy: PullPolicy, check_mode: bool
) -> list[ImageOutcome]:
    """Pull the references that are not in the store under their names.

    :returns: one outcome per reference, in the order given.
    :raises EdgefleetError: when CRI-O does not answer; a failed pull is an outcome instead.
    """
    require_root(host, "pulling images")
    crio, crictl = Crio(host), Crictl(host)
    config = crio.running_config()
    present = read_image_store(host, crictl, config).present()
    missing = [one for one in references if one not in present]
    outcomes = {one: ImageOutcome(one, PRESENT) for one in references}
    if check_mode:
        outcomes.update((one, ImageOutcome(one, WOULD_PULL)) for one in missing)
    elif missing:
        pulled = _Pull(host, crictl, policy).run(missing)
        now_present = read_image_store(host, crictl, config).present()
        outcomes.update((one.reference, _as_listed(one, now_present)) for one in pulled)
    return [outcomes[one] for one in references]


def _as_listed(outcome: ImageOutcome, present: frozenset[str]) -> ImageOutcome:
    """Believe a pull only when the daemon lists its image."""
    if outcome.outcome == PULLED and outcome.reference not in present:
        cause = "crictl reported success, CRI-O does not list the image"
        return replace(outcome, outcome=FAILED, cause="unknown", message=cause)
    return outcome


class _Pull:
    """One run of pulls; what one worker learns of disk and registries, the others heed."""

    def __init__(self, host: Host, crictl: Crictl, policy: PullPolicy) -> None:
        self._host = host
        self._crictl = crictl
        self._policy = policy
        self._journal = Journal(host)
        self._disk_full = threading.Event()
        self._unreachable: set[str] = set()

    def run(self, references: Sequence[str]) -> list[ImageOutcome]:
        """Pull all of them; return an outcome for each, in their order."""
        with ThreadPoolExecutor(max_workers=self._policy.max_parallel) as workers:
            outcomes = list(workers.map(self._pull, references))
        self._journal.shorten()
        return outcomes

    def _pull(self, reference: str) -> ImageOutcome:
        if self._disk_full.is_set():
            return ImageOutcome(reference, FAILED, "no_space", "not tried: the disk was full")
        self._journal.before("pull", reference=reference)
        started = self._host.monotonic()
        outcome = self._try(reference)
        outcome = replace(outcome, seconds=round(self._host.monotonic() - started, 3))
        self._journal.after(
            "pull", reference=reference, outcome=outcome.outcome, cause=outcome.cause
        )
        return outcome

    def _try(self, reference: str) -> ImageOutcome:
        registry = reference.partition("/")[0]
        attempt = 0
        while True:
            attempt += 1
            completed = self._crictl.pull(reference)
            if completed.rc == 0:
                self._unreachable.discard(registry)
                return ImageOutcome(reference, PULLED, attempts=attempt)
            message = readable_message(completed.stderr)
            cause = classify_failure(message)
            if cause == "no_space":
                self._disk_full.set()
            # A registry that stayed silent through all tries for one image gets one for the next.
            known_down = cause == "unreachable" and registry in self._unreachable
            if is_final(cause) or known_down or attempt > self._policy.retries:
                if cause == "unreachable":
                    self._unreachable.add(registry)
                return ImageOutcome(reference, FAILED, cause, message, attempts=attempt)
            self._host.sleep(delay_before(attempt, self._policy.retry_delay))
