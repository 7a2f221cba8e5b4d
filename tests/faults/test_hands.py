# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else has his hands on the node: on the drop-in, beside it, and in the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from fleet import DROP_IN, Running

from .deaths import INTERPRETER, Death, planned
from .fault import Fault, anything
from .invariants import FOREIGN
from .site import Site

_DIRECTORY = "/etc/crio/crio.conf.d"
_STORE = "/var/lib/containers/storage"
_UNIT = "/etc/systemd/system/crio.service"


def _touched(name: str, script: str, *, short: bool = False) -> Fault:
    """The drop-in is touched while images are pulled, between staging and committing."""

    def amid(site: Site, _running: Running) -> None:
        site.wait_for_pull()
        site.node.exec(["sh", "-euc", script, DROP_IN])

    return Fault(f"drop-in-{name}", amid=amid, whole=True, slow=True, short=short)


def _foreign(
    name: str, path: str, text: str, said: str, *, short: bool = False, **variables: object
) -> Fault:
    """A file of somebody else lies there, and is taken away after the run; it is named, or kept."""

    @contextmanager
    def around(site: Site) -> Iterator[None]:
        site.node.write(path, text)
        try:
            yield
        finally:
            site.node.exec(["rm", path])

    return Fault(name, around=around, whole=not said, said=said, short=short, variables=variables)


def _broken_amid(site: Site, _running: Running) -> None:
    site.wait_for_pull()
    site.node.write(f"{_DIRECTORY}/70-broken", "[crio.image\n")


@contextmanager
def _unbroken(site: Site) -> Iterator[None]:
    try:
        yield
    finally:
        site.node.exec(["rm", f"{_DIRECTORY}/70-broken"])


@contextmanager
def _masked(site: Site) -> Iterator[None]:
    node = site.node
    node.exec(["mv", _UNIT, "/root/crio.service"])
    node.exec(["systemctl", "mask", "crio.service"])
    try:
        yield
    finally:
        node.exec(["systemctl", "unmask", "crio.service"])
        node.exec(["mv", "/root/crio.service", _UNIT])
        node.exec(["systemctl", "daemon-reload"])


def _once(act: Callable[[Site], None]) -> Callable[[Site], AbstractContextManager[None]]:
    @contextmanager
    def around(site: Site) -> Iterator[None]:
        act(site)
        yield

    return around


def _reference(site: Site) -> str:
    """Return an image that both sets want and no pod uses."""
    return min(site.kept - {site.in_use})


def _that_one(site: Site) -> frozenset[str]:
    """Return it as what a fault takes."""
    return frozenset({_reference(site)})


def _remove_an_image(site: Site) -> None:
    site.node.exec(["crictl", "rmi", _reference(site)])


def _wipe(site: Site) -> None:
    site.remove_pods()
    site.node.wipe_store()


@contextmanager
def _retagged(site: Site) -> Iterator[None]:
    """Let an image have another name than that by which we pinned it."""
    reference = _reference(site)
    tag = f"{reference.partition('@')[0]}:1.0"
    node = site.node
    node.exec(["crictl", "pull", tag])
    node.exec(["crictl", "rmi", reference])
    mark = site.proxy.mark()
    try:
        yield
        (image,) = (one for one in site.images if one.reference == reference)
        layers = {layer.digest for layer in image.platform().layers}
        assert not layers & site.proxy.blobs_served(mark), "a layer was fetched for a name"
    finally:
        node.exec(["crictl", "rmi", tag])


def _layer_of(site: Site, reference: str) -> str:
    """Return the folder in the store of the layer that an image has for itself."""
    image = next(one for one in site.images if one.reference == reference)
    digest = image.platform().layers[-1].digest
    layers = json.loads(site.node.read(f"{_STORE}/overlay-layers/layers.json"))
    layer = next(one["id"] for one in layers if one["compressed-diff-digest"] == digest)
    return f"{_STORE}/overlay/{layer}"


def _damage(site: Site, script: str) -> None:
    """Damage a layer of an image, which no pod uses, in the store; only a deep run finds it."""
    site.node.exec(["sh", "-euc", script, f"{_layer_of(site, _reference(site))}/diff"])


