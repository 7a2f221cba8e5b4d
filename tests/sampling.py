# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CRI-O is asked ten times a second whether what must stay pinned is."""

from __future__ import annotations

import subprocess
import threading
import time
from types import TracebackType

from lab import LabError, Node

_INTERVAL = 0.1
# Fewer answers in all of a case show nothing.
_ENOUGH = 20
# Nor do fewer for each second in which CRI-O answered.
_LEAST_RATE = 5.0


class Sampler:
    """Asks the node while it is entered; a moment without an answer does not count."""

    def __init__(self, node: Node, kept: frozenset[str]) -> None:
        """Take the references that are pinned now and must be all the time."""
        self._kept = kept
        self._stop = threading.Event()
        self._node = node
        self._thread = threading.Thread(target=self._watch)
        self._answers = 0
        self._seconds = 0.0
        self._longest = 0.0
        self._unpinned: set[str] = set()
        self._absent: set[str] = set()

    def __enter__(self) -> Sampler:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        self._stop.set()
        self._thread.join()
        print(self._said, flush=True)

    @property
    def _said(self) -> str:
        rate = self._answers / self._seconds if self._seconds else 0.0
        return (
            f"CRI-O answered {self._answers} times in {self._seconds:.1f} s of answering,"
            f" {rate:.1f} a second, once in {self._longest:.1f} s"
        )

    def check_rate(self) -> None:
        """See that it was asked often enough, in the seconds in which it answered."""
        assert self._answers > _ENOUGH, self._said
        assert self._answers >= _LEAST_RATE * self._seconds, self._said

    def unpinned(self) -> set[str]:
        """Return what was there at some moment and not pinned."""
        return self._unpinned

    def absent(self) -> set[str]:
        """Return what was not there at some moment."""
        return self._absent

    def _watch(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            is_answered = self._ask()
            self._stop.wait(max(0.0, begun + _INTERVAL - time.monotonic()))
            if is_answered:
                took = time.monotonic() - begun
                self._answers += 1
                self._seconds += took
                self._longest = max(self._longest, took)

    def _ask(self) -> bool:
        """Ask once; whether there was an answer."""
        try:
            present, pinned = self._node.present_and_pinned()
        except (LabError, OSError, subprocess.TimeoutExpired):
            return False
        self._absent |= self._kept - present
        self._unpinned |= (self._kept & present) - pinned
        return True
