# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The link breaks, goes silent or narrow, and names are known no more.

A delay of 300 ms is injected by the registry, which answers later: this kernel cannot delay packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from fleet import Run, Running
from lab.commands import run
from lab.network import HOST, REGISTRY_HOST

from .fault import Fault
from .proxy import Mood
from .site import Site

# By this name nodes know the registry where names are to fail, and how CRI-O is told to use it.
_NAME = "registry.example.com"
_BY_NAME = "/etc/containers/registries.conf.d/50-by-name.conf"
# A stalled pull is ended after so many seconds, and tried again but once.
_IMPATIENT = {"pin_images_pull_stall_timeout": 5, "pin_images_retries": 1}
_NARROW_BITS = 256_000
_NARROW_SECONDS = 60


def cut(seconds: float) -> Callable[[Site, Running], None]:
    """Cut the node off from everybody, for so long or until the run ends; nothing is reset."""

    def amid(site: Site, running: Running) -> None:
        site.wait_for_pull()
        site.sleep(0, 2, running)
        with site.lab.network.silent(_host(site)):
            site.sleep(seconds, seconds, running)

    return amid


def silence_registry(site: Site, running: Running) -> None:
    """Let nothing through to the registry until the run has ended."""
    site.wait_for_pull()
    site.sleep(0, 1, running)
    with site.lab.network.silent(REGISTRY_HOST):
        site.sleep(600, 600, running)


def silence_ssh(site: Site, running: Running) -> None:
    """Let the node's packets to the control side go nowhere until the run has ended."""
    site.wait_for_pull()
    route = ["blackhole", site.lab.network.address(HOST)]
    site.node.exec(["ip", "route", "add", *route])
    try:
        site.sleep(600, 600, running)
    finally:
        site.node.exec(["ip", "route", "del", *route])


@contextmanager
def narrow(site: Site) -> Iterator[None]:
    """Let the node receive no more than a bad mobile link gives."""
    link = site.lab.network.outside(_host(site))
    rate = f"{_NARROW_BITS}bit"
    shape = ["tbf", "rate", rate, "burst", "64kb", "latency", "400ms"]
    run(["tc", "qdisc", "replace", "dev", link, "root", *shape])
    try:
        yield
    finally:
        run(["tc", "qdisc", "delete", "dev", link, "root"], check=False)


def widen(site: Site, running: Running) -> None:
    """Let the link be good again after the pulls have crawled for a while."""
    site.wait_for_pull()
    site.sleep(_NARROW_SECONDS, _NARROW_SECONDS, running)
    link = site.lab.network.outside(_host(site))
    run(["tc", "qdisc", "delete", "dev", link, "root"])


def _host(site: Site) -> int:
    return int(site.node.address.rpartition(".")[2])


def _tried_once(site: Site, run: Run) -> None:
    """See that no pull was cut."""
    attempts = {one["attempts"] for one in run.node(site.node.name)["images"]}
    assert attempts == {1}, f"pulls were cut: {attempts}"


@contextmanager
def without_names(site: Site) -> Iterator[None]:
    """Have CRI-O ask for the registry by a name that nobody knows any more."""
    port = site.proxy.address.rpartition(":")[2]
    text = f'[[registry]]\nprefix = "{site.proxy.address}"\nlocation = "{_NAME}:{port}"\n'
    site.node.write(_BY_NAME, f"{text}insecure = true\n")
    try:
        yield
    finally:
        site.node.exec(["rm", _BY_NAME])
        site.node.exec(["systemctl", "reload", "crio"])


def far_away(site: Site) -> AbstractContextManager[None]:
    """Have the registry answer each request after a while."""
    return site.proxy.mood(Mood(name="far-away", where="/", delay=0.3))


FAULTS = [
    Fault("cut-for-5-s", amid=cut(5), whole=True, slow=True, short=True),
    Fault("cut-for-60-s", amid=cut(60), slow=True),
    Fault("cut-for-good", amid=cut(600), whole=False, slow=True, said="unreachable"),
    Fault(
        "silent-registry",
        amid=silence_registry,
        whole=False,
        slow=True,
        cause="timeout",
        variables=_IMPATIENT,
    ),
    Fault("silent-ssh", amid=silence_ssh, whole=False, slow=True, said="unreachable"),
    Fault(
        "256-kbit",
        amid=widen,
        around=narrow,
        after=_tried_once,
        whole=True,
        variables={"pin_images_pull_stall_timeout": 15},
    ),
    Fault("300-ms", around=far_away, after=_tried_once, whole=True),
    Fault(
        "dns-gone",
        around=without_names,
        whole=False,
        cause="unreachable",
        variables={"pin_images_retries": 1},
    ),
]


def test_link(site: Site, fault: Fault) -> None:
    """It ends in minutes, nothing is lost, and the next run finishes the work."""
    site.survive(fault)
