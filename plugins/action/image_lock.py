# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock sets on the control node: ask the registries, write the lock in one step."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.actions.lock import Unresolved, resolve
from ..module_utils.actions.sources import read_sets
from ..module_utils.documents.lock import HEADING, Lock, build_lock, lock_document
from ..module_utils.documents.platform import parse_platform
from ..module_utils.documents.yaml_text import render_document
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.host import LocalHost
from ..plugin_utils.control import search_folders, source_list

_MODE = 0o644
# A line each time this part of all images is done.
_PROGRESS_STEPS = 10


class ActionModule(ActionBase):
    """See the documentation of edgefleet.crio.image_lock."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Resolve the sets and write the lock, unless check mode or nothing changed."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "path": {"type": "str"},
                "sets": {"type": "raw", "required": True},
                "platforms": {"type": "list", "elements": "str", "default": ["linux/amd64"]},
                "registry_auth": {"type": "str"},
                "partial": {"type": "bool", "default": False},
            },
        )
        result.update(changed=False, unresolved=[])
        try:
            result.update(self._lock(arguments))
        except EdgefleetError as error:
            result.update(failed=True, msg=str(error), **error.details())
        return result

    def _lock(self, arguments: dict[str, Any]) -> dict[str, Any]:
        # No path at all asks for the lock as a value; an empty one is a variable that nobody set.
        if arguments["path"] == "":
            raise EdgefleetError(
                "writing the lock", "it has no path", "Name one in pin_images_lock."
            )
        host, folders = LocalHost(), search_folders(self._loader.get_basedir())
        platforms = [parse_platform(one, "platforms") for one in arguments["platforms"]]
        sets = read_sets(host, source_list(arguments["sets"]), folders)
        references = sorted({reference for one in sets for reference in one.references})
        resolution = resolve(
            host,
            references,
            platforms,
            arguments["registry_auth"] or "",
            _Progress(len(references)),
        )
        unresolved = [vars(one) for one in resolution.unresolved]
        if unresolved and not arguments["partial"]:
            return {
                "failed": True,
                "unresolved": unresolved,
                "msg": _failure(resolution.unresolved, len(references)),
            }
        lock = build_lock(sets, platforms, resolution.resolved, resolution.layers)
        return {"unresolved": unresolved, **_totals(lock), **self._write(lock, arguments["path"])}

    def _write(self, lock: Lock, path: str | None) -> dict[str, Any]:
        if not path:
            return {"lock": lock_document(lock)}
        host, target = LocalHost(), os.path.abspath(path)
        before, after = host.read(target), render_document(lock_document(lock), HEADING)
        changed = before != after
        if changed and not self._task.check_mode:
            folder, name = os.path.split(target)
            host.write_atomic(target, after, _MODE, os.path.join(folder, f".{name}.new"))
        return {
            "changed": changed,
            "lock": lock_document(lock),
            "diff": {
                "before_header": path,
                "after_header": path,
                "before": before or "",
                "after": after,
            },
        }


class _Progress:
    """Prints how many images are done, a few times in all."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._step = max(1, total // _PROGRESS_STEPS)

    def __call__(self, done: int) -> None:
        if done % self._step == 0 or done == self._total:
            Display().display(f"image_lock: {done} of {self._total} images")


def _totals(lock: Lock) -> dict[str, Any]:
    return {
        "images": len(lock.images),
        "layers": len(lock.layers),
        "layer_bytes": sum(one.size for one in lock.layers.values()),
    }


def _failure(unresolved: tuple[Unresolved, ...], total: int) -> str:
    named = "; ".join(f"{one.reference} ({one.cause}: {one.message})" for one in unresolved)
    return (
        f"locking the images: {len(unresolved)} of {total} could not be resolved: {named}."
        " Mend or remove them; the lock was not changed."
    )
