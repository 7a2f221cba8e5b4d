# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read on the control node which images each pool wants, before any node is touched."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.actions.sources import read_checked_lock, read_lock, read_sets
from ..module_utils.documents.lock import lock_document
from ..module_utils.documents.pinned_image_set import references_for_pool
from ..module_utils.errors import EdgefleetError
from ..module_utils.node.control_host import LocalControlHost
from ..plugin_utils.control import search_folders, source_list, warn

_SHOWN_REPEATS = 3


class ActionModule(ActionBase):
    """See the documentation of edgefleet.crio.wanted_images."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Read the lock or the sets, and return the references of each pool."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "lock": {"type": "str"},
                "lock_checksum": {"type": "str"},
                "sets": {"type": "raw"},
                "pools": {"type": "list", "elements": "str", "required": True},
            },
        )
        try:
            result.update(self._read(arguments))
        except EdgefleetError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _read(self, arguments: dict[str, Any]) -> dict[str, Any]:
        host, folders = LocalControlHost(), search_folders(self._loader.get_basedir())
        lock, checksum = None, str(arguments["lock_checksum"] or "")
        if checksum and not arguments["lock"]:
            raise EdgefleetError(
                "option lock_checksum", "there is no lock to check", "Give the lock as well."
            )
        if arguments["lock"]:
            lock = (
                read_checked_lock(host, arguments["lock"], checksum, folders)
                if checksum
                else read_lock(host, arguments["lock"], folders)
            )
            sets = lock.pinned_image_sets(arguments["lock"])
        else:
            sets = read_sets(host, source_list(arguments["sets"]), folders)
        for one in sets:
            if one.repeated:
                shown = ", ".join(one.repeated[:_SHOWN_REPEATS])
                warn(f"{one.origin}: set {one.name!r} names images twice: {shown}")
        pools = sorted(set(arguments["pools"]))
        named = sorted({one.pool for one in sets if one.pool is not None})
        for pool in set(pools).difference(named) if named else ():
            warn(
                f"pool {pool!r} takes only the sets for every pool: the others are for {', '.join(named)}"
            )
        return {
            "changed": False,
            "references": {pool: list(references_for_pool(sets, pool)) for pool in pools},
            "lock": lock_document(lock) if lock else None,
        }
