# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed node or image or a deviation needs, and whether a person has to see to it."""

from __future__ import annotations

from dataclasses import dataclass

from .node_failure import BUSY, DEVIATES, DISK, KILLED, LOGIN, OTHER, PYTHON, UNREACHABLE


@dataclass(frozen=True)
class Remedy:
    """``needed`` is a sentence, or empty; without ``person`` a run may well succeed by itself."""

    person: bool
    needed: str


_REMEDIES = {
    "not_found": Remedy(True, "Push it to its registry, or take it out of the set and lock again."),
    "unauthorized": Remedy(True, "Give CRI-O credentials for that registry."),
    "tls": Remedy(True, "Have the node trust the registry's certificate; look at its clock too."),
    "no_space": Remedy(True, "Make room on the node."),
    "io_error": Remedy(True, "Look at the node's disk."),
    "signature_rejected": Remedy(True, "Sign the image, or change the node's policy."),
    "unreachable": Remedy(False, "The next run tries again."),
    "rate_limited": Remedy(False, "The next run tries again; wait a little."),
    "timeout": Remedy(False, "The next run tries again."),
    "corrupt": Remedy(False, "The next run tries again; if it stays, push the image again."),
}
_UNKNOWN = Remedy(True, "Read what CRI-O said.")


def remedy_for(cause: str) -> Remedy:
    """Return the remedy for a class of failure, as pinned_image_set returns it."""
    return _REMEDIES.get(cause, _UNKNOWN)


# The ways in which verify_images finds a node to deviate that pin_images does not mend by itself.
_DEVIATIONS = {
    "overridden": Remedy(True, "Remove pinned_images there."),
    # Its detail says what is needed.
    "daemon_unreachable": Remedy(True, ""),
    "corrupt": Remedy(True, "Run pin_images with pin_images_deep."),
    "masked": Remedy(True, "Unmask crio.service."),
}
_MENDED = Remedy(False, "")


def remedy_for_deviation(kind: str) -> Remedy:
    """Return the remedy for a kind of deviation, as pinned_image_set_info returns it."""
    return _DEVIATIONS.get(kind, _MENDED)


_NODES = {
    LOGIN: Remedy(True, "See to the login there: user, key, host key, sudo."),
    DISK: Remedy(True, "Make room on the node, or see why its disk is read-only."),
    PYTHON: Remedy(True, "Python 3.8 or newer is needed (ansible_python_interpreter)."),
    UNREACHABLE: Remedy(False, ""),
    KILLED: Remedy(False, "Nothing that was done is lost: run again."),
    BUSY: Remedy(False, ""),
    # What its deviations need tells whether that is a person.
    DEVIATES: Remedy(False, ""),
    OTHER: Remedy(True, ""),
}


def remedy_for_node(cause: str) -> Remedy:
    """Return the remedy for why a run failed on a node."""
    return _NODES[cause]
