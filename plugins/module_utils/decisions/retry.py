# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether and when a failed pull is tried again."""

from __future__ import annotations

# Trying again changes nothing about these within one run: the registry said no, or a person is
# needed. `no space left on device` is final for all pulls of the node.
_FINAL = frozenset({"not_found", "unauthorized", "tls", "no_space", "signature_rejected"})
_DELAY_MAX = 60.0


def is_final(cause: str) -> bool:
    """Say whether a failure of this class is not worth another try in this run."""
    return cause in _FINAL


def delay_before(retry: int, first_delay: float) -> float:
    """Return the seconds to wait before the ``retry``-th retry, counted from 1; they double."""
    doubled = first_delay * 2.0 ** min(retry - 1, 63)
    return float(min(doubled, max(first_delay, _DELAY_MAX)))
