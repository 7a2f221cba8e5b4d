# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read on the control node which images each pool wants, before any node is touched."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.actions.wanted import LockFile, read_lock, read_sets, twice_named
from ..module_utils.documents.lock import lock_document
from ..module_utils.documents.pinned_image_set import references_for_pool
from ..module_utils.documents.readable import readable_names
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.control_host import LocalControlHost
from ..module_utils.node.host import Host
from ..plugin_utils.control import search_folders, source_list, warn
from ..plugin_utils.options import ARGUMENTS, play_settings, refuse_options

_POOL = "pin_images_pool"
_SHOWN = 3


class ActionModule(ActionBase):
    """See the documentation of edgefleet.crio.wanted_images."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Read the locks or sets of all nodes of the play, and return the references of each pool."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                **ARGUMENTS,
                "settings": {"type": "list", "elements": "str", "required": True},
            },
        )
        play = play_settings(task_vars or {}, arguments)
        refusal = refuse_options(play, arguments)
        if refusal:
            return {**result, **refusal}
        wanted, sources = [], play.alike(arguments["settings"])
        for source in sources:
            told = (play.of_nodes[node] for node in source.nodes)
            pools = {settings[_POOL] for settings in told if _POOL in settings}
            try:
                read = self._read(source.settings, sorted(pools))
            except EdgefleetError as error:
                return {**result, **source.refuse(sources, str(error))}
            wanted.append({"settings": source.settings, "nodes": source.nodes, **read})
        return {**result, "changed": False, "wanted": wanted}

    def _read(self, settings: dict[str, Any], pools: list[str]) -> dict[str, Any]:
        host, folders = LocalControlHost(), search_folders(self._loader.get_basedir())
        path, checksum = (
            os.path.expanduser(settings[name] or "")
            for name in ("pin_images_lock", "pin_images_lock_checksum")
        )
        if checksum and not path:
            raise EdgefleetError(
                "pin_images_lock_checksum",
                "there is no lock to check",
                "Give pin_images_lock as well.",
            )
        told = source_list(settings["pin_images_sets"])
        if path:
            file = read_lock(host, path, folders, checksum)
            if told:
                _warn_of_other_sets(file, host, told, folders)
            sets, lock = file.lock.pinned_image_sets(path), lock_document(file.lock)
            wanted_by = f"lock {file.path}, SHA-256 {file.sha256}"
        else:
            sets, lock = read_sets(host, told, folders), None
            named = readable_names([f"{one.name} ({one.origin})" for one in sets], _SHOWN)
            wanted_by = f"{'set' if len(sets) == 1 else 'sets'} {named}"
        for one in sets:
            if one.repeated:
                warn(twice_named(one))
        references = {pool: list(references_for_pool(sets, pool)) for pool in pools}
        return {"references": references, "lock": lock, "wanted_by": wanted_by}


def _warn_of_other_sets(file: LockFile, host: Host, told: list[Any], folders: list[str]) -> None:
    """Say which images of the sets the lock does not have: they changed, or others were meant."""
    try:
        wanted = {name for one in read_sets(host, told, folders) for name in one.references}
    except EdgefleetError as error:
        warn(f"{error} The lock {file.path} counts, and pin_images_sets was not compared with it.")
        return
    lacks = sorted(wanted - {image.reference for image in file.lock.images})
    if lacks:
        warn(
            f"the lock {file.path} counts, and lacks {readable_names(lacks, _SHOWN)} of"
            " pin_images_sets. Lock again, or leave pin_images_lock empty to take the sets."
        )
