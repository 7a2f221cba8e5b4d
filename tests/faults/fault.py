# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in a case, and what is said of it afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fleet import Run, Running

if TYPE_CHECKING:
    from .site import Site


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a case; `kind` is what the summary counts it as, if not its name.

    `around` is in force while the disturbed run runs, and what lasts is lifted at its end; `amid` acts
    once the run has begun. `whole` is whether that run must succeed, must fail, or may do either;
    `cause` is the class that it must name for the images that it failed to pull, `said` what its output
    must say, `after` what else is seen of it. With `slow` pulls take seconds, with `unpins` the work is
    to unpin all.

    `takes` are the images that the fault itself may take out of the store, or CRI-O's repair after it,
    until a run was whole. It takes the pin of one that is there only from those in `renames`, which have
    lost the name by which they are pinned. `next_run_first` is whether the next run meets CRI-O as the
    fault left it, or a restarted one; None leaves it to the seed. With `tears` layers may have lost what
    was not yet on a disk: after the next run all of it must be there.
    """

    name: str
    amid: Callable[[Site, Running], None] = lambda _site, _running: None
    around: Callable[[Site], AbstractContextManager[None]] = lambda _site: nullcontext()
    after: Callable[[Site, Run], None] = lambda _site, _run: None
    whole: bool | None = None
    cause: str = ""
    said: str = ""
    takes: Callable[[Site], frozenset[str]] = lambda _site: frozenset()
    renames: Callable[[Site], frozenset[str]] = lambda _site: frozenset()
    slow: bool = False
    unpins: bool = False
    next_run_first: bool | None = None
    tears: bool = False
    variables: Mapping[str, object] = field(default_factory=dict)
    short: bool = False
    kind: str = ""

    def __str__(self) -> str:
        """Its name, as the id of a case."""
        return self.name


def anything(site: Site) -> frozenset[str]:
    """What a fault takes that may take any image of ours."""
    return site.references("old") | site.references("new")


@dataclass(frozen=True)
class Case:
    """A fault that was injected: whether everything held, and what was lost.

    `lost` is what should have stayed, `taken` what the fault itself took, or CRI-O's repair after it.
    """

    seed: int
    row: str
    kind: str
    name: str
    survived: bool
    lost: list[str]
    taken: list[str]
    seconds: float


_COLUMNS = "{:<9}{:<44}{:>9}{:>9}{:>6}{:>8}"


def summary(cases: Iterable[Case]) -> list[str]:
    """Return the lines of a table: each kind of fault, how often it was injected, survived, what was lost.

    Lost and taken count cases in which something was.
    """
    kinds: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        kinds.setdefault((case.row, case.kind), []).append(case)
    every = [case for group in kinds.values() for case in group]
    return [
        _COLUMNS.format("who", "fault", "injected", "survived", "lost", "taken"),
        *(_line(row, kind, group) for (row, kind), group in sorted(kinds.items())),
        _line("", "all", every),
    ]


def _line(row: str, kind: str, cases: list[Case]) -> str:
    counts = [len(cases)]
    counts += [sum(map(bool, column)) for column in (
        [one.survived for one in cases], [one.lost for one in cases], [one.taken for one in cases]
    )]  # fmt: skip
    return _COLUMNS.format(row, kind, *counts)


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """Keep cases as JSON."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(case) for case in cases], indent=1) + "\n")


def read_cases(path: Path) -> list[Case]:
    """Read what `write_cases` kept."""
    return [Case(**one) for one in json.loads(path.read_text())]
