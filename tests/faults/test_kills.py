# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our Python on the nodes is killed: before each of its effects, and at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from fleet import Running, taking_pins_at_starts

from .deaths import INTERPRETER, Death, planned
from .fault import Fault
from .site import Site, any_time

# What writing the drop-in does, in its order: the note of the turn; the copy that CRI-O checks, with the
# new file in it (first write and rename), and its end; the journal; the new file, its rename, the folder;
# the journal.
_WRITING = (
    ("pwrite64", 1), ("mkdirat", 1), ("write", 1), ("renameat", 1), ("unlinkat", 4), ("write", 2),
    ("fsync", 5), ("write", 3), ("fchmod", 2), ("fsync", 6), ("renameat", 2), ("fsync", 7),
    ("write", 4), ("fsync", 8),
)  # fmt: skip
# The journal before and after.
_NOTING = (("write", 1), ("fsync", 1), ("write", 2), ("fsync", 2))
_DEATHS = [
    *(Death("crio_pinned_file", turn, *call) for turn in (1, 2) for call in _WRITING),
    *(Death("crio_reload", turn, *call) for turn in (1, 2) for call in _NOTING),
    *(Death("pinned_image_set", 1, *call) for call in _NOTING),
]
# The same when the drop-in is removed; three times something of its copy, which is checked, goes before.
_UNPINNING = [
    Death("crio_pinned_file", 1, "write", 1),
    Death("crio_pinned_file", 1, "unlinkat", 4),
    Death("crio_pinned_file", 1, "fsync", 4),
    Death("crio_pinned_file", 1, "write", 2),
    Death("crio_reload", 1, "write", 1),
]
# The journal before and after each image that is removed.
_REMOVING = [Death("pinned_image_set", 2, *call) for call in (*_NOTING, ("write", 3))]
# The journal before and after a restart of a CRI-O that takes pins only then.
_RESTARTING = [Death("crio_reload", turn, *call) for turn in (1, 2) for call in _NOTING]
# What a pull left that died gets another name, and its two files go.
_CLEANING = [
    Death("pinned_image_set", 1, "renameat", 1),
    *(Death("pinned_image_set", 1, "unlinkat", nth) for nth in (1, 2)),
]
_DEAD_PULL = "/var/tmp/container_images_storage4711"
_DIE_PULLING = 'mkdir "$0"; touch "$0/1" "$0/2"; touch --date="1 minute ago" "$0/1" "$0/2" "$0"'
_SHORT = {Death("crio_pinned_file", 1, "fsync", 6), Death("crio_pinned_file", 2, "renameat", 2)}
_RANDOM_TIMES = 8


def _before(
    death: Death,
    prefix: str = "",
    *,
    unpins: bool = False,
    removes: bool = False,
    cleans: bool = False,
    restarts: bool = False,
) -> Fault:
    @contextmanager
    def around(site: Site) -> Iterator[None]:
        is_old = taking_pins_at_starts(site.node) if restarts else nullcontext()
        if cleans:
            # It is of a CRI-O before the one that runs, by more than what a restart takes.
            site.node.exec(["sh", "-euc", _DIE_PULLING, _DEAD_PULL])
            site.node.exec(["systemctl", "restart", "crio"])
            site.node.wait_ready()
        with is_old, planned(site, death):
            yield

    return Fault(
        f"{prefix}{death}",
        around=around,
        whole=False,
        unpins=unpins,
        variables={
            "ansible_python_interpreter": INTERPRETER,
            "pin_images_remove_unpinned": removes,
            "pin_images_allow_restart": restarts,
        },
        short=death in _SHORT,
        kind=f"{prefix}{death.module} killed before an effect",
    )


def kill_python(site: Site, _running: Running) -> None:
    """Kill all of Ansible's Python on the node."""
    for process in site.processes("/usr/bin/python3"):
        process.kill()


FAULTS = [
    *(_before(death) for death in _DEATHS),
    *(_before(death, "unpin-", unpins=True) for death in _UNPINNING),
    *(_before(death, "remove-", removes=True) for death in _REMOVING),
    *(_before(death, "clean-", cleans=True) for death in _CLEANING),
    *(_before(death, "restart-", restarts=True) for death in _RESTARTING),
    *(
        Fault(f"random-{number}", amid=any_time(kill_python), kind="any module killed any time")
        for number in range(1, _RANDOM_TIMES + 1)
    ),
]


def test_killed(site: Site, fault: Fault) -> None:
    """Nothing is lost, and the next run finishes the work."""
    site.survive(fault)
