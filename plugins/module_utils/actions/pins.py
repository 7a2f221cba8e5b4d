# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write or remove the drop-in, after CRI-O itself has found the result valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Sequence

from ..decisions.transaction import PinPlan, plan_pins
from ..decisions.versions import OLDEST, is_supported
from ..documents.drop_in import MODE, parse_drop_in
from ..errors import EdgefleetError
from ..node.crio import MCO_MARKER, Crio, DropIn, scratch_for
from ..node.host import CommandFailed, Host, require_root
from ..observed.found_file import DIRECTORY, FoundFile
from .journal import Journal
from .turn import take_turn


class NotOurs(EdgefleetError):
    """A node on which the drop-in must not be written."""


@dataclass(frozen=True)
class PinFiles:
    """Other files that set pins: those read after the drop-in win, those before it lose."""

    overriding: tuple[str, ...]
    overridden: tuple[str, ...]
    overriding_pins: tuple[str, ...]
    earlier_pins: tuple[str, ...]

    def in_force(self, ours: Sequence[str]) -> tuple[str, ...]:
        """Return the pins that CRI-O follows when the drop-in lists ``ours``."""
        return self.foreign_in_force(ours) or tuple(ours)

    def foreign_in_force(self, ours: Sequence[str]) -> tuple[str, ...]:
        """Return the pins of others that CRI-O follows when the drop-in lists ``ours``."""
        if self.overriding:
            return self.overriding_pins
        return () if ours else self.earlier_pins


@dataclass(frozen=True)
class DropInResult:
    """The plan that was (or in check mode would be) carried out, and what stood there before."""

    plan: PinPlan
    before: str | None
    files: PinFiles


def survey_pin_files(crio: Crio, path: str) -> PinFiles:
    """Find the files that set pins beside ``path``, in the order in which CRI-O reads them."""
    ours = path.split("/")
    earlier: list[tuple[str, tuple[str, ...]]] = []
    later: list[tuple[str, tuple[str, ...]]] = []
    for drop_in in crio.files_with_pins():
        if drop_in.path == path:
            continue
        pins = crio.pins_of(drop_in)
        if pins is not None:
            # /etc/crio/crio.conf sorts before every drop-in, and CRI-O reads it first.
            (later if drop_in.path.split("/") > ours else earlier).append((drop_in.path, pins))
    return PinFiles(
        overriding=tuple(name for name, _pins in later),
        overridden=tuple(name for name, _pins in earlier),
        overriding_pins=later[-1][1] if later else (),
        earlier_pins=earlier[-1][1] if earlier else (),
    )


def write_drop_in(
    host: Host, path: str, state: str, wanted: Iterable[str], check_mode: bool
) -> DropInResult:
    """Bring the drop-in into ``state``.

    :raises NotOurs: on a node that the Machine Config Operator manages, or with an old CRI-O.
    :raises EdgefleetError: when CRI-O would not start with the result; nothing is changed then.
    """
    require_root(host, "writing the drop-in")
    crio = Crio(host)
    _refuse_foreign_node(crio)
    with take_turn(host, "write the drop-in", check_mode):
        return _write(host, crio, path, state, wanted, check_mode)


def _write(
    host: Host, crio: Crio, path: str, state: str, wanted: Iterable[str], check_mode: bool
) -> DropInResult:
    journal = Journal(host)
    before = host.found(path)
    _refuse_directory(host, path, before)
    plan = plan_pins(state, wanted, before, _pinned_before(crio, path, before, journal))
    result = DropInResult(plan, before.text, survey_pin_files(crio, path))
    if not plan.changed:
        return result
    crio.check_with(path, plan.text)
    if check_mode:
        return result
    journal.before("pin", path=path, state=state, added=plan.added)
    if plan.text is None or before.kind == DIRECTORY:
        host.remove(path)
    if plan.text is not None:
        host.write_atomic(path, plan.text, MODE, scratch_for(path))
    journal.after("pin", path=path, state=state, withdrawn=plan.withdrawn)
    journal.shorten()
    return result


def _pinned_before(crio: Crio, path: str, found: FoundFile, journal: Journal) -> frozenset[str]:
    """Return what was pinned before: by the journal, and by a file that somebody else wrote."""
    pinned = journal.pin_record().pinned
    if found.text is None or parse_drop_in(found.text) is not None:
        return pinned
    try:
        return pinned | frozenset(crio.pins_of(DropIn(path, found.text)) or ())
    except CommandFailed:
        # Torn or edited into what CRI-O cannot read: it pins nothing at its next start.
        return pinned


def _refuse_directory(host: Host, path: str, found: FoundFile) -> None:
    """Leave alone what somebody keeps in a folder of that name; an empty one we may replace."""
    files = host.files_below(path) if found.kind == DIRECTORY else ()
    if files:
        raise NotOurs(
            f"writing {path}",
            f"it is a directory, and holds {files[0]}",
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
    if not is_supported(version):
        raise NotOurs(
            "writing the drop-in",
            f"CRI-O {version} knows no pinned images",
            f"CRI-O {OLDEST} or newer is needed.",
        )