def _half(site: Site) -> frozenset[str]:
    """Return half of the images that the node has and no pod uses."""
    unused = site.references(site.came_from) - {site.in_use}
    return frozenset(sorted(unused)[::2])


def _half_wipe(site: Site) -> None:
    """Have CRI-O start on a store of which somebody has deleted half the layers."""
    folders = [_layer_of(site, one) for one in sorted(_half(site))]
    site.node.exec(["systemctl", "stop", "crio"])
    site.node.exec(["rm", "-r", *folders])
    site.node.exec(["systemctl", "start", "crio"])
    site.node.wait_ready()


def _damaged(name: str, script: str) -> Fault:
    around = _once(lambda site: _damage(site, script))
    variables = {"pin_images_deep": True}
    return Fault(name, around=around, whole=True, takes=_that_one, variables=variables)


def _killed_while_healing(death: Death) -> Fault:
    @contextmanager
    def around(site: Site) -> Iterator[None]:
        _damage(site, _TRUNCATE)
        with planned(site, death):
            yield

    return Fault(
        f"heal-{death}",
        around=around,
        whole=False,
        takes=_that_one,
        variables={"ansible_python_interpreter": INTERPRETER, "pin_images_deep": True},
        kind=f"{death.module} killed while it heals",
    )


_OTHERS = f'[crio.image]\npinned_images = ["{FOREIGN}"]\n'
_NAMED = f"{_DIRECTORY}/70-broken"
_EARLIER = f"{_DIRECTORY}/40-other"
_LATER = f"{_DIRECTORY}/60-other"
_BACKUP = f"{DROP_IN}.1234~"
_TRUNCATE = 'truncate --size=1 "$(find "$0" -type f -size +1k | head -n 1)"'
# The journal before and after the damaged image is removed, and before it is pulled again.
_HEALING = (
    *(Death("image_content", 1, *call) for call in (("write", 1), ("fsync", 1), ("write", 2))),
    Death("pinned_image_set", 1, "write", 1),
)

FAULTS = [
    _touched("truncated", 'truncate --size=60 "$0"', short=True),
    # Still a list, without one of the images that the node had.
    _touched("edited", 'sed --in-place \'s/"[^"]*", //\' "$0"'),
    _touched("garbage", 'head --bytes=4000 /dev/urandom >"$0"'),
    _touched("deleted", 'rm "$0"'),
    _touched("mode", 'chmod 600 "$0"; chown ops "$0"'),
    _touched("link", 'mv "$0" /etc/moved-pins; ln -s /etc/moved-pins "$0"'),
    _touched("directory", 'rm "$0"; mkdir "$0"'),
    _foreign("broken-file", _NAMED, "[crio.image\n", _NAMED, short=True),
    _foreign("broken-pins", _NAMED, "pinned_images = = \n", _NAMED),
    Fault("broken-amid", amid=_broken_amid, around=_unbroken, said=_NAMED, whole=False, slow=True),
    _foreign("later-file", _LATER, _OTHERS, _LATER),
    _foreign("earlier-file", _EARLIER, _OTHERS, _EARLIER),
    _foreign("earlier-file-merged", _EARLIER, _OTHERS, "", pin_images_on_conflict="merge"),
    _foreign("backup", _BACKUP, _OTHERS, _BACKUP),
    Fault("image-removed", around=_once(_remove_an_image), whole=True, takes=_that_one),
    Fault("image-retagged", around=_retagged, whole=True, renames=_that_one),
    _damaged("layer-truncated", _TRUNCATE),
    _damaged("layer-emptied", 'find "$0" -mindepth 1 -delete'),
    *(_killed_while_healing(death) for death in _HEALING),
    Fault("store-wiped", around=_once(_wipe), whole=True, takes=anything, short=True),
    Fault(
        "store-half-wiped",
        around=_once(_half_wipe),
        whole=True,
        takes=_half,
        variables={"pin_images_deep": True},
    ),
    Fault("masked", around=_masked, whole=False, said="masked"),
]


def test_hands(site: Site, fault: Fault) -> None:
    """It is named or healed, nothing is lost, and the next run finishes the work."""
    site.survive(fault)
