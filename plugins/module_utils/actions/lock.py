# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask registries what references are, and put that into a lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

from ..decisions.platforms import manifests_for, require_platform
from ..documents.lock import LockedPlatform
from ..documents.locked_images import LockedLayer
from ..documents.platform import platform_of
from ..errors import EdgefleetError
from ..node.host import CommandFailed, Host
from ..node.skopeo import Skopeo
from ..observed.failure import classify_failure
from ..observed.manifest import Index, InvalidManifest, Manifest, parse_manifest

# skopeo spends its time waiting for the registry; more at once would look like an attack to some.
_WORKERS = 8


@dataclass(frozen=True)
class Unresolved:
    """A reference that could not be locked; ``cause`` as for a failed pull."""

    reference: str
    cause: str
    message: str


@dataclass(frozen=True)
class Resolution:
    """What the references are on each platform, their layers, and what failed."""

    resolved: Mapping[str, Mapping[str, LockedPlatform]]
    layers: Mapping[str, LockedLayer]
    unresolved: tuple[Unresolved, ...]


def resolve(
    host: Host,
    references: Sequence[str],
    platforms: Sequence[str],
    auth_file: str,
    progress: Callable[[int], None],
) -> Resolution:
    """Ask the registries for every reference, several at a time.

    :param progress: called with the number of references done, from one thread.
    :raises HostError: when there is no skopeo.
    """
    skopeo = Skopeo(host, auth_file)
    resolved: dict[str, Mapping[str, LockedPlatform]] = {}
    layers: dict[str, LockedLayer] = {}
    unresolved: list[Unresolved] = []
    with ThreadPoolExecutor(max_workers=_WORKERS) as workers:
        answers = workers.map(lambda one: _resolve(skopeo, one, platforms), references)
        for done, answer in enumerate(answers, start=1):
            if isinstance(answer, Unresolved):
                unresolved.append(answer)
            else:
                reference, manifests = answer
                resolved[reference] = {
                    platform: LockedPlatform(digest, tuple(one for one, _size in manifest.layers))
                    for platform, (digest, manifest) in manifests.items()
                }
                for _digest, manifest in manifests.values():
                    layers.update((one, LockedLayer(size)) for one, size in manifest.layers)
            progress(done)
    return Resolution(resolved, layers, tuple(unresolved))


_Manifests = Mapping[str, "tuple[str, Manifest]"]


def _resolve(
    skopeo: Skopeo, reference: str, platforms: Sequence[str]
) -> tuple[str, _Manifests] | Unresolved:
    try:
        return reference, _manifests(skopeo, reference, platforms)
    except CommandFailed as error:
        return Unresolved(reference, classify_failure(error.cause), error.cause)
    except InvalidManifest as error:
        return Unresolved(reference, "corrupt", error.cause)
    except EdgefleetError as error:
        return Unresolved(reference, "not_found", error.cause)


def _manifests(skopeo: Skopeo, reference: str, platforms: Sequence[str]) -> _Manifests:
    repository, _at, digest = reference.partition("@")
    top = parse_manifest(skopeo.manifest(reference), digest, reference)
    if isinstance(top, Manifest):
        built = platform_of(skopeo.config(reference))
        return {require_platform(one, [built], reference): (digest, top) for one in platforms}
    return {
        platform: (one, _single(skopeo, f"{repository}@{one}", one))
        for platform, one in manifests_for(top, platforms, reference).items()
    }


def _single(skopeo: Skopeo, reference: str, digest: str) -> Manifest:
    manifest = parse_manifest(skopeo.manifest(reference), digest, reference)
    if isinstance(manifest, Index):
        raise InvalidManifest(f"reading {reference}", "an index lies inside an index")
    return manifest
