# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry misbehaves, for some requests or for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta

from .certificates import self_signed
from .fault import Fault
from .proxy import Mood
from .site import Site

_MANIFESTS = "/faults/"
_BLOBS = "/blobs/"
# Where the failure lasts, one more try shows that there is one; what is got over needs one for each blob.
_ONE_RETRY = {"pin_images_retries": 1}
_IMPATIENT = {"pin_images_pull_stall_timeout": 5}
_OVER_TLS = "/etc/containers/registries.conf.d/50-over-tls.conf"
_TRUSTED = "/etc/containers/certs.d"


def _mood(name: str, mood: Mood, cause: str = "", *, short: bool = False) -> Fault:
    """A mood that lasts, and the class of its failures; without one, it is got over in the run."""

    def around(site: Site) -> AbstractContextManager[None]:
        return site.proxy.mood(replace(mood, name=name))

    variables = {**(_ONE_RETRY if cause else {}), **(_IMPATIENT if mood.stall_after else {})}
    return Fault(
        name, around=around, cause=cause, whole=not cause, variables=variables, short=short
    )


@contextmanager
def _down(site: Site) -> Iterator[None]:
    site.proxy.stop()
    try:
        yield
    finally:
        site.proxy.start()


def _over_tls(
    *, trusted: bool, valid_in: timedelta
) -> Callable[[Site], AbstractContextManager[None]]:
    """Have the node ask over TLS, with a certificate that it trusts or not, valid from some time on."""

    @contextmanager
    def around(site: Site) -> Iterator[None]:
        file = site.fleet.work / "registry.pem"
        address = site.proxy.tls_address
        public = self_signed(file, address.partition(":")[0], valid_in)
        table = f'[[registry]]\nprefix = "{site.proxy.address}"\nlocation = "{address}"\n'
        with site.proxy.tls(file):
            site.node.write(_OVER_TLS, table)
            if trusted:
                site.node.write(f"{_TRUSTED}/{address}/ca.crt", public)
            try:
                yield
            finally:
                site.node.exec(["rm", "-rf", _OVER_TLS, _TRUSTED])
                site.node.exec(["systemctl", "reload", "crio"])

    return around


FAULTS = [
    Fault("down", around=_down, cause="unreachable", whole=False, variables=_ONE_RETRY, short=True),
    _mood("401", Mood(where=_MANIFESTS, status=401), "unauthorized"),
    _mood("403", Mood(where=_MANIFESTS, status=403), "unauthorized"),
    _mood("404", Mood(where=_MANIFESTS, status=404), "not_found"),
    _mood("429-once", Mood(where=_MANIFESTS, status=429, times=1, retry_after=1), short=True),
    _mood("429", Mood(where=_MANIFESTS, status=429, retry_after=1), "rate_limited"),
    _mood("500-once", Mood(where=_BLOBS, status=500, times=1)),
    _mood("500", Mood(where=_MANIFESTS, status=500), "unreachable"),
    _mood("reset-once", Mood(where=_BLOBS, reset_after=100_000, times=1)),
    _mood("reset", Mood(where=_BLOBS, reset_after=100_000), "unreachable"),
    _mood("stall-once", Mood(where=_BLOBS, stall_after=100_000, times=1)),
    _mood("stall", Mood(where=_BLOBS, stall_after=100_000), "timeout"),
    _mood("truncated", Mood(where=_BLOBS, end_after=100_000), "corrupt"),
    _mood("wrong-bytes-once", Mood(where=_BLOBS, spoiled=True, times=1)),
    _mood("wrong-bytes", Mood(where=_BLOBS, spoiled=True), "corrupt"),
    _mood("wrong-manifest", Mood(where="/manifests/", spoiled=True), "corrupt"),
    Fault(
        "unknown-authority",
        around=_over_tls(trusted=False, valid_in=timedelta(days=-1)),
        cause="tls",
        whole=False,
    ),
    Fault(
        "not-yet-valid",
        around=_over_tls(trusted=True, valid_in=timedelta(days=1)),
        cause="tls",
        whole=False,
    ),
]


def test_registry(site: Site, fault: Fault) -> None:
    """The cause is named, nothing is lost, and the next run finishes the work."""
    site.survive(fault)
