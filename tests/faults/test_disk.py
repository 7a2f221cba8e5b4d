# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's disks are full, out of inodes, read-only or broken, some of them in the middle of pulls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from fleet import Running
from lab import GIB

from . import disks
from .disks import NodeDisk
from .fault import Fault, anything
from .site import STORE_SIZE, Site

# What is left of a filesystem's inodes before the run, as a part of them; the rest goes in a moment.
_LEFT = 8
# What the store's disk still answers for, in bytes; it is a little over a tenth full.
_STORE_LEFT = GIB // 16


def fills(place: str) -> Callable[[Site, Running], None]:
    """Take all of a disk while images are pulled."""

    def amid(site: Site, _running: Running) -> None:
        site.wait_for_pull()
        disks.fill_blocks(site.node, place)

    return amid


def takes_inodes(place: str) -> Callable[[Site, Running], None]:
    """Take all inodes of a disk while images are pulled."""

    def amid(site: Site, _running: Running) -> None:
        site.wait_for_pull()
        disks.fill_inodes(site.node, place)

    return amid


def freed(place: str) -> Callable[[Site], AbstractContextManager[None]]:
    """Give back what was taken, when the run has ended."""

    @contextmanager
    def around(site: Site) -> Iterator[None]:
        try:
            yield
        finally:
            disks.free(site.node, place)

    return around


def few_inodes(place: str) -> Callable[[Site], AbstractContextManager[None]]:
    """Take most inodes of a disk before the run, and give them back when it has ended."""

    @contextmanager
    def around(site: Site) -> Iterator[None]:
        with freed(place)(site):
            disks.fill_inodes(site.node, place, disks.inodes_free(site.node, place) // _LEFT)
            yield

    return around


def harmed(disk: str, harm: Callable[[NodeDisk], None]) -> Callable[[Site, Running], None]:
    """Do something to a disk in the middle of pulls."""

    def amid(site: Site, running: Running) -> None:
        site.wait_for_pull()
        site.sleep(0, 1, running)
        harm(disks.disk_of(site.lab.state_dir, site.node, disk))

    return amid


def mended(
    disk: str, mend: Callable[[NodeDisk], None]
) -> Callable[[Site], AbstractContextManager[None]]:
    """Do something to a disk after the run, while the node is off."""

    @contextmanager
    def around(site: Site) -> Iterator[None]:
        try:
            yield
        finally:
            site.node.power_cut()
            mend(disks.disk_of(site.lab.state_dir, site.node, disk))
            site.node.start()

    return around


def full(name: str, place: str, **more: Any) -> Fault:
    """A disk that becomes full."""
    return Fault(name, amid=fills(place), around=freed(place), whole=False, slow=True, **more)


def out_of_inodes(name: str, place: str, **more: Any) -> Fault:
    """A disk that runs out of inodes."""
    return Fault(
        name, amid=takes_inodes(place), around=few_inodes(place), whole=False, slow=True, **more
    )


FAULTS = [
    full("full-store", disks.STORE, cause="no_space"),
    full("full-var-tmp", disks.TEMPORARY, cause="no_space"),
    full("full-etc", disks.ROOT, short=True),
    out_of_inodes("no-inodes-store", disks.STORE, cause="no_space"),
    out_of_inodes("no-inodes-var-tmp", disks.TEMPORARY),
    out_of_inodes("no-inodes-etc", disks.ROOT),
    *(
        Fault(
            f"read-only-{disk}",
            amid=harmed(disk, NodeDisk.go_read_only),
            around=mended(disk, NodeDisk.check),
            whole=False,
            slow=True,
            takes=anything,
        )
        for disk in ("store", "var-tmp", "root")
    ),
    # Not that of CRI-O's temporary directory: pulls take what they staged there from the page cache.
    Fault(
        "io-errors-store",
        # Most of it answers with I/O errors, and then there is a new one.
        amid=harmed("store", lambda disk: disk.shorten(_STORE_LEFT)),
        around=mended("store", lambda disk: disk.exchange(STORE_SIZE)),
        whole=False,
        slow=True,
        takes=anything,
    ),
]


def test_disk(site: Site, fault: Fault) -> None:
    """The run says so, nothing is lost but what the disk took, and the next run finishes the work."""
    site.survive(fault)
