# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a node's filesystems, store and kubelet limits, and hold a download against them."""

from __future__ import annotations

from typing import Mapping

from ..decisions.budget import StorageBudget, describe_shortage, plan_storage, reserves_on
from ..documents.locked_images import LockedImages, LockedLayer
from ..node.crio import Crio
from ..node.host import Host, require_root
from ..node.kubelet import read_kubelet_limits
from ..node.store import read_layers
from ..observed.crio import RunningConfig

# The kubelet's root directory, which lies on what it calls nodefs.
_KUBELET_ROOT = "/var/lib/kubelet"
# Where containers/image stages blobs unless big_files_temporary_dir is set.
_DEFAULT_TEMPORARY = "/var/tmp"


def check_storage(
    host: Host, locked: LockedImages, min_free_bytes: int, max_parallel: int
) -> StorageBudget:
    """Say whether what is missing of ``locked`` fits on this node now.

    :raises EdgefleetError: when CRI-O does not answer or a file cannot be understood.
    """
    require_root(host, "checking the storage")
    config = Crio(host).running_config()
    image_room = host.filesystem(config.image_root)
    return plan_storage(
        locked=locked,
        present=read_layers(host, config),
        image_room=image_room,
        temporary_room=host.filesystem(config.big_files_temporary_dir or _DEFAULT_TEMPORARY),
        max_parallel=max_parallel,
        reserves=reserves_on(
            image_room, host.filesystem(_KUBELET_ROOT), read_kubelet_limits(host), min_free_bytes
        ),
    )


class StorageWatch:
    """Whether the disks have room for more, asked again and again while a pull runs."""

    def __init__(self, host: Host, config: RunningConfig, min_free_bytes: int) -> None:
        """Read the kubelet's limits once.

        :raises EdgefleetError: when they cannot be understood.
        """
        self._host = host
        self._config = config
        self._limits = read_kubelet_limits(host)
        self._min_free_bytes = min_free_bytes

    def room_for(self, layers: Mapping[str, LockedLayer]) -> str:
        """Say what is lacking now for pulling ``layers`` at once, the reserves kept; '' if nothing.

        :raises HostError: when a filesystem cannot be measured.
        """
        image_room = self._host.filesystem(self._config.image_root)
        budget = plan_storage(
            locked=LockedImages({"": tuple(layers)}, layers),
            present=frozenset(),
            image_room=image_room,
            temporary_room=self._host.filesystem(
                self._config.big_files_temporary_dir or _DEFAULT_TEMPORARY
            ),
            max_parallel=1,
            reserves=reserves_on(
                image_room,
                self._host.filesystem(_KUBELET_ROOT),
                self._limits,
                self._min_free_bytes,
            ),
        )
        return "; ".join(filter(None, map(describe_shortage, budget.rooms)))
