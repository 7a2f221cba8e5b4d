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


class Registries:
    """What the registries of one run have answered so far, and what follows for their images.

    :param retries: how often an image is tried again at most.
    :param first_delay: the seconds before the first of these tries; they double.
    """

    def __init__(self, retries: int, first_delay: float) -> None:
        self._retries = retries
        self._first_delay = first_delay
        self._states: dict[str, RegistryState] = {}
        # Those that keep whoever asks them waiting, and what that looked like.
        self._given_up: dict[str, str] = {}

    def openings(self, now: float) -> dict[str, float]:
        """Return when each of those that may not be asked now may be asked again."""
        return {
            name: state.closed_until
            for name, state in self._states.items()
            if now < state.closed_until
        }

    def given_up(self, registry: str) -> str:
        """Say why nothing more of a registry is tried; empty while it is."""
        return self._given_up.get(registry, "")

    def answered(self, registry: str, now: float) -> None:
        """Take note of a pull that succeeded."""
        self._states[registry] = self._state(registry).after_answer(now)

    def failed(self, registry: str, cause: str, message: str, began: float, now: float) -> None:
        """Take note of a pull that began and failed at these moments."""
        state = self._state(registry)
        if cause in _OF_REGISTRY:
            state = state.after_silence(began, now, self._retries, self._first_delay)
            self._states[registry] = state
        if state.is_given_up(self._retries, cause):
            self._given_up[registry] = f"{registry} keeps everybody waiting: {message}"

    def next_try(self, registry: str, cause: str, attempts: int, now: float) -> float | None:
        """Return when an image may be tried again that has failed so often; None for never."""
        is_down = cause in _OF_REGISTRY and self._state(registry).is_down(self._retries)
        if is_final(cause) or is_down or attempts > self._retries:
            return None
        return now + delay_before(attempts, self._first_delay)

    def _state(self, registry: str) -> RegistryState:
        return self._states.get(registry, RegistryState())
