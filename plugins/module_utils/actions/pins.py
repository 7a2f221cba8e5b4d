# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write or remove the drop-in, after CRI-O itself has found the result valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from ..decisions.transaction import PinPlan, plan_pins
from ..decisions.versions import NO_PINS, OLDEST
from ..documents.drop_in import MODE
from ..errors import EdgefleetError
from ..node.crio import MCO_MARKER, Crio
from ..node.crio_service import CrioService, scratch_for
from ..node.host import Host
from ..node.reading_host import require_root
from ..observed.found_file import DIRECTORY, FoundFile
from .journal import Journal
from .pin_files import FAIL, PinFiles, survey_pin_files
from .pin_record import read_pin_record
from .turn import take_turn


class NotOurs(EdgefleetError):
    """A node on which the drop-in must not be written."""


@dataclass(frozen=True)
class DropInResult:
    """The plan that was (or in check mode would be) carried out, and what stood there before.

    ``merged`` are the pins of files that the drop-in replaces, kept in it.
    """

    plan: PinPlan
    before: str | None
    files: PinFiles
    merged: tuple[str, ...]


def write_drop_in(
    host: Host,
    path: str,
    state: str,
    wanted: Iterable[str],
    on_conflict: str,
    check_mode: bool,
) -> DropInResult:
    """Bring the drop-in into ``state``.

    :param on_conflict: where it would replace the pins of an earlier file, :data:`FAIL` or
        :data:`MERGE` them into it.
    :raises NotOurs: on a node that the Machine Config Operator manages, or with an old CRI-O.
    :raises EdgefleetError: when CRI-O would not start with the result; nothing is changed then.
    """
    require_root(host, "writing the drop-in")
    crio = CrioService(host)
    _refuse_foreign_node(crio)
    with take_turn(host, "write the drop-in", check_mode):
        return _write(host, crio, path, state, tuple(wanted), on_conflict, check_mode)


def _write(
    host: Host,
    crio: CrioService,
    path: str,
    state: str,
    wanted: tuple[str, ...],
    on_conflict: str,
    check_mode: bool,
) -> DropInResult:
    journal = Journal(host)
    before = host.found(path)
    _refuse_directory(host, path, before)
    files = survey_pin_files(crio, path)
    merged = files.merged(wanted, on_conflict)
    pinned_before = read_pin_record(host).pinned.union(files.ours or ())
    plan = plan_pins(state, (*wanted, *merged), before, pinned_before)
    result = DropInResult(plan, before.text, files, merged)
    if not plan.changed:
        return result
    if plan.text is not None and on_conflict == FAIL:
        _refuse_replacing(path, files, plan.references)
    crio.check_with(path, plan.text, has_turn=not check_mode)
    if check_mode:
        return result
    added = [one for one in plan.added if one not in merged]
    journal.before("pin", path=path, state=state, added=added)
    if before.kind == DIRECTORY:
        host.remove_empty(path)
    elif plan.text is None:
        host.remove(path)
    if plan.text is not None:
        host.write_atomic(path, plan.text, MODE, scratch_for(path))
    journal.after("pin", path=path, state=state, withdrawn=plan.withdrawn)
    journal.shorten()
    return result


def _refuse_replacing(path: str, files: PinFiles, references: Iterable[str]) -> None:
    """Refuse to let go, by our own file, of what somebody else has pinned."""
    lost = sorted(set(files.earlier_pins) - set(references))
    if lost:
        raise NotOurs(
            f"writing {path}",
            f"it would replace the pins of {files.overridden[-1]} ({len(lost)}, first {lost[0]})",
            "Set pin_images_on_conflict (on_conflict) to merge to keep them, or remove them there.",
        )


def _refuse_directory(host: Host, path: str, found: FoundFile) -> None:
    """Leave alone what somebody keeps in a folder of that name; an empty one we may replace."""
    entries = host.entries(path) if found.kind == DIRECTORY else ()
    if entries:
        raise NotOurs(
            f"writing {path}",
            f"it is a directory, and holds {entries[0].name}",
            "Move what lies there; CRI-O reads it.",
        )


def _refuse_foreign_node(crio: Crio) -> None:
    if crio.is_managed_by_mco():
        raise NotOurs(
            "writing the drop-in",
            f"OpenShift's Machine Config Operator manages this node ({MCO_MARKER} exists)",
            "Use a PinnedImageSet in the cluster there.",
        )
    version = crio.version()
    if NO_PINS.is_in(version):
        raise NotOurs(
            "writing the drop-in",
            f"CRI-O {version} {NO_PINS.says}",
            f"CRI-O {OLDEST} or newer is needed.",
        )
