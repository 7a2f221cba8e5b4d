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


class Sampler:
    """Asks the node while it is entered; a moment without an answer does not count."""

    def __init__(self, node: Node, kept: frozenset[str]) -> None:
        """Take the references that are pinned now and must be all the time."""
        self._kept = kept
        self._stop = threading.Event()
        self._node = node
        self._thread = threading.Thread(target=self._watch)
        self._answers = 0
        self._unpinned: set[str] = set()

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

    def unpinned(self) -> set[str]:
        """Return what was not pinned at some moment; there must have been enough of them."""
        assert self._answers > _ENOUGH, f"CRI-O answered {self._answers} times"
        return self._unpinned

    def _watch(self) -> None:
        while not self._stop.is_set():
            due = time.monotonic() + _INTERVAL
            try:
                pinned = self._node.pinned()
            except (LabError, OSError, subprocess.TimeoutExpired):
                pass
            else:
                self._answers += 1
                self._unpinned |= self._kept - pinned
            self._stop.wait(max(0.0, due - time.monotonic()))
