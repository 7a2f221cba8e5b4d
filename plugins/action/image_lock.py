# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock images on the control node: ask the registries, write the lock in one step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.actions.image_files import ImageFiles
from ..module_utils.actions.image_sources import ImageSources
from ..module_utils.actions.lock import MadeLock, Unresolved, make_lock, verify_lock
from ..module_utils.actions.measure import Measured, WantedLayer, measure_layers, recall_measures
from ..module_utils.actions.sources import SourcePlace, read_sources
from ..module_utils.documents.lock import HEADING, VERSION, Lock, lock_document
from ..module_utils.documents.lock_changes import (
    PoolTotal,
    change_lines,
    compare_locks,
    lock_totals,
    total_lines,
)
from ..module_utils.documents.lock_file import parse_lock
from ..module_utils.documents.platform import PoolPlatforms, parse_pool_platforms
from ..module_utils.documents.readable import readable_bytes, readable_count
from ..module_utils.documents.sources import PinnedImageSetSource, Source, parse_sources
from ..module_utils.documents.wanted_set import WantedSet
from ..module_utils.documents.yaml_text import load_documents, render_document
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.control_host import LocalControlHost
from ..module_utils.node.manifests import Manifests
from ..module_utils.node.skopeo import Skopeo
from ..plugin_utils.control import (
    cache_folder,
    folder_to_write,
    search_folders,
    source_list,
    standard_input,
    structure,
    warn,
)

_MODE = 0o644
# A line each time this part of all images is done, and not more often than that, in seconds.
_PROGRESS_STEPS = 10
_PROGRESS_INTERVAL = 5.0


