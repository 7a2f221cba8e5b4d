# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set as its source gave it: images by digest or by tag, before any registry was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from .component import Component, Excluded
from .lock import LeftOut, LockedSet, ResolvedSet


@dataclass(frozen=True)
class WantedSet:
    """A set for a pool (None: every pool); ``source`` says where its images came from."""

    name: str
    pool: str | None
    source: str
    components: tuple[Component, ...]
    excluded: tuple[Excluded, ...] = ()

    def by_tag(self) -> list[str]:
        """Return the references that a registry must give a digest, each once."""
        return sorted({str(one.reference) for one in self.components if not one.reference.digest})

    def resolved(self, digests: Mapping[str, str]) -> ResolvedSet:
        """Return the set with its images by digest; those without one are left out.

        :param digests: of the references of :meth:`by_tag`.
        """
        tags: dict[str, set[str]] = {}
        names: dict[str, set[str]] = {}
        for one in self.components:
            reference = one.reference
            digest = reference.digest or digests.get(str(reference))
            if digest:
                by_digest = f"{reference.repository}@{digest}"
                tags.setdefault(by_digest, set()).update([reference.tag] if reference.tag else [])
                if one.name:
                    names.setdefault(by_digest, set()).add(one.name)
        left_out = tuple(
            LeftOut(
                str(one.component.reference),
                one.exclusion.pattern,
                one.exclusion.reason,
                one.component.name,
            )
            for one in self.excluded
        )
        described = LockedSet(self.name, self.pool, self.source, left_out)
        return ResolvedSet(described, _sorted(tags), _sorted(names))


def _sorted(found: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    return {reference: tuple(sorted(some)) for reference, some in sorted(found.items())}
