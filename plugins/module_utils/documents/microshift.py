# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of images that MicroShift ships as ``/usr/share/microshift/release/*.json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, NoReturn

from ..errors import EdgefleetError
from .component import Component, parse_component
from .json_text import load_json
from .shape import is_name, shown

# What OCI platforms call the machines that the names of the lists end with, as `uname -m` has them.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class InvalidMicroshiftRelease(EdgefleetError):
    """A file that is not MicroShift's list of images."""


def architecture_of_list(path: str) -> str:
    """Return the architecture for which a list is, as platforms name it; empty where none is said.

    :param path: ``release-x86_64.json``, or ``release-olm-x86_64.json`` and the like for what is
        installed beside MicroShift.
    """
    return _ARCHITECTURES.get(path.rpartition("-")[2].partition(".")[0], "")


@dataclass(frozen=True)
class MicroshiftRelease:
    """The OpenShift release that MicroShift was made from, and the images, in their order."""

    base: str
    components: tuple[Component, ...]


def parse_microshift_release(text: str, origin: str) -> MicroshiftRelease:
    """Parse ``{"release": {"base": version}, "images": {name: reference, ...}}``.

    :param origin: the file it came from.
    :raises EdgefleetError: when it is something else, lists no image, or an invalid reference.
    """
    document = load_json(text, origin)
    if not isinstance(document, Mapping):
        _refuse(origin, f"it holds {shown(document)}")
    release, images = document.get("release"), document.get("images")
    base = release.get("base") if isinstance(release, Mapping) else None
    if not is_name(base):
        _refuse(origin, f"release.base is {shown(base)}")
    if not isinstance(images, Mapping) or not images:
        _refuse(origin, "images names no image")
    odd = [name for name in images if not is_name(name)]
    if odd:
        _refuse(origin, f"an image's name is {shown(odd[0])}")
    return MicroshiftRelease(
        str(base),
        tuple(
            parse_component(name, reference, f"component {name!r} of {origin}")
            for name, reference in images.items()
        ),
    )


def _refuse(origin: str, cause: str) -> NoReturn:
    raise InvalidMicroshiftRelease(
        f"reading {origin}", cause, "MicroShift's release-<architecture>.json is needed."
    )
