# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a node what its sets want it to be, and if not, where does it deviate?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from ..documents.drop_in import MODE, parse_drop_in, render_drop_in
from ..observed.found_file import ABSENT, FoundFile
from ..observed.images import ImageStore

MISSING = "missing"
UNPINNED = "unpinned"
STALE_PIN = "stale_pin"
STAGED = "staged"
FILE_DIFFERS = "file_differs"
OVERRIDDEN = "overridden"
DAEMON_UNREACHABLE = "daemon_unreachable"
MASKED = "masked"


@dataclass(frozen=True)
class Deviation:
    """One way in which a node is not what it should be; ``subject`` is a reference or a path."""

    kind: str
    subject: str
    detail: str


def image_deviations(wanted: Iterable[str], store: ImageStore) -> list[Deviation]:
    """Return which wanted references are not there, or there and not reported pinned."""
    present, pinned = store.present(), store.pinned()
    found = []
    for reference in sorted(wanted):
        if reference not in present:
            found.append(Deviation(MISSING, reference, "no image of this name is in the store"))
        elif reference not in pinned:
            found.append(Deviation(UNPINNED, reference, "CRI-O does not report it pinned"))
    return found


def file_deviations(
    wanted: Iterable[str], path: str, found: FoundFile, left: str
) -> list[Deviation]:
    """Return how the drop-in deviates from the committed list of ``wanted``.

    :param left: when a run of ours left it as it is, in words that follow; empty when none did.
    """
    asked = set(wanted)
    if found.kind == ABSENT:
        return [Deviation(FILE_DIFFERS, path, "the drop-in is not there")] if asked else []
    odd = found.oddity(MODE)
    if odd:
        return [Deviation(FILE_DIFFERS, path, odd)]
    if asked and found.text == render_drop_in(asked):
        return []
    references = parse_drop_in(found.text or "")
    if references is not None and asked < set(references):
        extra = len(set(references) - asked)
        return [Deviation(STAGED, path, f"it still pins {extra} that no set wants{left}")]
    return [Deviation(FILE_DIFFERS, path, f"the drop-in has other content{left}")]


def override_deviations(overriding: Iterable[str]) -> list[Deviation]:
    """Return a deviation for each file that replaces the drop-in's pins."""
    return [
        Deviation(OVERRIDDEN, path, "CRI-O reads it later, and its pinned_images replace ours")
        for path in overriding
    ]


def stale_pins(
    wanted: Iterable[str],
    pinned_by_us: Iterable[str],
    store: ImageStore,
    foreign: Iterable[str],
) -> tuple[str, ...]:
    """Return the references that we once pinned, nobody wants, and CRI-O still reports pinned.

    :param foreign: the pause image and the patterns of other files that are in force. An image
        that one of them, or a wanted name, holds is pinned rightly.
    """
    asked, patterns = set(wanted), tuple(foreign)
    stale = []
    for reference in sorted(set(pinned_by_us) - asked):
        image = store.image_named(reference)
        if image is None or not image.pinned:
            continue
        names = store.stored.names_of(image.identifier)
        if names & asked or any(pin_matches(one, name) for one in patterns for name in names):
            continue
        stale.append(reference)
    return tuple(stale)


def left_over_pins(
    configured: Iterable[str], in_force: Iterable[str], pause_image: str
) -> tuple[str, ...]:
    """Return what the running CRI-O has in its list and no file that counts does any more.

    :param pause_image: CRI-O puts it on its list itself, at each start (internal/storage/image.go).
    """
    return tuple(sorted(set(configured) - {*in_force, pause_image}))


def pin_matches(pattern: str, name: str) -> bool:
    """Say whether CRI-O's ``pinned_images`` entry holds the image of that name.

    As CompileRegexpsForPinnedImages of CRI-O (internal/storage/image.go): never minding case,
    ``*word*`` anywhere, ``prefix*`` anywhere too, anything else the whole name.
    """
    entry, text = pattern.lower(), name.lower()
    if entry.startswith("*") and entry.endswith("*"):
        return entry[1:-1] in text
    if entry.endswith("*"):
        return entry[:-1] in text
    return entry == text
