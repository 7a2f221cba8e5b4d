# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the versions of CRI-O do with pins and pulls otherwise than the newest: one table."""

from __future__ import annotations

from dataclasses import dataclass

from ..observed.crio import CrioVersion


@dataclass(frozen=True)
class Quirk:
    """What some versions do; ``versions`` are ranges, the first and the last of each included.

    ``says`` completes "CRI-O <version> ...", for messages.
    """

    says: str
    versions: tuple[tuple[CrioVersion, CrioVersion], ...]

    def is_in(self, version: CrioVersion) -> bool:
        """Say whether that version does it."""
        return any(first <= version <= last for first, last in self.versions)


def _from_to(first: str, last: str) -> tuple[CrioVersion, CrioVersion]:
    """Return a range; ``x`` as the last patch stands for all of that minor version."""
    return _version(first), _version(last.replace("x", "999999"))


def _version(text: str) -> CrioVersion:
    major, minor, patch = (int(part) for part in text.split("."))
    return CrioVersion(major, minor, patch)


# Each row was looked up in CRI-O's tags; the commit is the change that came or went.
# pkg/config/config.go has no PinnedImages before 1.28.0 (bbe9a7a2c5).
NO_PINS = Quirk("knows no pinned images", (_from_to("0.0.0", "1.27.x"),))
# pkg/config/reload.go changes the configuration, and internal/storage/image.go goes on with the
# list of its start: UpdatePinnedImagesList came with 1.29.4 and 1.30.0 (e34ea18aea).
STARTS_ONLY = Quirk(
    "takes pins truly only at its start",
    (_from_to("1.28.0", "1.28.x"), _from_to("1.29.0", "1.29.3")),
)
# ReloadPinnedImages leaves an entry empty that stays at its place in the list when another one
# changes, and sees no change when the list becomes shorter or empty; mended in 1.29.7 (59f27c9866),
# 1.30.3 (cb924f76f0) and 1.31.0 (506badaa27).
MAY_UNPIN = Quirk(
    "may silently unpin at a reload, and takes pins truly only at its start",
    (_from_to("1.29.4", "1.29.6"), _from_to("1.30.0", "1.30.2")),
)
# server/image_status.go does not pass `pinned` on, so `crictl inspecti` always says no, while
# `crictl images` tells the truth; mended in 1.29.7 (ab28110f86), 1.30.6 (5f06d45037) and 1.31.0
# (beae8bd537). That is why we ask `crictl images`, whatever the version.
MISREPORTS = Quirk(
    "tells pins in the list of images only",
    (_from_to("1.28.0", "1.28.x"), _from_to("1.29.0", "1.29.6"), _from_to("1.30.0", "1.30.5")),
)
# server/image_pull.go: `const timeout = 10 * time.Second`; an option since 1.30.11 and 1.31.3.
CUTS_SLOW_PULLS = Quirk(
    "ends every pull from which nothing arrives for 10 s, which no setting of it changes",
    (_from_to("1.30.0", "1.30.10"), _from_to("1.31.0", "1.31.2")),
)
# pkg/config/config.go: `PullProgressTimeout: 10 * time.Second`; none since 1.30.14 (cba8a26c48), 1.31.9
# (4ee63aa0f5) and 1.32.4 (e56d14873a).
CUTS_UNLESS_TOLD = Quirk(
    "ends every pull from which nothing arrives for 10 s, unless its pull_progress_timeout says otherwise",
    (
        _from_to("1.30.11", "1.30.13"),
        _from_to("1.31.3", "1.31.8"),
        _from_to("1.32.0", "1.32.3"),
    ),
)
TABLE = (NO_PINS, STARTS_ONLY, MAY_UNPIN, MISREPORTS, CUTS_SLOW_PULLS, CUTS_UNLESS_TOLD)

OLDEST = _version("1.28.0")


def why_cut(version: CrioVersion) -> str:
    """Say how this CRI-O ends pulls by itself; empty when it does not, unless it was told to."""
    return _says((CUTS_SLOW_PULLS, CUTS_UNLESS_TOLD), version)


def why_restart(version: CrioVersion) -> str:
    """Say why a reload is not enough for this CRI-O to take pins truly; empty when it is."""
    return _says((STARTS_ONLY, MAY_UNPIN), version)


def _says(quirks: tuple[Quirk, ...], version: CrioVersion) -> str:
    return next((one.says for one in quirks if one.is_in(version)), "")
