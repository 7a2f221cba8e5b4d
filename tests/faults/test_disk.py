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
from .fault import Fault, anything
from .site import Site

# What is left of a filesystem's inodes before the run, as a part of them; the rest goes in a moment.
_LEFT = 8
# The store is a little over a tenth full.
_SHORTENED = GIB // 16
_STORE_SIZE = 2 * GIB


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


@contextmanager
def repaired(site: Site) -> Iterator[None]:
    """Have the store's disk checked after the run, as at a boot."""
    try:
        yield
    finally:
        site.node.power_cut()
        disks.store_of(site.lab.state_dir, site.node).check()
        site.node.start()


def read_only(site: Site, running: Running) -> None:
    """Have the store's filesystem go read-only in the middle of pulls."""
    site.wait_for_pull()
    site.sleep(0, 1, running)
    disks.store_of(site.lab.state_dir, site.node).go_read_only()


@contextmanager
def exchanged(site: Site) -> Iterator[None]:
    """Have the store's disk exchanged after the run."""
    try:
        yield
    finally:
        site.node.power_cut()
        disks.store_of(site.lab.state_dir, site.node).exchange(_STORE_SIZE)
        site.node.start()


def broken(site: Site, running: Running) -> None:
    """Have most of the store's disk answer with I/O errors, in the middle of pulls."""
    site.wait_for_pull()
    site.sleep(0, 1, running)
    disks.store_of(site.lab.state_dir, site.node).shorten(_SHORTENED)


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
    Fault(
        "read-only-store",
        amid=read_only,
        around=repaired,
        whole=False,
        slow=True,
        takes=anything,
    ),
    Fault("io-errors-store", amid=broken, around=exchanged, whole=False, slow=True, takes=anything),
]


def test_disk(site: Site, fault: Fault) -> None:
    """The run says so, nothing is lost but what the disk took, and the next run finishes the work."""
    site.survive(fault)
