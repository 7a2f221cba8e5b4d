# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether and when a failed pull is tried again."""

from __future__ import annotations

from dataclasses import dataclass

# Trying again changes nothing about these within one run: the registry said no, or a person is
# needed. `no space left on device` is final for all pulls of the node.
_FINAL = frozenset({"not_found", "unauthorized", "tls", "no_space", "signature_rejected"})
# These tell of the registry and the way to it, and will be met by its next image as well.
_OF_REGISTRY = frozenset({"unreachable", "timeout", "rate_limited"})
_DELAY_MAX = 60.0


def is_final(cause: str) -> bool:
    """Say whether a failure of this class is not worth another try in this run."""
    return cause in _FINAL


def is_of_registry(cause: str) -> bool:
    """Say whether a failure of this class tells of a registry that answers nobody now."""
    return cause in _OF_REGISTRY


def delay_before(retry: int, first_delay: float) -> float:
    """Return the seconds to wait before the ``retry``-th retry, counted from 1; they double."""
    doubled = first_delay * 2.0 ** min(retry - 1, 63)
    return float(min(doubled, max(first_delay, _DELAY_MAX)))


@dataclass(frozen=True)
class RegistryState:
    """What one registry's answers say of it; moments as monotonic seconds.

    ``silences`` counts the times in a row at which it did not answer, was not reached or let nobody
    in, pulls under way at one moment as one; ``since`` is when the last answer or silence came;
    from ``closed_until`` on it may be asked again.
    """

    silences: int = 0
    since: float = float("-inf")
    closed_until: float = float("-inf")

    def after_answer(self, now: float) -> RegistryState:
        """Return the state after a pull that succeeded."""
        return RegistryState(since=now)

    def after_silence(
        self, started: float, now: float, retries: int, first_delay: float
    ) -> RegistryState:
        """Return the state after a pull that began at ``started`` and failed by it.

        A pull that began before the last thing known says nothing new. A registry that stayed
        silent through all tries stays open: each of its images gets its one try.
        """
        if started <= self.since:
            return self
        silences = self.silences + 1
        wait = 0.0 if silences > retries else delay_before(silences, first_delay)
        return RegistryState(silences, now, now + wait)

    def is_down(self, retries: int) -> bool:
        """Say whether it stayed silent through as many tries as an image gets."""
        return self.silences > retries

    def is_given_up(self, retries: int, cause: str) -> bool:
        """Say whether no other image is worth its try: each would wait as long as the last one.

        :param cause: how the last one failed. A registry that refuses costs no time.
        """
        return cause == "timeout" and self.silences > retries + 1
