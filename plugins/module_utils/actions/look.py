# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a node: what is, against what should be. Reads only, and needs no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from ..decisions.convergence import (
    DAEMON_UNREACHABLE,
    MASKED,
    STALE_PIN,
    Deviation,
    file_deviations,
    image_deviations,
    left_over_pins,
    override_deviations,
    stale_pins,
)
from ..node.crictl import SOCKET, Crictl
from ..node.crio import Crio
from ..node.images import read_image_store
from ..node.reading_host import CommandFailed, ReadingHost, require_root
from .pin_files import survey_pin_files
from .pin_record import read_pin_record

# Where systemd looks for a unit before it looks where packages put it: one that is empty, or leads to
# /dev/null, masks it.
_UNITS = ("/etc/systemd/system/crio.service", "/run/systemd/system/crio.service")
# What Go, and so OCI platforms, call the machines that `uname -m` names.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True)
class Look:
    """``removable`` are references that we once pinned, nobody wants, and the store still has."""

    deviations: tuple[Deviation, ...]
    removable: tuple[str, ...]
    platform: str


def look_at(host: ReadingHost, path: str, wanted: Sequence[str], on_conflict: str) -> Look:
    """Compare the node with ``wanted``, the references of its sets.

    :param on_conflict: as for :func:`.pins.write_drop_in`.
    :raises HostError: when the node has no CRI-O or no crictl.
    """
    require_root(host, "looking at the node")
    crio, crictl = Crio(host), Crictl(host)
    files = survey_pin_files(crio, path)
    merged = files.merged(wanted, on_conflict) if wanted else ()
    record = read_pin_record(host)
    known = record.known
    left = record.left_at(files.ours)
    deviations = file_deviations((*wanted, *merged), path, host.found(path), left)
    if wanted:
        deviations += override_deviations(files.overriding)
    deviations += [
        Deviation(MASKED, unit, "the unit is masked: CRI-O does not start again")
        for unit in _UNITS
        if host.exists(unit) and not host.read(unit)
    ]
    removable: tuple[str, ...] = ()
    try:
        config = crio.running_config()
        store = read_image_store(host, crictl, config)
    except CommandFailed as error:
        deviations.append(Deviation(DAEMON_UNREACHABLE, SOCKET, str(error)))
    else:
        foreign = (config.pause_image, *files.foreign_in_force())
        left_over = left_over_pins(config.pinned_images, files.in_force(), config.pause_image)
        stale = stale_pins(wanted, known.union(left_over), store, foreign)
        deviations += image_deviations(wanted, store)
        deviations += [
            Deviation(STALE_PIN, one, "CRI-O reports it pinned, no set wants it") for one in stale
        ]
        removable = tuple(sorted((known - set(wanted)) & store.present()))
    return Look(tuple(deviations), removable, _platform(host))


def list_images(host: ReadingHost) -> tuple[str, ...]:
    """Return what the node holds, by digest.

    :raises EdgefleetError: when the node has no CRI-O or no crictl, or CRI-O does not answer.
    """
    require_root(host, "looking at the node")
    store = read_image_store(host, Crictl(host), Crio(host).running_config())
    return store.digest_references()


def _platform(host: ReadingHost) -> str:
    machine = host.machine()
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"