class ActionModule(ActionBase):
    """See the documentation of edgefleet.crio.image_lock."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Resolve the sources and write the lock, unless check mode or nothing changed."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "path": {"type": "path"},
                "sets": {"type": "raw"},
                "sources": {"type": "raw"},
                "platforms": {"type": "raw", "default": ["linux/amd64"]},
                "stores": {"type": "dict", "default": {}},
                "registry_auth": {"type": "path"},
                "partial": {"type": "bool", "default": False},
                "measure": {"type": "bool", "default": False},
                "keep_layers": {"type": "path"},
            },
        )
        result.update(changed=False, unresolved=[])
        try:
            result.update(self._answer(arguments))
        except EdgefleetError as error:
            result.update(failed=True, msg=str(error), **error.details())
        return result

    def _answer(self, arguments: dict[str, Any]) -> dict[str, Any]:
        # No path at all asks for the lock as a value; an empty one is a variable that nobody set.
        if arguments["path"] == "":
            raise EdgefleetError(
                "writing the lock", "it has no path", "Name one in pin_images_lock."
            )
        sources = _sources(arguments)
        if self._task.check_mode and arguments["path"] and not sources:
            return self._verify(arguments)
        return self._lock(arguments, sources)

    def _verify(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what a lock amounts to, and which of its images do not answer as locked."""
        path = arguments["path"]
        lock = _lock_to_verify(path)
        failed = _not_as_locked(_registry(_skopeo(arguments), ask=True), lock, path)
        if failed and not arguments["partial"]:
            problem = f"verifying the lock {path}"
            return _failed(failed, problem, "did not answer as locked", "Mend them or lock again.")
        totals = lock_totals(lock)
        _say_all(total_lines(totals))
        return {**_values(lock, totals, failed), "changes": None}

    def _lock(self, arguments: dict[str, Any], sources: list[Source]) -> dict[str, Any]:
        """Lock the sources; in check mode verify the lock that is there as well."""
        before = _lock_before(arguments["path"])
        verifies = bool(self._task.check_mode and arguments["path"])
        skopeo = _skopeo(arguments)
        registry = _registry(skopeo, ask=verifies)
        failed = _not_as_locked(registry, before, arguments["path"]) if verifies and before else ()
        platforms = parse_pool_platforms(_platforms(arguments["platforms"]), "platforms")
        images = ImageSources(
            registry, ImageFiles(LocalControlHost(), skopeo, cache_folder()), platforms
        )
        sets = self._read(sources, arguments, images, platforms)
        made = make_lock(
            registry, sets, platforms, self._measurer(arguments, skopeo, before), _progress()
        )
        wanted = _wanted_still(before, made) if before else set()
        for one in failed:
            if one.reference not in wanted:
                _say(f"does not answer as locked, and is no longer wanted: {_failure_line(one)}")
        # What is wanted and was locked before fails twice, and is named once.
        still = [one for one in failed if one.reference in wanted]
        each = {one.reference: one for one in (*still, *made.unresolved)}
        return self._locked(arguments, before, made.lock, tuple(each.values()))

    def _read(
        self,
        sources: list[Source],
        arguments: dict[str, Any],
        images: ImageSources,
        platforms: PoolPlatforms,
    ) -> list[WantedSet]:
        place = SourcePlace(
            LocalControlHost(),
            search_folders(self._loader.get_basedir()),
            standard_input(),
            arguments["stores"],
            platforms,
            warn,
        )
        return read_sources(place, sources, images.read)

    def _measurer(
        self, arguments: dict[str, Any], skopeo: Skopeo, before: Lock | None
    ) -> Callable[[Mapping[str, WantedLayer], bool], Measured]:
        """Return what says what layers take; what is locked or remembered stays true of a digest."""
        fetches = arguments["measure"] and not self._task.check_mode
        locked = before.layers.items() if before else ()
        known = {digest: one.measure for digest, one in locked if one.measure}

        def measure(layers: Mapping[str, WantedLayer], may_fetch: bool) -> Measured:
            left = {digest: one for digest, one in layers.items() if digest not in known}
            if not (fetches and may_fetch):
                recalled = recall_measures(LocalControlHost(), left, cache_folder())
                return Measured({**known, **recalled}, ())
            keep = arguments["keep_layers"]
            found = measure_layers(
                LocalControlHost(),
                skopeo,
                left,
                cache_folder(),
                os.path.abspath(keep) if keep else "",
                _measure_progress(left),
            )
            return Measured({**known, **found.measures}, found.unmeasured)

        return measure

    def _locked(
        self,
        arguments: dict[str, Any],
        before: Lock | None,
        lock: Lock,
        unresolved: tuple[Unresolved, ...],
    ) -> dict[str, Any]:
        if unresolved and not arguments["partial"]:
            needed = "Mend or remove them; the lock was not changed."
            return _failed(unresolved, "locking the images", "could not be resolved", needed)
        totals = lock_totals(lock)
        answer = _values(lock, totals, unresolved)
        if not arguments["path"]:
            return answer
        changes = compare_locks(before, lock) if before else None
        _say_all([*(change_lines(changes) if changes else []), *total_lines(totals)])
        return {
            **answer,
            "changes": asdict(changes) if changes else None,
            **self._write(lock, arguments["path"]),
        }

    def _write(self, lock: Lock, path: str) -> dict[str, Any]:
        host, target = LocalControlHost(), os.path.abspath(path)
        before, after = host.read(target), render_document(lock_document(lock), HEADING)
        changed = before != after
        if changed and not self._task.check_mode:
            folder, name = os.path.split(target)
            host.write_atomic(target, after, _MODE, os.path.join(folder, f".{name}.new"))
        would = "would be " if self._task.check_mode else ""
        _say(f"{path} {would}written" if changed else f"{path} says so already, and stays as it is")
        return {
            "changed": changed,
            "diff": {
                "before_header": path,
                "after_header": path,
                "before": before or "",
                "after": after,
            },
        }


def _say(line: str) -> None:
    Display().display(f"image_lock: {line}")


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        _say(line)


class _Pace:
    """Lets a line of progress through when the last one was some time ago."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Say whether to print one now; then the next one has to wait."""
        now = time.monotonic()
        if now - self._last < _PROGRESS_INTERVAL:
            return False
        self._last = now
        return True


