# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What some nodes lack, as sets to lock: no image is asked for that none of them needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def _sets_of_missing(
    references: Mapping[str, Sequence[str]], missing: Iterable[str]
) -> list[dict[str, Any]]:
    lacking = set(missing)
    found = {pool: [one for one in wanted if one in lacking] for pool, wanted in references.items()}
    return [
        {"name": f"missing-{pool}" if pool else "missing", "pool": pool or None, "images": images}
        for pool, images in found.items()
        if images
    ]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"sets_of_missing": _sets_of_missing}
