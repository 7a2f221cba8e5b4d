# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms as OCI indexes name them, ``os/architecture[/variant]``, and which pools have which."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping

from ..errors import EdgefleetError

_PLATFORM_PATTERN = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9.]+)?")
# github.com/containerd/platforms (database.go) treats these as the same machine.
_DEFAULT_VARIANTS = {"amd64": "v1", "arm64": "v8", "arm": "v7"}


class InvalidPlatform(EdgefleetError):
    """A string that names no platform."""


def parse_platform(text: Any, origin: str) -> str:
    """Return the normal form of ``os/architecture[/variant]``: the default variant is left out.

    :raises InvalidPlatform: when it is something else.
    """
    if not isinstance(text, str) or not _PLATFORM_PATTERN.fullmatch(text):
        raise InvalidPlatform(
            f"platform {text!r} in {origin}", "it is no platform", "linux/amd64 would be one."
        )
    system, architecture, *variant = text.split("/")
    return platform_of(
        {"os": system, "architecture": architecture, "variant": variant[0] if variant else ""}
    )


def platform_of(entry: Mapping[str, Any]) -> str:
    """Return the platform that an index entry or an image configuration names."""
    system = str(entry.get("os") or "")
    architecture = str(entry.get("architecture") or "")
    variant = str(entry.get("variant") or "")
    if variant and variant != _DEFAULT_VARIANTS.get(architecture):
        return f"{system}/{architecture}/{variant}"
    return f"{system}/{architecture}"


@dataclass(frozen=True)
class PoolPlatforms:
    """The platforms of each pool's nodes, sorted; those of the pool None are every pool's."""

    by_pool: Mapping[str | None, tuple[str, ...]]

    def of(self, pool: str | None, origin: str) -> tuple[str, ...]:
        """Return the platforms that nodes of ``pool`` have; None is every pool together.

        :param origin: who asks, for the message.
        :raises InvalidPlatform: when nothing says which platforms that pool has.
        """
        if None in self.by_pool:
            return self.by_pool[None]
        if pool is None:
            return tuple(sorted({one for some in self.by_pool.values() for one in some}))
        if pool not in self.by_pool:
            raise InvalidPlatform(
                f"looking for the platforms of pool {pool!r} of {origin}",
                f"there are only those of {', '.join(map(str, self.by_pool))}",
                "Name that pool in pin_images_platforms too.",
            )
        return self.by_pool[pool]

    def document(self) -> list[str] | dict[str, list[str]]:
        """Return them as plain values: a list for every pool, or a list for each."""
        if None in self.by_pool:
            return list(self.by_pool[None])
        return {str(pool): list(some) for pool, some in self.by_pool.items()}


def parse_pool_platforms(value: Any, origin: str) -> PoolPlatforms:
    """Parse a list of platforms for every pool, or a mapping of pools to such lists.

    :raises InvalidPlatform: when it is neither, or names none.
    """
    if not isinstance(value, Mapping):
        return PoolPlatforms({None: _platforms(value, origin)})
    odd = [pool for pool in value if not isinstance(pool, str) or not pool]
    if odd or not value:
        cause = f"{odd[0]!r} is no pool" if odd else "it names no pool"
        raise InvalidPlatform(f"reading {origin}", cause, "{edge: [linux/amd64]} would do.")
    return PoolPlatforms(
        {pool: _platforms(value[pool], f"{origin} for pool {pool!r}") for pool in sorted(value)}
    )


def _platforms(value: Any, origin: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise InvalidPlatform(
            f"reading {origin}", "it is no list of platforms", "[linux/amd64] would be one."
        )
    return tuple(sorted({parse_platform(one, origin) for one in value}))
