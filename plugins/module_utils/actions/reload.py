# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the running CRI-O take its configuration, and wait until it says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

from ..decisions.convergence import UNPINNED, image_deviations, left_over_pins, stale_pins
from ..decisions.versions import why_restart
from ..documents.readable import readable_names
from ..errors import EdgefleetError
from ..node.crictl import Crictl
from ..node.crio import DROP_IN_DIRECTORY
from ..node.crio_service import NO_DIRECTORY, CrioService
from ..node.host import Host
from ..node.image_service import PULLS
from ..node.images import read_image_store
from ..node.reading_host import require_root
from ..node.staging import pulls_in_flight
from ..observed.crio import CrioVersion
from .journal import Journal
from .pin_files import PinFiles, survey_pin_files
from .pin_record import PinRecord, read_pin_record
from .turn import take_turn

_POLL_INTERVAL = 0.2
# How many images a message names.
_SHOWN_MAX = 3


class ReloadFailed(EdgefleetError):
    """CRI-O did not take the configuration."""


@dataclass(frozen=True)
class Difference:
    """What the running CRI-O reports otherwise than wanted."""

    unpinned: tuple[str, ...]
    stale: tuple[str, ...]
    not_loaded: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.unpinned or self.stale or self.not_loaded)


@dataclass(frozen=True)
class ReloadResult:
    """``action`` is ``none``, ``reload`` or ``restart``; the rest is what made it necessary."""

    action: str
    before: Difference


def take_configuration(
    host: Host,
    path: str,
    wanted: Sequence[str],
    allow_restart: bool,
    wait_timeout: float,
    check_mode: bool,
) -> ReloadResult:
    """Reload CRI-O unless it already reports every wanted present image pinned, nothing stale.

    :param wanted: what the drop-in lists now; references without an image count as taken when
        CRI-O has them in its list.
    :param wait_timeout: how long CRI-O may take to report it, in seconds.
    :raises ReloadFailed: when it does not, naming which and what CRI-O logged.
    """
    require_root(host, "reloading CRI-O")
    before = _expectation(host, path, wanted).compare().difference
    if not before:
        return ReloadResult("none", before)
    with take_turn(host, "have CRI-O take its configuration", check_mode):
        # Whoever had the turn before may have changed files, or have done it all.
        expectation = _expectation(host, path, wanted)
        before = expectation.compare().difference
        if not before:
            return ReloadResult("none", before)
        action = _action(expectation.crictl.version(), allow_restart)
        if action == "restart" and not check_mode:
            _wait_for_pulls(host, expectation.crio, wait_timeout)
        expectation.crio.check()
        if not check_mode:
            _refuse_other_pins(path, expectation)
            # A list that nobody noted, as after the journal was lost: it must be let go of as well.
            known = expectation.record.known.union(before.stale)
            record = replace(expectation.record, known=known)
            _take(host, action, replace(expectation, record=record), wait_timeout)
    return ReloadResult(action, before)


def _refuse_other_pins(path: str, expectation: _Expectation) -> None:
    """Refuse to wait for pins that CRI-O cannot take, as the drop-in does not list them any more.

    :raises ReloadFailed: when another run, or a hand, has changed it since it was written.
    """
    files = expectation.files
    absent = set(expectation.wanted).difference(files.in_force())
    if absent and not files.overriding:
        names = readable_names(sorted(absent), _SHOWN_MAX)
        raise ReloadFailed(
            "reloading CRI-O",
            f"{path} does not list {names}{expectation.record.left_at(files.ours)}",
            "Another run or a hand changed it; see who, and run again.",
        )


def _action(version: CrioVersion, allow_restart: bool) -> str:
    """Return what has a CRI-O of that version take pins: ``reload``, or ``restart`` where allowed.

    :raises ReloadFailed: where it is not allowed.
    """
    why = why_restart(version)
    if why and not allow_restart:
        raise ReloadFailed(
            "reloading CRI-O",
            f"version {version} {why}",
            "Allow the restart (pin_images_allow_restart, allow_restart), or update CRI-O.",
        )
    return "restart" if why else "reload"


