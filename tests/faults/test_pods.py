# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod runs from an image that is wanted no more, and images that are wanted no more are removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fleet import Running

from . import invariants
from .fault import Fault, anything
from .site import Site
from .test_node import kill_crio

_REMOVES = {"pin_images_remove_unpinned": True}


@contextmanager
def in_use(site: Site) -> Iterator[None]:
    """Let a pod run from what goes out of the set; it must go on, and keep its image."""
    reference = min(site.references(site.came_from) - site.references(site.goal) - {site.in_use})
    pod = site.node.run_pod(reference)
    try:
        yield
        site.node.wait_ready()
        assert pod.running
        assert reference in invariants.present(site.node)
    finally:
        pod.stop()


def kill_python(site: Site, running: Running) -> None:
    """Kill our Python on the node some time while images are pulled, pinned or removed."""
    site.wait_for_pull()
    site.sleep(0, 5, running)
    for process in site.processes("/usr/bin/python3"):
        process.kill()


FAULTS = [
    Fault("set-shrinks", around=in_use, whole=True, variables=_REMOVES, short=True),
    Fault("set-shrinks-kill-python", around=in_use, amid=kill_python, variables=_REMOVES),
    Fault(
        "set-shrinks-kill-crio", around=in_use, amid=kill_crio, takes=anything, variables=_REMOVES
    ),
    Fault("unpin", around=in_use, whole=True, unpins=True, variables=_REMOVES),
]


def test_pods(site: Site, fault: Fault) -> None:
    """The pod keeps running and its image stays; the next run finishes the work."""
    site.survive(fault)
