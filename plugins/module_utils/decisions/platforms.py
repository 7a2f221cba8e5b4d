# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which manifest of an index a platform takes."""

from __future__ import annotations

from typing import Any, Collection, Iterable, Mapping

from ..documents.platform import platform_of
from ..errors import EdgefleetError
from ..observed.manifest import Index, IndexEntry

# Variants from the most to the least capable: a machine also runs what is built for those after
# its own (compatibility of go.podman.io/image, internal/pkg/platform/platform_matcher.go).
_COMPATIBLE = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v8",)}
# What CRI-O finds out of a machine whose platform says no variant (getCPUVariant, there as well).
_DETECTED = {"arm": "v7", "arm64": "v8"}


class PlatformMissing(EdgefleetError):
    """An image that was not built for a platform that is asked for."""


def manifests_for(index: Index, platforms: Iterable[str], reference: str) -> dict[str, IndexEntry]:
    """Return the manifest of each platform that CRI-O takes there.

    That is the one for the nearest variant; of several, one that the index calls packed with zstd,
    and then the first. One without a platform is taken where no other is for it (chooseInstance
    of go.podman.io/image, internal/manifest/oci_index.go).

    :raises PlatformMissing: naming the platforms that the image has.
    """
    return {platform: _manifest_for(index, platform, reference) for platform in platforms}


def _manifest_for(index: Index, platform: str, reference: str) -> IndexEntry:
    wanted = _compatible_with(platform)
    ranks = {name: rank for rank, name in enumerate(wanted)}
    built = [None if one.platform is None else _name(one.platform) for one in index.manifests]
    candidates = [
        (len(wanted) if name is None else ranks[name], not one.is_zstd, position)
        for position, (name, one) in enumerate(zip(built, index.manifests))
        if name is None or name in ranks
    ]
    if not candidates:
        raise _missing(platform, {name for name in built if name is not None}, reference)
    _rank, _packing, position = min(candidates)
    return index.manifests[position]


def _compatible_with(platform: str) -> list[str]:
    """Return the platforms whose manifests such a machine runs, the best first."""
    system, architecture, *rest = platform.split("/")
    variant = rest[0] if rest else _DETECTED.get(architecture, "")
    order = _COMPATIBLE.get(architecture, ())
    variants = order[order.index(variant) :] if variant in order else (variant,)
    machine = f"{system}/{architecture}"
    return [*(f"{machine}/{one}" for one in variants if one), machine]


def _name(platform: Mapping[str, Any]) -> str:
    """Return a platform as an index writes it: CRI-O knows no default variants."""
    system, architecture, variant = (
        str(platform.get(part) or "") for part in ("os", "architecture", "variant")
    )
    return f"{system}/{architecture}/{variant}" if variant else f"{system}/{architecture}"


def require_platform(platform: str, config: Mapping[str, Any], reference: str) -> str:
    """Return ``platform`` when a single manifest with this image configuration does for it.

    Its variant counts as in an index. A default one that is spelled out does as well: CRI-O, which
    knows none in an index, takes a single manifest as it is.

    :raises PlatformMissing: when it does not.
    """
    built = _name(config)
    if platform != platform_of(config) and built not in _compatible_with(platform):
        raise _missing(platform, {built}, reference)
    return platform


def _missing(platform: str, built: Collection[str], reference: str) -> PlatformMissing:
    there = ", ".join(sorted(built))
    return PlatformMissing(
        f"looking for {platform} in {reference}",
        f"the image was built for {there} only" if there else "its index is empty",
        "Ask for its platforms, or for another image.",
    )