def _take(host: Host, action: str, expectation: _Expectation, wait_timeout: float) -> None:
    """Reload or restart CRI-O, and wait until it reports what it should."""
    crio, journal, started = expectation.crio, Journal(host), host.now()
    journal.before(action)
    if action == "restart":
        crio.restart()
    else:
        crio.reload()
    answer = expectation.wait(wait_timeout)
    left = answer.difference
    journal.after(action, taken=not left)
    if left:
        log = crio.trouble_since(started)
        raise _not_taken(action, left, expectation.files, log, wait_timeout)
    if answer.gone:
        # Whoever brings such an image back has it as their own, and the journal stays small.
        journal.after("forget", references=sorted(answer.gone))


def _wait_for_pulls(host: Host, crio: CrioService, timeout: float) -> None:
    """Let pulls of others end, which a restart would cost all that they fetched.

    Ours hold the turn that we have now, but for those that a killed run left going: they are ended.
    Of the kubelet's and of people's, only those are seen that fetch or unpack a layer at this moment.

    :raises ReloadFailed: when there is still one after ``timeout`` seconds.
    """
    host.end_orphans(PULLS)
    config, deadline = crio.running_config(), host.monotonic() + timeout
    while True:
        folders = pulls_in_flight(host, config)
        if not folders:
            return
        if host.monotonic() >= deadline:
            raise ReloadFailed(
                "restarting CRI-O",
                f"somebody's pull is in flight after {timeout:g} s ({folders[0]})",
                "Run again when it has ended.",
            )
        host.sleep(_POLL_INTERVAL)


@dataclass(frozen=True)
class _Answer:
    """What CRI-O answered; ``gone`` is what we once pinned, nobody wants and the store has not."""

    difference: Difference
    gone: frozenset[str]


@dataclass(frozen=True)
class _Expectation:
    """What the running CRI-O should report, and whom to ask."""

    host: Host
    crio: CrioService
    crictl: Crictl
    wanted: Sequence[str]
    record: PinRecord
    files: PinFiles

    def compare(self) -> _Answer:
        """Ask CRI-O once."""
        config = self.crio.running_config()
        store = read_image_store(self.host, self.crictl, config)
        deviations = image_deviations(self.wanted, store)
        foreign = (config.pause_image, *self.files.foreign_in_force())
        left_over = left_over_pins(config.pinned_images, self.files.in_force(), config.pause_image)
        stale = stale_pins(self.wanted, self.record.known.union(left_over), store, foreign)
        difference = Difference(
            unpinned=tuple(one.subject for one in deviations if one.kind == UNPINNED),
            stale=tuple(sorted({*stale, *left_over})),
            not_loaded=tuple(sorted(set(self.wanted) - set(config.pinned_images))),
        )
        return _Answer(difference, self.record.known.difference(self.wanted) - store.present())

    def wait(self, timeout: float) -> _Answer:
        """Ask until CRI-O reports it, for ``timeout`` seconds at most; return its last answer."""
        deadline = self.host.monotonic() + timeout
        while True:
            answer = self.compare()
            if not answer.difference or self.host.monotonic() >= deadline:
                return answer
            self.host.sleep(_POLL_INTERVAL)


def _expectation(host: Host, path: str, wanted: Sequence[str]) -> _Expectation:
    """Survey the files and the journal as they are now."""
    crio = CrioService(host)
    record, files = read_pin_record(host), survey_pin_files(crio, path)
    return _Expectation(host, crio, Crictl(host), wanted, record, files)


def _not_taken(
    action: str, left: Difference, files: PinFiles, log: str, wait_timeout: float
) -> ReloadFailed:
    parts = [
        f"{len(names)} {what} ({readable_names(names, _SHOWN_MAX)})"
        for what, names in (
            ("not reported pinned", left.unpinned),
            ("still reported pinned", left.stale),
            ("not in its list", left.not_loaded),
        )
        if names
    ]
    if files.overriding:
        needed = f"Its pins come from {files.overriding[-1]}, which is read later."
    elif NO_DIRECTORY in log:
        needed = f"CRI-O started without {DROP_IN_DIRECTORY} and must be restarted to read it."
    else:
        needed = f"CRI-O logged: {log}" if log else "CRI-O logged nothing about it."
    cause = f"after {wait_timeout:g} s: {'; '.join(parts)}"
    return ReloadFailed(f"waiting for CRI-O's {action}", cause, needed)
