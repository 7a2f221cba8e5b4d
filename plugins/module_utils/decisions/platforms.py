# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which manifest of an index a platform takes."""

from __future__ import annotations

from typing import Iterable

from ..documents.platform import platform_of
from ..errors import EdgefleetError
from ..observed.manifest import Index


class PlatformMissing(EdgefleetError):
    """An image that was not built for a platform that is asked for."""


def manifests_for(index: Index, platforms: Iterable[str], reference: str) -> dict[str, str]:
    """Return the manifest digest of each platform; of several, the first, as CRI-O takes it.

    :raises PlatformMissing: naming the platforms that the image has.
    """
    digests: dict[str, str] = {}
    for description, digest in index.manifests:
        digests.setdefault(platform_of(description), digest)
    return {
        platform: digests[require_platform(platform, digests, reference)] for platform in platforms
    }


def require_platform(platform: str, built: Iterable[str], reference: str) -> str:
    """Return ``platform`` when the image was built for it.

    :raises PlatformMissing: when it was not.
    """
    there = sorted(built)
    if platform not in there:
        raise PlatformMissing(
            f"looking for {platform} in {reference}",
            f"the image was built for {', '.join(there)} only" if there else "its index is empty",
            "Ask for its platforms, or for another image.",
        )
    return platform
