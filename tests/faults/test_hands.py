# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else has his hands on the node: on the drop-in, beside it, and in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from fleet import DROP_IN

from .site import Fault, Running, Site

_DIRECTORY = "/etc/crio/crio.conf.d"
_UNIT = "/etc/systemd/system/crio.service"


def _touched(name: str, script: str, *, short: bool = False) -> Fault:
    """The drop-in is touched while images are pulled, between staging and committing."""

    def amid(site: Site, _running: Running) -> None:
        site.wait_for_pull()
        site.node.exec(["sh", "-euc", script, DROP_IN])

    return Fault(f"drop-in-{name}", amid=amid, whole=True, slow=True, short=short)


def _foreign(name: str, path: str, text: str, said: str, *, short: bool = False) -> Fault:
    """A file of somebody else lies there, and is taken away after the run."""

    @contextmanager
    def around(site: Site) -> Iterator[None]:
        site.node.write(path, text)
        yield
        site.node.exec(["rm", path])

    return Fault(name, around=around, whole=False, said=said, short=short)


def _broken_amid(site: Site, _running: Running) -> None:
    site.wait_for_pull()
    site.node.write(f"{_DIRECTORY}/70-broken", "[crio.image\n")


@contextmanager
def _unbroken(site: Site) -> Iterator[None]:
    yield
    site.node.exec(["rm", f"{_DIRECTORY}/70-broken"])


@contextmanager
def _masked(site: Site) -> Iterator[None]:
    node = site.node
    node.exec(["mv", _UNIT, "/root/crio.service"])
    node.exec(["systemctl", "mask", "crio.service"])
    yield
    node.exec(["systemctl", "unmask", "crio.service"])
    node.exec(["mv", "/root/crio.service", _UNIT])
    node.exec(["systemctl", "daemon-reload"])


def _once(act: Callable[[Site], None]) -> Callable[[Site], AbstractContextManager[None]]:
    @contextmanager
    def around(site: Site) -> Iterator[None]:
        act(site)
        yield

    return around


def _remove_an_image(site: Site) -> None:
    site.node.exec(["crictl", "rmi", min(site.references("old") & site.references("new"))])


def _wipe(site: Site) -> None:
    site.node.wipe_store()


_OTHERS = '[crio.image]\npinned_images = ["example.com/x@sha256:' + "a" * 64 + '"]\n'
_NAMED = f"{_DIRECTORY}/70-broken"

FAULTS = [
    _touched("truncated", 'truncate --size=60 "$0"', short=True),
    _touched("garbage", 'head --bytes=4000 /dev/urandom >"$0"'),
    _touched("deleted", 'rm "$0"'),
    _touched("mode", 'chmod 600 "$0"; chown ops "$0"'),
    _touched("link", 'mv "$0" /etc/moved-pins; ln -s /etc/moved-pins "$0"'),
    _touched("directory", 'rm "$0"; mkdir "$0"'),
    _foreign("broken-file", _NAMED, "[crio.image\n", _NAMED, short=True),
    _foreign("broken-pins", _NAMED, "pinned_images = = \n", _NAMED),
    Fault("broken-amid", amid=_broken_amid, around=_unbroken, said=_NAMED, whole=False, slow=True),
    _foreign("later-file", f"{_DIRECTORY}/60-other", _OTHERS, f"{_DIRECTORY}/60-other"),
    _foreign("backup", f"{DROP_IN}.1234~", _OTHERS, f"{DROP_IN}.1234~"),
    Fault("image-removed", around=_once(_remove_an_image), whole=True, loses=True),
    Fault("store-wiped", around=_once(_wipe), whole=True, loses=True, short=True),
    Fault("masked", around=_masked, whole=False, said="masked"),
]


def test_hands(site: Site, fault: Fault) -> None:
    """It is named or healed, nothing is lost, and the next run finishes the work."""
    site.survive(fault)
