# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pulls and runs that died left: found, named, removed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.leftovers import (
    Leftover,
    find_leftovers,
    remove_leftovers,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import HostError
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.crio import RunningConfig
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.found_file import FoundFile
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.process import (
    OpenFile,
    RunningProcess,
)
from unit.fake_host import JOURNAL, STORE, FakeHost

CONFIG = RunningConfig(STORE, "", "", "pause", ())
STAGED = "/var/tmp/container_images_storage"
SOCKET = "/run/crio/crio.sock"
DROP_IN_SCRATCH = "/etc/crio/.50-pinned-images.edgefleet-new"
JOURNAL_SCRATCH = "/var/lib/edgefleet-crio/.journal.new"
COPY = "/run/edgefleet-crio"


@pytest.fixture
def node(host: FakeHost) -> FakeHost:
    """Give a node whose CRI-O began at 900, at time 1000; folders changed at time 0."""
    host.files[SOCKET] = ""
    host.times[SOCKET] = 900.0
    host.running = [RunningProcess(46, "crio", 900.0)]
    return host


def test_nothing(node: FakeHost) -> None:
    """Nothing is asked of processes, and nothing is written."""
    del node.running
    assert find_leftovers(node, CONFIG) == remove_leftovers(node, CONFIG) == ()
    assert node.journal() == []


def test_dead_pulls(node: FakeHost) -> None:
    """Folders of exactly such names, with what their files take; the newest time in it counts."""
    names = ("1", "2", "3", "4x", "", "5")
    node.files.update({f"{STAGED}{name}/1": "12345" for name in names})
    node.files[f"{STAGED}1/2"] = "67"
    node.files["/var/tmp/other"] = node.files[f"{STAGED}6"] = "x"
    node.odd[f"{STAGED}3"] = FoundFile("symbolic link")
    node.times[f"{STAGED}2/1"] = 950.0
    node.opened = [OpenFile(f"{STAGED}5/1", 99, 3, 0)]
    assert find_leftovers(node, CONFIG) == (Leftover(f"{STAGED}1", 7),)
    elsewhere = replace(CONFIG, big_files_temporary_dir="/mnt/tmp")
    assert find_leftovers(node, elsewhere) == ()
    node.files["/mnt/tmp/container_images_storage8/1"] = "1"
    assert find_leftovers(node, elsewhere) == (Leftover("/mnt/tmp/container_images_storage8", 1),)


def test_without_a_socket(node: FakeHost) -> None:
    """Where CRI-O listens elsewhere, nobody knows since when."""
    del node.files[SOCKET]
    node.files[f"{STAGED}1/1"] = "1"
    assert find_leftovers(node, CONFIG) == ()


def test_our_own_files(node: FakeHost) -> None:
    """Those that a kill can leave; a copy that a run in check mode may be reading is let be."""
    node.files.update({DROP_IN_SCRATCH: "12", JOURNAL_SCRATCH: "1", "/etc/crio/.other": "x"})
    predicted = f"{COPY}-check-17"
    node.files.update({f"{COPY}/candidate": "123", f"{predicted}/candidate": "12"})
    node.files[f"{COPY}-other/x"] = "x"
    node.times.update({COPY: 399.0, predicted: 399.0})
    assert find_leftovers(node, CONFIG) == (
        Leftover(DROP_IN_SCRATCH, 2), Leftover(JOURNAL_SCRATCH, 1), Leftover(COPY, 3),
        Leftover(predicted, 2),
    )  # fmt: skip
    node.times.update({COPY: 401.0, predicted: 401.0})
    node.odd[JOURNAL_SCRATCH] = node.odd[DROP_IN_SCRATCH] = FoundFile("directory")
    assert find_leftovers(node, CONFIG) == ()
    del node.files[f"{COPY}/candidate"]
    node.files[COPY] = "somebody's"
    node.times[COPY] = 0.0
    assert find_leftovers(node, CONFIG) == ()


def test_removed(node: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that stays costs no other."""
    node.files.update({f"{STAGED}{name}/1": "12345" for name in "12"})
    remove, going = node.remove, f"{STAGED}1.edgefleet-going"

    def fail(path: str) -> None:
        if path == going:
            raise HostError(f"removing {path}", "Read-only file system")
        remove(path)

    monkeypatch.setattr(node, "remove", fail)
    said = f"removing {going}: Read-only file system."
    assert remove_leftovers(node, CONFIG) == (
        Leftover(going, 5, "left", said), Leftover(f"{STAGED}2", 5, "removed"),
    )  # fmt: skip
    before, after = node.journal()
    assert (before["event"], before["phase"]) == ("clean", "before")
    assert before["paths"] == [f"{STAGED}1", f"{STAGED}2"]
    assert (after["phase"], after["paths"], after["bytes"]) == ("after", [f"{STAGED}2"], 5)


def no_room(path: str, _what: str) -> None:
    """Fail to write or rename."""
    raise HostError(f"writing {path}", "No space left on device")


def test_removed_without_another_name(node: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the name is taken, or the disk has no room for it."""
    node.files[f"{STAGED}1/1"] = "1"
    monkeypatch.setattr(node, "rename", no_room)
    assert remove_leftovers(node, CONFIG) == (Leftover(f"{STAGED}1", 1, "removed"),)


def test_killed_while_removing(node: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is young by that is known again by its name; somebody else's of such a name is not."""
    node.files.update({f"{STAGED}1/1": "12345", f"{STAGED}2.edgefleet-going/1": "67"})

    def die(path: str) -> None:
        node.times[path] = 1000.0
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(node, "remove", die)
        with pytest.raises(KeyboardInterrupt):
            remove_leftovers(node, CONFIG)
    going = f"{STAGED}1.edgefleet-going"
    assert find_leftovers(node, CONFIG)[0] == Leftover(going, 5)
    assert [one.outcome for one in remove_leftovers(node, CONFIG)] == ["removed", "removed"]
    assert not any(path.startswith("/var/tmp") for path in node.files)
    node.files[f"{going}/1"] = "1"
    node.owners[going] = 1000
    assert find_leftovers(node, CONFIG) == ()


def test_a_full_disk(node: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that cannot be written is no reason not to make room."""
    node.files[f"{STAGED}1/1"] = "1"
    monkeypatch.setattr(node, "append", no_room)
    assert remove_leftovers(node, CONFIG) == (Leftover(f"{STAGED}1", 1, "removed"),)
    assert JOURNAL not in node.files


def test_what_cannot_be_read(node: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and nothing is removed or written."""

    def fail(directory: str) -> None:
        raise HostError(f"reading {directory}", "Input/output error")

    monkeypatch.setattr(node, "entries", fail)
    left = Leftover("/var/tmp", 0, "left", "reading /var/tmp: Input/output error.")
    assert find_leftovers(node, CONFIG) == remove_leftovers(node, CONFIG) == (left,)
    assert node.events == []
