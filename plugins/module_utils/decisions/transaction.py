# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drop-in must hold: staged, committed, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from ..documents.drop_in import MODE, parse_drop_in, render_drop_in
from ..observed.found_file import ABSENT, FoundFile


@dataclass(frozen=True)
class PinPlan:
    """The drop-in's new text (None: no file), the ``references`` in it, and what that changes.

    ``kept`` are references that are only still there because the pins are staged.
    """

    text: str | None
    references: tuple[str, ...]
    added: tuple[str, ...]
    withdrawn: tuple[str, ...]
    kept: tuple[str, ...]
    changed: bool


def plan_pins(
    state: str, wanted: Iterable[str], current: FoundFile, pinned_before: Iterable[str]
) -> PinPlan:
    """Plan the drop-in.

    :param state: ``staged`` (what stands there and what is wanted), ``present`` (what is wanted
        and nothing else) or ``absent``.
    :param current: what lies at the drop-in's path now.
    :param pinned_before: what was pinned as far as anybody knows. It stands in for the old list
        where the file is gone or not of our form: a staged pin then loses nothing.
    """
    old = parse_drop_in(current.text) if current.text is not None else None
    before = set(pinned_before) if old is None else set(old)
    asked = set() if state == "absent" else set(wanted)
    after = asked | before if state == "staged" else asked
    text = None if state == "absent" else render_drop_in(after)
    return PinPlan(
        text=text,
        references=tuple(sorted(after)),
        added=tuple(sorted(after - before)),
        withdrawn=tuple(sorted(before - after)),
        kept=tuple(sorted(after - asked)),
        changed=_differs(current, text),
    )


def _differs(current: FoundFile, text: str | None) -> bool:
    if text is None:
        return current.kind != ABSENT
    return text != current.text or bool(current.oddity(MODE))
