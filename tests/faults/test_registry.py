# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry misbehaves, for some requests or for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from .proxy import GOOD, Mood
from .site import Fault, Site

_MANIFESTS = "/faults/"
_BLOBS = "/blobs/"
# Where the failure lasts, one more try shows that there is one; what is got over needs one for each blob.
_ONE_RETRY = {"pin_images_retries": 1}


def _mood(name: str, mood: Mood, cause: str = "", *, short: bool = False) -> Fault:
    """A mood that lasts, and the class of its failures; without one, it is got over in the run."""

    def around(site: Site) -> AbstractContextManager[None]:
        return _in_mood(site, replace(mood, name=name))

    return Fault(
        name,
        around=around,
        cause=cause,
        whole=not cause,
        variables=_ONE_RETRY if cause else {},
        short=short,
    )


@contextmanager
def _in_mood(site: Site, mood: Mood) -> Iterator[None]:
    site.proxy.tell(mood)
    yield
    site.proxy.tell(GOOD)


@contextmanager
def _down(site: Site) -> Iterator[None]:
    site.proxy.stop()
    yield
    site.proxy.start()


FAULTS = [
    Fault("down", around=_down, cause="unreachable", whole=False, variables=_ONE_RETRY, short=True),
    _mood("401", Mood(where=_MANIFESTS, status=401), "unauthorized"),
    _mood("403", Mood(where=_MANIFESTS, status=403), "unauthorized"),
    _mood("404", Mood(where=_MANIFESTS, status=404), "not_found"),
    _mood("429-once", Mood(where=_MANIFESTS, status=429, times=1, retry_after=1), short=True),
    _mood("429", Mood(where=_MANIFESTS, status=429, retry_after=1), "rate_limited"),
    _mood("500-once", Mood(where=_BLOBS, status=500, times=1)),
    _mood("500", Mood(where=_MANIFESTS, status=500), "unreachable"),
    _mood("reset", Mood(where=_BLOBS, reset_after=100_000), "unreachable"),
    _mood("truncated", Mood(where=_BLOBS, end_after=100_000), "corrupt"),
    _mood("wrong-bytes", Mood(where=_BLOBS, spoiled=True), "corrupt"),
    _mood("wrong-manifest", Mood(where="/manifests/", spoiled=True), "corrupt"),
]


def test_registry(site: Site, fault: Fault) -> None:
    """The cause is named, nothing is lost, and the next run finishes the work."""
    site.survive(fault)
