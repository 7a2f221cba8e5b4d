# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our Python on the nodes is killed: before each of its effects, and at any moment."""

from __future__ import annotations

from contextlib import AbstractContextManager

from .deaths import INTERPRETER, Death, planned
from .site import Fault, Running, Site

# What writing the drop-in does in its order, after the candidate that CRI-O checks (first write, fsync,
# fchmod and rename): the note of the turn, the journal, the new file, its rename, the folder, the journal.
_WRITING = (
    ("pwrite64", 1), ("rename", 1), ("write", 2), ("fsync", 2), ("write", 3), ("fchmod", 2),
    ("fsync", 3), ("rename", 2), ("fsync", 4), ("write", 4), ("fsync", 5),
)  # fmt: skip
# The journal before and after.
_NOTING = (("write", 1), ("fsync", 1), ("write", 2), ("fsync", 2))
_DEATHS = [
    *(Death("crio_pinned_file", turn, *call) for turn in (1, 2) for call in _WRITING),
    *(Death("crio_reload", turn, *call) for turn in (1, 2) for call in _NOTING),
    *(Death("pinned_image_set", 1, *call) for call in _NOTING),
]
# The same when the drop-in is removed; the first unlink is that of its copy, which is checked.
_UNPINNING = [
    Death("crio_pinned_file", 1, "write", 1),
    Death("crio_pinned_file", 1, "unlink", 2),
    Death("crio_pinned_file", 1, "write", 2),
    Death("crio_reload", 1, "write", 1),
]
_SHORT = {Death("crio_pinned_file", 1, "fsync", 3), Death("crio_pinned_file", 2, "rename", 2)}
_RANDOM_TIMES = 8
# A run takes about so long when nobody kills it, in seconds.
_LONGEST = 8


def _before(death: Death, *, unpins: bool = False) -> Fault:
    def around(site: Site) -> AbstractContextManager[None]:
        return planned(site, death)

    return Fault(
        f"{'unpin-' if unpins else ''}{death}",
        around=around,
        whole=False,
        unpins=unpins,
        variables={"ansible_python_interpreter": INTERPRETER},
        short=death in _SHORT,
    )


def _at_random(number: int) -> Fault:
    def amid(site: Site, running: Running) -> None:
        """Kill all of Ansible's Python on the node, some time in the run."""
        site.sleep(0, _LONGEST, running)
        for process in site.processes("/usr/bin/python3"):
            process.kill()

    return Fault(f"random-{number}", amid=amid, short=number == 1)


FAULTS = [
    *(_before(death) for death in _DEATHS),
    *(_before(death, unpins=True) for death in _UNPINNING),
    *(_at_random(number) for number in range(1, _RANDOM_TIMES + 1)),
]


def test_killed(site: Site, fault: Fault) -> None:
    """Nothing is lost, and the next run finishes the work."""
    site.survive(fault)
