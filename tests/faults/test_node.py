# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node loses CRI-O, crictl, its power, its disk space or its link in the middle of pulls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab.commands import run

from .site import Fault, Running, Site

_FILL = "/var/lib/containers/fill"
_ROOT_FILL = "/var/fill"
_CUT_SECONDS = 5


def kill_crio(site: Site, running: Running) -> None:
    """End CRI-O; systemd starts it again after a while."""
    site.wait_for_pull()
    site.sleep(0, 2, running)
    for process in site.processes("/usr/bin/crio "):
        process.kill()


def kill_crictl(site: Site, running: Running) -> None:
    """End the clients of the pulls that are in flight."""
    site.wait_for_pull()
    site.sleep(0, 1, running)
    for process in site.wait_for_pull():
        process.kill()


def cut_power(site: Site, running: Running) -> None:
    """Cut the power, and turn it on again."""
    site.wait_for_pull()
    site.sleep(0, 2, running)
    site.node.power_cut()
    site.node.start()


def fill_store(site: Site, _running: Running) -> None:
    """Take all of the store's disk."""
    site.wait_for_pull()
    _fill(site, _FILL)


def fill_root(site: Site, _running: Running) -> None:
    """Take all of the disk of /etc and of our journal."""
    site.wait_for_pull()
    _fill(site, _ROOT_FILL)


def _fill(site: Site, path: str) -> None:
    """Take every block, those that are reserved for root too."""
    script = 'blocks=$(stat -f -c %f "$1"); size=$(stat -f -c %S "$1"); touch "$0"'
    script += '; fallocate -l $((blocks * size)) "$0" || true; dd if=/dev/zero bs=4k >>"$0" || true'
    site.node.exec(["sh", "-c", script, path, path.rpartition("/")[0]])


@contextmanager
def _freed(site: Site) -> Iterator[None]:
    yield
    site.node.exec(["rm", "-f", _FILL, _ROOT_FILL])


def cut_link(site: Site, running: Running) -> None:
    """Cut the node off from everybody for five seconds."""
    site.wait_for_pull()
    site.sleep(0, 2, running)
    link = f"{site.lab.network.bridge}-{site.node.address.rpartition('.')[2]}"
    run(["ip", "link", "set", link, "down"])
    try:
        time.sleep(_CUT_SECONDS)
    finally:
        run(["ip", "link", "set", link, "up"])


FAULTS = [
    Fault("kill-crio", amid=kill_crio, loses=True, slow=True, short=True),
    Fault("kill-crictl", amid=kill_crictl, slow=True),
    Fault("link-cut", amid=cut_link, whole=True, slow=True),
    Fault("power-cut", amid=cut_power, loses=True, whole=False, slow=True, short=True),
    Fault("full-store", amid=fill_store, around=_freed, cause="no_space", whole=False, slow=True),
    Fault("full-etc", amid=fill_root, around=_freed, whole=False, slow=True, short=True),
]


def test_node(site: Site, fault: Fault) -> None:
    """Nothing is lost but what the fault took, and the next run finishes the work."""
    site.survive(fault)