def _progress() -> Callable[[int, int], None]:
    """Return what prints how many images are done, a few times on the way, where that is long."""
    pace = _Pace()

    def progress(done: int, total: int) -> None:
        # The end is told by what follows.
        if done < total and done % max(1, total // _PROGRESS_STEPS) == 0 and pace.is_due():
            _say(f"{done} of {total} images")

    return progress


def _measure_progress(layers: Mapping[str, WantedLayer]) -> Callable[[int, int], None]:
    total = sum(one.size for one in layers.values())
    pace, shown = _Pace(), [0]

    def progress(done: int, done_bytes: int) -> None:
        step = done_bytes * _PROGRESS_STEPS // max(1, total)
        if done < len(layers) and step > shown[0] and pace.is_due():
            shown[0] = step
            _say(
                f"{done} of {len(layers)} layers measured,"
                f" {readable_bytes(done_bytes)} of {readable_bytes(total)}"
            )

    return progress


def _platforms(value: Any) -> Any:
    """Return platforms from a string of names, or of a mapping, as surveys and ``-e`` give it."""
    if isinstance(value, str) and ":" in value:
        return structure(value, "platforms")
    return source_list(value) if isinstance(value, str) else value


def _sources(arguments: dict[str, Any]) -> list[Source]:
    sets = source_list(arguments["sets"])
    shorthand = [PinnedImageSetSource(0, "", None, (), tuple(sets))] if sets else []
    listed = structure(arguments["sources"], "pin_images_sources") or []
    return [*shorthand, *parse_sources(listed, "pin_images_sources")]


def _skopeo(arguments: dict[str, Any]) -> Skopeo:
    return Skopeo(LocalControlHost(), arguments["registry_auth"] or "")


def _registry(skopeo: Skopeo, ask: bool) -> Manifests:
    """Return what asks registries; a lock that is verified goes by nothing that is remembered."""
    return Manifests(LocalControlHost(), skopeo, f"{cache_folder()}/manifests", ask=ask)


def _not_as_locked(registry: Manifests, lock: Lock, path: str) -> tuple[Unresolved, ...]:
    """Return what does not answer as locked, and print how many images do."""
    failed = verify_lock(registry, lock)
    answering, asked = len(lock.images) - len(failed), len(lock.images)
    images = f"{answering} of {readable_count(asked, 'image')} of {path}"
    _say(f"{images} {'answers' if asked == 1 else 'answer'} as locked")
    return failed


def _lock_to_verify(path: str) -> Lock:
    """Return the lock that is there.

    :raises EdgefleetError: when there is none, or something else.
    """
    text = LocalControlHost().read(os.path.abspath(path))
    if text is None:
        raise EdgefleetError(
            f"reading the lock {path}",
            f"there is no {os.path.abspath(path)}, and no source to make one from",
            "Correct pin_images_lock, or name what to lock in pin_images_sets or"
            " pin_images_sources.",
        )
    return parse_lock(load_documents(text, path), path)


def _lock_before(path: str | None) -> Lock | None:
    """Return the lock that is there; a damaged one of ours is replaced, and compared to nothing.

    :raises EdgefleetError: when it is something else, which would be lost; or its folder is not there.
    """
    if not path:
        return None
    host, target = LocalControlHost(), os.path.abspath(path)
    folder_to_write(path, f"locking to {path}", "Make it, or correct pin_images_lock.")
    text = host.read(target)
    if not text or not text.strip():
        return None
    try:
        return parse_lock(load_documents(text, path), path)
    except EdgefleetError as error:
        # A careless merge leaves a lock that begins like this, and locking again mends it.
        if not text.startswith(render_document({"version": VERSION}, HEADING)):
            raise EdgefleetError(
                f"locking to {path}",
                f"what lies there is no lock of this version, and stays as it is: {error.cause}",
                "Correct pin_images_lock.",
            ) from None
        warn(f"{error} What changes is not shown.")
        return None


def _wanted_still(before: Lock, made: MadeLock) -> set[str]:
    """Return the references that are wanted now, those that could not be resolved among them."""
    unresolved = {one.reference for one in made.unresolved}
    # A tag that does not answer leads where it led, for all that is known.
    tagged = {
        f"{name.rpartition(':')[0]}@{digest}"
        for name, digest in before.tagged().items()
        if name in unresolved
    }
    return unresolved | tagged | {one.reference for one in made.lock.images}


def _values(
    lock: Lock, totals: tuple[PoolTotal, ...], unresolved: tuple[Unresolved, ...]
) -> dict[str, Any]:
    """Return what is returned of every lock."""
    return {
        "unresolved": [vars(one) for one in unresolved],
        "lock": lock_document(lock),
        "images": len(lock.images),
        "layers": len(lock.layers),
        "layer_bytes": sum(one.size for one in lock.layers.values()),
        "totals": [asdict(one) for one in totals],
    }


def _failed(
    unresolved: tuple[Unresolved, ...], problem: str, what: str, needed: str
) -> dict[str, Any]:
    """Print a line for each image that failed; the message names them all, and why the first did."""
    lines = [_failure_line(one) for one in unresolved]
    _say_all(lines)
    named = "; ".join([lines[0], *(one.reference for one in unresolved[1:])])
    return {
        "failed": True,
        "unresolved": [vars(one) for one in unresolved],
        "msg": f"{problem}: {len(lines)} {what}: {named}. {needed}",
    }


def _failure_line(one: Unresolved) -> str:
    sets = f"set {', '.join(one.sets)}: " if one.sets else ""
    return f"{sets}{one.reference}: {one.cause}: {one.message}"
