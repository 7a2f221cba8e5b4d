# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read each layer once in its life, and remember what it takes on a node."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Callable, ContextManager, Iterable, Mapping, Sequence

from ..decisions.layer_measure import measure_layer
from ..documents.locked_images import LayerMeasure, measure_of
from ..node.control_host import ControlHost
from ..node.host import Host
from ..node.layer_blobs import LayerBlobs, require_zstd
from ..node.reading_host import CommandFailed
from ..node.skopeo import Skopeo
from ..observed.failure import classify_failure
from ..observed.layer_stream import PACKINGS, ZSTD, InvalidLayer, tar_entries

# Layers of several images come at a time, from one to be read while others cross the link.
_WORKERS = 4
# What one image's layers may take on disk at once, unless one of them is larger by itself.
_GROUP_BYTES = 256 << 20
# A new one for each change of what is counted, with a new version of the lock: a measure that is
# remembered or locked is never looked at again.
_FORMAT = "2"
_MODE = 0o644
# skopeo brings layers by this kind of digest only, and a path is made of it.
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Causes that are one layer's own; with any other the image's next layer would fail as well.
_ONE_LAYER = ("not_found", "corrupt")


@dataclass(frozen=True)
class WantedLayer:
    """A layer to be measured.

    ``reference`` is an image's that has it, by the digest of a single manifest; ``size`` are its
    packed bytes, ``media_type`` is what the manifest says it is.
    """

    reference: str
    size: int
    media_type: str


@dataclass(frozen=True)
class Unmeasured:
    """A layer that could not be measured; ``cause`` as for a failed pull."""

    digest: str
    reference: str
    cause: str
    message: str


@dataclass(frozen=True)
class Measured:
    """What is known of the layers now."""

    measures: Mapping[str, LayerMeasure]
    unmeasured: tuple[Unmeasured, ...]


def recall_measures(
    host: Host, wanted: Iterable[str], cache_folder: str
) -> dict[str, LayerMeasure]:
    """Return what those of these layers take that were ever measured here, by their digests.

    :param cache_folder: the absolute path that :func:`measure_layers` was given.
    """
    remembered = {digest: _remembered(host, cache_folder, digest) for digest in wanted}
    return {digest: one for digest, one in remembered.items() if one is not None}


def measure_layers(
    host: ControlHost,
    skopeo: Skopeo,
    wanted: Mapping[str, WantedLayer],
    cache_folder: str,
    keep_folder: str,
    progress: Callable[[int, int], None],
) -> Measured:
    """Measure layers by their digests, several at a time; each only if it never was before.

    :param cache_folder: an absolute path; measures are kept there, and layers while they are read.
    :param keep_folder: an absolute path where layers are kept in the form of an OCI image layout,
        and used again; empty to keep none.
    :param progress: called with the number of layers done and their packed bytes, from one thread.
    :raises HostError: when a layer is packed with zstd and there is no zstd, on a full disk, or
        when another run reads layers in the same folder.
    """
    measures = recall_measures(host, wanted, cache_folder)
    left = {digest: one for digest, one in wanted.items() if digest not in measures}
    if any(PACKINGS.get(one.media_type) == ZSTD for one in left.values()):
        require_zstd(host)
    unmeasured: dict[str, Unmeasured] = {}
    done_bytes = sum(wanted[digest].size for digest in measures)
    progress(len(measures), done_bytes)
    reader = _Reader(host, skopeo, wanted, cache_folder, keep_folder)
    with reader.alone() if left else nullcontext(), ThreadPoolExecutor(_WORKERS) as workers:
        groups = [workers.submit(reader.read, group) for group in _groups(left)]
        try:
            for ended in as_completed(groups):
                for digest, outcome in ended.result().items():
                    if isinstance(outcome, Unmeasured):
                        unmeasured[digest] = outcome
                    else:
                        measures[digest] = outcome
                    done_bytes += wanted[digest].size
                progress(len(measures) + len(unmeasured), done_bytes)
        finally:
            reader.end()
    return Measured(measures, tuple(unmeasured[one] for one in wanted if one in unmeasured))


