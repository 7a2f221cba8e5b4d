# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what we had pinned and no set wants any more."""

from __future__ import annotations

from typing import Sequence

from ..decisions.removal import plan_removal
from ..documents.drop_in import DEFAULT_PATH
from ..node.crio import Crio
from ..node.host import Host
from ..node.image_service import ImageService
from ..node.images import images_in_use, read_image_store
from ..node.reading_host import require_root
from ..observed.failure import failure_of
from .image_outcome import FAILED, ImageOutcome
from .journal import Journal
from .pin_files import survey_pin_files
from .pin_record import read_pin_record
from .turn import take_turn

REMOVED = "removed"
LEFT = "left"
WOULD_REMOVE = "would_remove"


def remove_unwanted(host: Host, wanted: Sequence[str], check_mode: bool) -> list[ImageOutcome]:
    """Remove the references that the journal knows as ours and that are not in ``wanted``.

    In check mode the pins of the drop-in count as withdrawn, as they will be by then.

    :returns: an outcome for each of them that was in the store: what went, and what stayed and
        why. Images that we never pinned are never touched.
    :raises EdgefleetError: when CRI-O does not answer.
    """
    require_root(host, "removing images")
    with take_turn(host, "remove images", check_mode):
        return _remove_unwanted(host, wanted, check_mode)


def _remove_unwanted(host: Host, wanted: Sequence[str], check_mode: bool) -> list[ImageOutcome]:
    crio, crictl, journal = Crio(host), ImageService(host), Journal(host)
    config = crio.running_config()
    store = read_image_store(host, crictl, config)
    known = read_pin_record(host).known
    still_pinning = None
    if check_mode:
        files = survey_pin_files(crio, DEFAULT_PATH)
        still_pinning = (config.pause_image, *files.foreign_in_force())
    in_use = images_in_use(host, crictl, config)
    plan = plan_removal(wanted, known, store, in_use, still_pinning)
    outcomes = [ImageOutcome(name, LEFT, message=why) for name, why in plan.left]
    if check_mode:
        return outcomes + [ImageOutcome(name, WOULD_REMOVE) for name in plan.remove]
    if plan.gone:
        journal.after("forget", references=plan.gone)
    outcomes += [_remove(crictl, journal, name) for name in plan.remove]
    journal.shorten()
    return outcomes


def _remove(crictl: ImageService, journal: Journal, reference: str) -> ImageOutcome:
    journal.before("remove", references=[reference])
    completed = crictl.remove(reference)
    if completed.rc == 0:
        journal.after("remove", references=[reference])
        return ImageOutcome(reference, REMOVED, attempts=1)
    cause, message = failure_of(completed.stderr)
    journal.after("remove-failed", references=[reference], cause=cause)
    return ImageOutcome(reference, FAILED, cause, message, attempts=1)
