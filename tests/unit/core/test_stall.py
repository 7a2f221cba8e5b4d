# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the pulls of a node stand still, and which folders of pulls are dead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.leftovers import (
    dead_folders,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.stall import Stillness
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.answer import UnreadableAnswer
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.process import (
    OpenFile,
    RunningProcess,
    parse_position,
    parse_process,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.staging import (
    StagingFolder,
)
from hypothesis import given
from hypothesis import strategies as st

# Of CRI-O 1.36.3 on Linux 6.1; a name may hold what it likes.
STAT = (
    "46 (crio) S 1 46 46 0 -1 4194560 9038 60 26 0 25 9 0 0 20 0 14 0 1234500 2075897856 14338"
    " 18446744073709551615 1 1 0 0 0 0 0 1002060288 2143420159 0 0 0 17 1 0 0 0 0 0\n"
)
FDINFO = "pos:\t774144\nflags:\t0100002\nmnt_id:\t412\nino:\t36\n"


def marks(**amounts: int) -> frozenset[tuple[str, int]]:
    """Return what was seen of pulls."""
    return frozenset(amounts.items())


def test_what_is_new_is_a_movement() -> None:
    """A file that grew, one that came; what went was none."""
    still = Stillness(marks(a=1, b=2), 10.0)
    assert still.after(marks(a=1, b=2), 20.0).since == 10.0
    assert still.after(marks(a=1), 20.0) == Stillness(marks(a=1), 10.0)
    assert still.after(marks(a=2), 20.0) == Stillness(marks(a=2), 20.0)
    assert still.after(marks(a=1, b=2, c=1), 20.0).since == 20.0


def test_how_long_it_lasts() -> None:
    """From the last movement, or from the pull's own start when that was later."""
    still = Stillness(marks(), 10.0)
    assert not still.has_lasted(5.0, 0.0, 14.9)
    assert still.has_lasted(5.0, 0.0, 15.0)
    assert not still.has_lasted(5.0, 12.0, 15.0)
    assert still.has_lasted(5.0, 12.0, 17.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 4.99)), max_size=50))
def test_a_slow_pull_is_never_still(looks: list[tuple[bool, float]]) -> None:
    """As long as something came within the time, however little; else exactly then."""
    still, now, moved_at, size = Stillness(marks(), 0.0), 0.0, 0.0, 0
    for moved, seconds in looks:
        now += seconds
        size += moved
        moved_at = now if moved else moved_at
        still = still.after(marks(a=size) if size else marks(), now)
        assert still.has_lasted(5.0, 0.0, now) == (now - moved_at >= 5.0)


def test_process() -> None:
    """Its name and its start."""
    found = parse_process(46, STAT, booted=1000.5, ticks=100)
    assert found == RunningProcess(46, "crio", 1000.5 + 12345.0)
    odd = STAT.replace("(crio)", "(a) S 1 (b\n)")
    assert parse_process(46, odd, 1000.5, 100) == replace(found, name="a) S 1 (b\n")


@pytest.mark.parametrize(
    "text", ["", "46 crio S 1", "46 (crio) S 1 46", STAT.replace("1234500", "x")]
)
def test_no_process(text: str) -> None:
    """It is said which file has another form."""
    with pytest.raises(UnreadableAnswer, match=r"reading /proc/46/stat: .* is not of its form"):
        parse_process(46, text, 0.0, 100)


def test_position() -> None:
    """How far a file was read or written; one that is gone is at its start."""
    assert (parse_position(FDINFO), parse_position("")) == (774144, 0)


# CRI-O began at 5000; the pull had last changed its folder at 3000.
FOLDER = StagingFolder("/var/tmp/container_images_storage1", 3000.0, (("1", 10), ("2", 5)))
OPEN = OpenFile(f"{FOLDER.path}/1", 7, 3, 0)
CRIO = RunningProcess(46, "crio", 5000.0)


def is_dead(
    folder: StagingFolder = FOLDER,
    open_files: tuple[OpenFile, ...] = (),
    processes: tuple[RunningProcess, ...] = (CRIO,),
    socket_made: float | None = 5000.2,
) -> bool:
    """Say whether that folder may go."""
    return dead_folders([folder], open_files, processes, socket_made) == (folder,)


def test_what_a_dead_crio_left() -> None:
    """Not open, from before the running CRI-O; how old it is says nothing."""
    assert is_dead()
    assert FOLDER.bytes == 15


def test_another_one_s_folder_of_a_similar_name() -> None:
    """What is open in it is not open in ours."""
    other = replace(OPEN, path="/var/tmp/container_images_storage12/1")
    assert is_dead(open_files=(other,))


@pytest.mark.parametrize(
    "differently",
    [
        {"open_files": (OPEN,)},
        {"open_files": (replace(OPEN, path=f"{FOLDER.path}/1 (deleted)"),)},
        # Of the running CRI-O, or too near to its start to tell.
        {"folder": replace(FOLDER, changed=6000.0)},
        {"folder": replace(FOLDER, changed=4999.96)},
        # The clock was set forward: CRI-O seems to have begun later than it did by its process.
        {"socket_made": 2000.0},
        # The clock was set back: by its socket.
        {"processes": (replace(CRIO, started=2000.0),)},
        # Another CRI-O runs that is older, as in a container.
        {"processes": (CRIO, replace(CRIO, started=2000.0))},
        {"processes": ()},
        {"socket_made": None},
    ],
)
def test_what_may_be_alive(differently: dict[str, Any]) -> None:
    """Any doubt keeps it."""
    assert not is_dead(**differently)


@pytest.mark.parametrize("name", ["podman", "buildah", "skopeo"])
@pytest.mark.parametrize(
    ("started", "dead"),
    [
        (2000.0, False),
        # After the folder's last change; but the clock may have been set forward between the two.
        (4000.0, False),
        (5000.04, False),
        # It began after CRI-O, and the folder is older than that.
        (5000.06, True),
    ],
)
def test_other_programs_that_pull(name: str, started: float, dead: bool) -> None:
    """Their folders look the same; only the order in which programs began is beyond doubt."""
    assert is_dead(processes=(CRIO, RunningProcess(9, name, started))) == dead


def test_any_other_program() -> None:
    """It makes no such folders."""
    assert is_dead(processes=(CRIO, RunningProcess(1, "systemd", 0.0)))