class _Reader:
    """Brings layers here, reads them and remembers what they take."""

    def __init__(
        self,
        host: ControlHost,
        skopeo: Skopeo,
        wanted: Mapping[str, WantedLayer],
        cache_folder: str,
        keep_folder: str,
    ) -> None:
        self._host = host
        self._wanted = wanted
        self._cache_folder = cache_folder
        self._keep = bool(keep_folder)
        self._ended = threading.Event()
        folder = keep_folder or f"{cache_folder}/layers"
        self._blobs = LayerBlobs(host, skopeo, folder, f"{keep_folder or cache_folder}/turn")

    def alone(self) -> ContextManager[None]:
        """See :meth:`LayerBlobs.alone`."""
        return self._blobs.alone()

    def end(self) -> None:
        """Read no further reference."""
        self._ended.set()

    def read(self, digests: Sequence[str]) -> dict[str, LayerMeasure | Unmeasured]:
        """Return what layers of one reference take, or why that is not known.

        After an error, as of a full disk, nothing more is fetched: the other workers would be at
        their next references before the first thread has seen it.
        """
        if self._ended.is_set():
            return {}
        try:
            return self._read(digests)
        except BaseException:
            self.end()
            raise

    def _read(self, digests: Sequence[str]) -> dict[str, LayerMeasure | Unmeasured]:
        outcomes: dict[str, LayerMeasure | Unmeasured] = {}
        for digest in digests:
            problem = _problem(digest, self._wanted[digest].media_type)
            if problem:
                outcomes[digest] = self._unmeasured(digest, "corrupt", problem)
        left = [digest for digest in digests if digest not in outcomes]
        while left:
            outcomes.update(self._read_some(left))
            left = [digest for digest in left if digest not in outcomes]
        return outcomes

    def _read_some(self, digests: Sequence[str]) -> dict[str, LayerMeasure | Unmeasured]:
        """Do the same for some of them at least."""
        missing = [digest for digest in digests if not self._blobs.has(digest)]
        failure = self._fetch(missing) if missing else None
        outcomes: dict[str, LayerMeasure | Unmeasured] = {}
        for digest in digests:
            if digest not in missing or self._blobs.has(digest):
                outcomes[digest] = self._measure(digest)
            elif failure is None:
                cause = "skopeo did not bring it"
                outcomes[digest] = self._unmeasured(digest, "corrupt", cause)
            else:
                cause = classify_failure(failure.cause)
                outcomes[digest] = self._unmeasured(digest, cause, failure.cause)
                if cause in _ONE_LAYER:
                    break
        return outcomes

    def _fetch(self, digests: Sequence[str]) -> CommandFailed | None:
        reference = self._wanted[digests[0]].reference
        size = sum(self._wanted[digest].size for digest in digests)
        try:
            self._blobs.fetch(reference, digests, size)
        except CommandFailed as error:
            return error
        return None

    def _measure(self, digest: str) -> LayerMeasure | Unmeasured:
        wanted = self._wanted[digest]
        try:
            packing = PACKINGS[wanted.media_type]
            with self._blobs.unpacked(digest, wanted.size, packing) as chunks:
                measure = measure_layer(tar_entries(chunks))
        except InvalidLayer as error:
            return self._unmeasured(digest, "corrupt", error.cause)
        finally:
            if not self._keep:
                self._blobs.remove(digest)
        remember_measure(self._host, self._cache_folder, digest, measure)
        return measure

    def _unmeasured(self, digest: str, cause: str, message: str) -> Unmeasured:
        return Unmeasured(digest, self._wanted[digest].reference, cause, message)


def _problem(digest: str, media_type: str) -> str:
    """Say why a layer cannot be asked for; empty when it can."""
    if not _DIGEST.fullmatch(digest):
        return "it has no sha256 digest, by which alone skopeo brings layers"
    if media_type not in PACKINGS:
        return f"its media type {media_type or 'is missing and'} is no layer's"
    return ""


def _groups(wanted: Mapping[str, WantedLayer]) -> list[list[str]]:
    """Return layers that are fetched in one go: one reference's, a bounded number of bytes."""
    groups: dict[str, list[list[str]]] = {}
    room: dict[str, int] = {}
    for digest, one in wanted.items():
        listed = groups.setdefault(one.reference, [])
        left = room.get(one.reference, 0) - one.size
        if not listed or left < 0:
            listed.append([])
            left = _GROUP_BYTES - one.size
        listed[-1].append(digest)
        room[one.reference] = left
    return [group for listed in groups.values() for group in listed]


def _remembered(host: Host, cache_folder: str, digest: str) -> LayerMeasure | None:
    """Return what a layer was measured to take; None when it was not, or the file is torn."""
    if not _DIGEST.fullmatch(digest):
        return None
    try:
        values = json.loads(host.read(_path(cache_folder, digest)) or "")
        return measure_of(values)
    except (ValueError, TypeError, AttributeError):
        return None


def remember_measure(host: Host, cache_folder: str, digest: str, measure: LayerMeasure) -> None:
    """Keep what a layer takes, for :func:`recall_measures`."""
    path = _path(cache_folder, digest)
    host.write_atomic(path, json.dumps(vars(measure)) + "\n", _MODE, f"{path}.new")


def _path(cache_folder: str, digest: str) -> str:
    return f"{cache_folder}/measures/{_FORMAT}/{digest.partition(':')[2]}.json"
