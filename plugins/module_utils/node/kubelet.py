# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet's limits, where the node has a kubelet."""

from __future__ import annotations

from ..observed.kubelet import CONFIG_PATHS, KubeletLimits, parse_kubelet_limits
from .host import Host


def read_kubelet_limits(host: Host) -> KubeletLimits | None:
    """Return the limits of the first kubelet configuration there is, or None.

    :raises EdgefleetError: when there is one that cannot be understood.
    """
    for path in CONFIG_PATHS:
        text = host.read(path)
        if text is not None:
            return parse_kubelet_limits(text, path)
    return None
