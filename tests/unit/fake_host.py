# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that is not there: files in a dictionary, and programs that must be called as expected.

A command that is missing, comes in another order or differs in a word, in its standard input or in
its timeout fails the test.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import Completed
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.filesystem import Filesystem
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.found_file import (
    DIRECTORY,
    FILE,
    Entry,
    FoundFile,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.process import (
    OpenFile,
    RunningProcess,
)

CONF_D = "/etc/crio/crio.conf.d"
DROP_IN = f"{CONF_D}/50-pinned-images"
JOURNAL = "/var/lib/edgefleet-crio/journal.jsonl"
STORE = "/var/lib/containers/storage"
IMAGES_JSON = f"{STORE}/overlay-images/images.json"
LAYERS_JSON = f"{STORE}/overlay-layers/layers.json"
PAUSE = "registry.k8s.io/pause:3.10.1"
CRIO, CRICTL, SKOPEO = "/usr/bin/crio", "/usr/bin/crictl", "/usr/bin/skopeo"
SYSTEMCTL, JOURNALCTL = "/usr/bin/systemctl", "/usr/bin/journalctl"
# Without journalctl, as a node without journald: tests that ask CRI-O's log add it.
PROGRAMS = (CRIO, CRICTL, SKOPEO, SYSTEMCTL)
_SOCKET = "unix:///var/run/crio/crio.sock"
_CRICTL = (CRICTL, "--runtime-endpoint", _SOCKET, "--image-endpoint", _SOCKET, "--timeout")


@dataclass(frozen=True)
class Call:
    """An expected command and its answer."""

    argv: tuple[str, ...]
    stdout: str = ""
    stderr: str = ""
    rc: int = 0
    stdin: str = ""
    timeout: float | None = None


class FakeHost:
    """A Host; ``events`` tells every command and every effect in its order."""

    def __init__(self, files: dict[str, str] | None = None) -> None:
        """Start with these files, as root, at time 1000."""
        self.files = dict(files or {})
        self.programs = {path.rpartition("/")[2]: path for path in PROGRAMS}
        self.events: list[tuple[str, str]] = []
        self.scratches: list[str] = []
        self.settings: list[dict[str, str]] = []
        self.slept: list[float] = []
        self.synced: list[str] = []
        self.turns: list[str] = []
        self.ends: list[str] = []
        self.odd: dict[str, FoundFile] = {}
        self.rooms: dict[str, Filesystem] = {}
        self.root = True
        # Of paths, where they are not root's, or did not change at time 0.
        self.owners: dict[str, int] = {}
        self.times: dict[str, float] = {}
        self.running: list[RunningProcess] = []
        self.opened: list[OpenFile] = []
        self._expected: list[list[Call]] = []
        self._lock = threading.Lock()
        self._time = 1000.0

    def expect(self, *calls: Call) -> FakeHost:
        """Expect these commands next, in this order."""
        self._expected += [[call] for call in calls]
        return self

    def expect_in_any_order(self, *calls: Call) -> FakeHost:
        """Expect these commands next, from several threads."""
        self._expected.append(list(calls))
        return self

    def assert_all_called(self) -> None:
        """Fail when an expected command did not come."""
        assert self._expected == []

    def journal(self) -> list[dict[str, Any]]:
        """Return the journal's entries."""
        return [json.loads(line) for line in self.files.get(JOURNAL, "").splitlines()]

    def find_program(self, name: str) -> str | None:
        """See Host."""
        return self.programs.get(name)

    def run(self, argv: Sequence[str], timeout: float | None = None, stdin: str = "") -> Completed:
        """See Host."""
        came = (tuple(argv), stdin, timeout)
        with self._lock:
            assert self._expected, f"not expected: {came}"
            group = self._expected[0]
            matching = [one for one in group if (one.argv, one.stdin, one.timeout) == came]
            assert matching, f"{came} came, expected: {group}"
            call = matching[0]
            group.remove(call)
            if not group:
                self._expected.pop(0)
            self.events.append(("run", " ".join(argv)))
        return Completed(tuple(argv), call.rc, call.stdout, call.stderr)

    def run_until(
        self, argv: Sequence[str], stop: threading.Event, settings: Mapping[str, str]
    ) -> Completed:
        """See Host."""
        del stop
        self.settings.append(dict(settings))
        return self.run(argv)

    def process_number(self) -> int:
        """See Host."""
        return 4711

    def processes(self) -> tuple[RunningProcess, ...]:
        """See Host."""
        return tuple(self.running)

    def open_files(self, parts: Sequence[str]) -> tuple[OpenFile, ...]:
        """See Host."""
        return tuple(one for one in self.opened if any(part in one.path for part in parts))

    def end_orphans(self, setting: str) -> None:
        """See Host."""
        assert self.turns[-1], "ended without a turn"
        self.ends.append(setting)

    def is_root(self) -> bool:
        """See Host."""
        return self.root

    @contextlib.contextmanager
    def exclusive(self, path: str, doing: str, patience: float, problem: str) -> Iterator[None]:
        """See Host."""
        del path, patience, problem
        assert not self.turns or self.turns[-1] == "", "a turn within a turn"
        self.turns.append(doing)
        try:
            yield
        finally:
            self.turns.append("")

    def machine(self) -> str:
        """See Host."""
        return "x86_64"

    def exists(self, path: str) -> bool:
        """See Host."""
        return path in self.files or bool(self.files_below(path))

    def read(self, path: str) -> str | None:
        """See Host."""
        return self.files.get(path)

    def found(self, path: str) -> FoundFile:
        """See Host."""
        if path in self.odd:
            return self.odd[path]
        text = self.files.get(path)
        return FoundFile() if text is None else FoundFile(FILE, text, 0o644, 0)

    def entries(self, directory: str) -> tuple[Entry, ...]:
        """See Host; a folder is there when a file below it is."""
        below = [path[len(directory) + 1 :] for path in self.files_below(directory)]
        found = []
        for name in sorted({one.partition("/")[0] for one in below}):
            path = f"{directory}/{name}"
            kind = (
                self.odd[path].kind
                if path in self.odd
                else FILE
                if path in self.files
                else DIRECTORY
            )
            size = len(self.files.get(path, ""))
            owner, changed = self.owners.get(path, 0), self.times.get(path, 0.0)
            found.append(Entry(name, kind, owner, size, changed))
        return tuple(found)

    def files_below(self, directory: str) -> tuple[str, ...]:
        """See Host."""
        return tuple(sorted(path for path in self.files if path.startswith(f"{directory}/")))

    def write_atomic(self, path: str, text: str, mode: int, scratch: str) -> None:
        """See Host."""
        assert not f"{scratch}/".startswith(f"{CONF_D}/"), "CRI-O would read the scratch file"
        self.scratches.append(scratch)
        self.events.append(("write", f"{path} {mode:o}"))
        self.files[path] = text

    def append(self, path: str, text: str) -> None:
        """See Host."""
        assert path == JOURNAL
        with self._lock:
            for line in text.strip().splitlines():
                entry = json.loads(line)
                self.events.append(("journal", f"{entry['phase']} {entry['event']}"))
            self.files[path] = self.files.get(path, "") + text

    def copy_tree(self, source: str, target: str) -> None:
        """See Host."""
        self.events.append(("copy", f"{source} {target}"))
        for path in self.files_below(target):
            del self.files[path]
        for path in self.files_below(source):
            self.files[target + path[len(source) :]] = self.files[path]

    def rename(self, path: str, name: str) -> None:
        """See Host."""
        new = f"{path.rpartition('/')[0]}/{name}"
        for one in [one for one in self.files if one == path or one.startswith(f"{path}/")]:
            self.files[new + one[len(path) :]] = self.files.pop(one)
        self.events.append(("rename", path))

    def remove(self, path: str) -> None:
        """See Host."""
        self.events.append(("remove", path))
        for below in (path, *self.files_below(path)):
            self.files.pop(below, None)

    def remove_empty(self, path: str) -> None:
        """See Host."""
        assert not self.files_below(path)
        self.events.append(("remove empty", path))

    def filesystem(self, path: str) -> Filesystem:
        """See Host."""
        return self.rooms.get(path) or Filesystem(path, 1, 10**12, 10**12, 10**6, 10**6)

    def remeasured(self, known: Filesystem) -> Filesystem:
        """See Host."""
        return self.rooms.get(known.path, known)

    def sync(self, path: str) -> None:
        """See Host."""
        self.synced.append(path)

    def now(self) -> float:
        """See Host."""
        return self._time

    def monotonic(self) -> float:
        """See Host."""
        return self._time

    def sleep(self, seconds: float) -> None:
        """See Host."""
        self.slept.append(seconds)
        self._time += seconds


def crictl(*words: str, **answer: Any) -> Call:
    """Return a call of crictl."""
    return Call((*_CRICTL, "600s" if words[0] == "rmi" else "30s", *words), **answer)


def crio_version(version: str = "1.36.3") -> Call:
    """Return the question for CRI-O's version."""
    return Call((CRIO, "--version"), stdout=f"crio version {version}\n", timeout=60)


def running_version(version: str = "1.36.3") -> Call:
    """Return the question for the version of the CRI-O that runs."""
    table = f"Version:  0.1.0\nRuntimeName:  cri-o\nRuntimeVersion:  {version}\n"
    return crictl("version", stdout=f"{table}RuntimeApiVersion:  v1\n")


def status_config(pins: Iterable[str] = ()) -> Call:
    """Return the question for the running configuration."""
    return Call(
        (CRIO, "status", "config"),
        stdout=f'[crio]\n  root = "{STORE}"\n  imagestore = ""\n[crio.image]\n'
        f'  pause_image = "{PAUSE}"\n  pinned_images = {json.dumps(list(pins))}\n'
        '  big_files_temporary_dir = ""\n',
        timeout=60,
    )


def daemon_down() -> Call:
    """Return the question for the running configuration, with nobody there."""
    said = 'time="x" level=fatal msg="connection error: desc = dial unix: no such file"'
    return Call((CRIO, "status", "config"), rc=1, stderr=said, timeout=60)


def images(present: Iterable[str] = (), pinned: Iterable[str] = ()) -> Call:
    """Return the question for the images; an image has the identifier ``id of <name>``."""
    pins = set(pinned)
    listed = [
        {"id": f"id of {name}", "repoTags": [], "repoDigests": [name], "pinned": name in pins}
        for name in present
    ]
    return crictl("images", "-o", "json", stdout=json.dumps({"images": listed}))


def crio_log(since: int, stdout: str) -> Call:
    """Return the question for CRI-O's log, of a node that has journalctl."""
    words = ("--unit", "crio.service", "--since", f"@{since}", "--output", "cat")
    return Call((JOURNALCTL, *words, "--no-pager", "--quiet"), stdout=stdout, timeout=60)


def images_json(names: Iterable[str]) -> str:
    """Return the store's file for the images of :func:`images`."""
    return json.dumps([{"id": f"id of {name}", "names": [name]} for name in names])


def containers(*used: str) -> Call:
    """Return the question for containers, with one for each image in use."""
    listed = [{"imageRef": name, "image": {"image": name}} for name in used]
    return crictl("ps", "-a", "-o", "json", stdout=json.dumps({"containers": listed}))


def check_config(directory: str, rc: int = 0, stderr: str = "", single: str = "") -> Call:
    """Return CRI-O's reading of a configuration."""
    argv = (CRIO, "--config", single, "--config-dir", directory, "config")
    return Call(argv, rc=rc, stderr=stderr, timeout=60)


def service(action: str, **answer: Any) -> Call:
    """Return a reload or restart of CRI-O's service."""
    return Call((SYSTEMCTL, action, "crio.service"), timeout=180, **answer)


def pins_of(path: str, pins: Iterable[str] | None) -> Call:
    """Return CRI-O's reading of one file; None when it sets no pins."""
    sentinel = "edgefleet.invalid/sentinel"
    listed = [sentinel] if pins is None else list(pins)
    quoted = "".join(f'\t"{one}",\n' for one in listed)
    return Call(
        (CRIO, "--config", "/dev/stdin", "--config-dir", path, "config"),
        stdin=f'[crio.image]\npinned_images = ["{sentinel}"]\n',
        stdout=f"pinned_images = [\n{quoted}]\n" if listed else "# pinned_images = [\n# ]\n",
        timeout=60,
    )
