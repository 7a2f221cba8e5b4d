# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugins of the control side, run as Ansible runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.edgefleet.crio.plugins.action import (
    image_lock,
    pin_report,
    wanted_images,
)
from ansible_collections.edgefleet.crio.plugins.filter.layers_on_platform import FilterModule
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.lock import (
    Resolution,
    Unresolved,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.lock import LockedPlatform
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.host import LocalHost
from ansible_collections.edgefleet.crio.plugins.modules import image_lock as image_lock_document
from ansible_collections.edgefleet.crio.plugins.modules import pin_report as pin_report_document
from ansible_collections.edgefleet.crio.plugins.modules import (
    wanted_images as wanted_images_document,
)
from ansible_collections.edgefleet.crio.plugins.plugin_utils.control import (
    search_folders,
    source_list,
)

AMD = "linux/amd64"
DIGEST = "sha256:" + "a" * 64
A, B = (f"example.com/{name}@{DIGEST}" for name in "ab")
SET = {"name": "base", "pool": "edge", "images": [A, B]}
LOCKED = Resolution(
    {one: {AMD: LockedPlatform(DIGEST, (DIGEST,))} for one in (A, B)}, {DIGEST: LockedLayer(10)}, ()
)

RunAction = Callable[..., dict[str, Any]]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what the plugins show."""
    lines: list[str] = []
    display = SimpleNamespace(display=lines.append, warning=lambda text: lines.append(f"! {text}"))
    for plugin in (image_lock, pin_report, wanted_images):
        monkeypatch.setattr(plugin, "Display", lambda: display)
    return lines


@pytest.fixture
def run_action(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: list[str]) -> RunAction:
    """Return what runs an action plugin in an empty folder."""
    del printed
    monkeypatch.chdir(tmp_path)

    def run(plugin: Any, check_mode: bool = False, variables: Any = None, **options: Any) -> Any:
        loader = DataLoader()
        loader.set_basedir(str(tmp_path))
        task = Task.load({"name": "x", "debug": {}})
        task.args, task.check_mode, task.async_val = options, check_mode, 0
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), _remote_is_local=False)
        action = plugin.ActionModule(
            task, connection, SimpleNamespace(check_mode=check_mode), loader,
            Templar(loader=loader), None,
        )  # fmt: skip
        return action.run(task_vars=variables or {})

    return run


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """Collect path, mode and scratch file of what is written, which is written all the same."""
    seen: list[tuple[str, int, str]] = []
    write = LocalHost.write_atomic

    def record(host: LocalHost, path: str, text: str, mode: int, scratch: str) -> None:
        seen.append((path, mode, scratch))
        write(host, path, text, mode, scratch)

    monkeypatch.setattr(LocalHost, "write_atomic", record)
    return seen


class Stopped(Exception):
    """Stands in for what comes after a plugin's options are known."""


@pytest.mark.parametrize(
    ("plugin", "document"),
    [
        (image_lock, image_lock_document),
        (pin_report, pin_report_document),
        (wanted_images, wanted_images_document),
    ],
)
def test_options_are_those_of_the_documentation(
    run_action: RunAction,
    monkeypatch: pytest.MonkeyPatch,
    documented_options: Callable[[Any], dict[str, Any]],
    plugin: Any,
    document: Any,
) -> None:
    """By name, type, default and necessity; a string does for ``sets``, so nothing checks them."""
    specs: list[dict[str, Any]] = []

    def stop(_action: Any, argument_spec: dict[str, Any]) -> None:
        specs.append(argument_spec)
        raise Stopped

    monkeypatch.setattr(plugin.ActionModule, "validate_argument_spec", stop)
    with pytest.raises(Stopped):
        run_action(plugin)
    expected = documented_options(document)
    if "sets" in expected:
        assert expected["sets"].pop("elements") == "raw"
        expected["sets"]["type"] = "raw"
    assert specs == [expected]


@pytest.mark.parametrize("plugin", [image_lock, pin_report, wanted_images])
def test_no_node_is_needed(plugin: Any) -> None:
    """Check mode is the plugin's to handle, and no connection is opened for it."""
    action = plugin.ActionModule
    assert action._supports_check_mode is True
    assert action._requires_connection is False
    assert action.TRANSFERS_FILES is False


class TestWantedImages:
    """wanted_images."""

    def test_sets(self, run_action: RunAction) -> None:
        """The references of each pool; no lock."""
        result = run_action(wanted_images, sets=[SET], pools=["edge", "edge"])
        assert result["references"] == {"edge": [A, B]}
        assert "failed" not in result
        assert (result["lock"], result["changed"]) == (None, False)

    def test_files_and_repeats(
        self, run_action: RunAction, tmp_path: Path, printed: list[str]
    ) -> None:
        """A path from a survey, and a warning for what stands there twice."""
        text = json.dumps({**SET, "images": [A, A]})
        (tmp_path / "base.json").write_text(text)
        result = run_action(wanted_images, sets="base.json", pools=["edge"])
        assert result["references"] == {"edge": [A]}
        assert printed == [f"! {tmp_path}/base.json: set 'base' names images twice: {A}"]

    def test_many_repeats(self, run_action: RunAction, printed: list[str]) -> None:
        """Three of them are named."""
        names = [f"example.com/{number}@{DIGEST}" for number in range(4)]
        run_action(wanted_images, sets=[{**SET, "images": names * 2}], pools=["edge"])
        (warning,) = printed
        assert warning.endswith(f"names images twice: {', '.join(names[:3])}")

    def test_a_pool_that_no_set_names(self, run_action: RunAction, printed: list[str]) -> None:
        """It takes the sets for every pool, and is warned of: it may be a slip."""
        everyone = {**SET, "name": "all", "pool": None, "images": [B]}
        result = run_action(wanted_images, sets=[SET, everyone], pools=["egde"])
        assert result["references"] == {"egde": [B]}
        assert printed == [
            "! pool 'egde' takes only the sets for every pool: the others are for edge"
        ]
        printed.clear()
        run_action(wanted_images, sets=[everyone], pools=["egde"])
        assert printed == []

    def test_pools_are_sorted(self, run_action: RunAction) -> None:
        """The same question has the same answer, byte by byte."""
        pools = [f"pool{number}" for number in range(9)]
        sets = [{"name": one, "pool": one, "images": [A]} for one in pools]
        result = run_action(wanted_images, sets=sets, pools=pools[::-1])
        assert list(result["references"]) == pools

    def test_lock(
        self, run_action: RunAction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A lock gives its sets and itself."""
        monkeypatch.setattr(image_lock, "resolve", lambda *_given: LOCKED)
        made = run_action(image_lock, sets=[SET], path="site.lock.yml")
        result = run_action(wanted_images, lock="site.lock.yml", pools=["edge"])
        assert result["references"] == {"edge": [A, B]}
        assert result["lock"] == made["lock"]
        assert (tmp_path / "site.lock.yml").stat().st_mode & 0o777 == 0o644

    def test_failure(self, run_action: RunAction) -> None:
        """In one line."""
        result = run_action(wanted_images, sets=[SET], pools=["other"])
        assert result["failed"] is True
        assert result["msg"].startswith("looking for the images of pool 'other': no set names that")


class TestImageLock:
    """image_lock."""

    @pytest.fixture(autouse=True)
    def _registry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer = LOCKED
        self.asked: list[Any] = []

        def resolve(_host: Any, references: Any, platforms: Any, auth: str, progress: Any) -> Any:
            self.asked.append((list(references), list(platforms), auth))
            for done in range(1, len(references) + 1):
                progress(done)
            return self.answer

        monkeypatch.setattr(image_lock, "resolve", resolve)

    def test_an_empty_path(self, run_action: RunAction) -> None:
        """It is refused before any registry is asked."""
        result = run_action(image_lock, sets=[SET], path="")
        assert result["msg"] == "writing the lock: it has no path. Name one in pin_images_lock."
        assert self.asked == []

    def test_written(
        self,
        run_action: RunAction,
        tmp_path: Path,
        printed: list[str],
        written: list[tuple[str, int, str]],
    ) -> None:
        """Once, by way of a file beside it; the second time nothing changes."""
        result = run_action(
            image_lock, sets=[SET], path="l.yml", platforms=["linux/amd64"], registry_auth="/a"
        )
        text = (tmp_path / "l.yml").read_text()
        assert text.startswith("---\n# Written by edgefleet.crio.image_lock: review it")
        assert (result["changed"], result["images"], result["layers"]) == (True, 2, 1)
        assert (result["layer_bytes"], result["unresolved"]) == (10, [])
        assert result["diff"] == {
            "before_header": "l.yml", "after_header": "l.yml", "before": "", "after": text,
        }  # fmt: skip
        assert self.asked == [([A, B], [AMD], "/a")]
        assert printed == ["image_lock: 1 of 2 images", "image_lock: 2 of 2 images"]
        assert [one.name for one in tmp_path.iterdir()] == ["l.yml"]
        again = run_action(image_lock, sets=[SET], path="l.yml")
        assert again["changed"] is False
        assert again["diff"]["before"] == text
        assert self.asked[1:] == [([A, B], [AMD], "")]
        assert written == [(f"{tmp_path}/l.yml", 0o644, f"{tmp_path}/.l.yml.new")]

    @pytest.mark.parametrize(
        ("total", "shown"), [(1, [1]), (31, [*range(3, 31, 3), 31]), (30, [*range(3, 31, 3)])]
    )
    def test_progress(
        self, run_action: RunAction, printed: list[str], total: int, shown: list[int]
    ) -> None:
        """A line for each tenth and one for the last, whatever the order in which sets name them."""
        names = [f"example.com/{number:02}@{DIGEST}" for number in range(total)]
        self.answer = Resolution({}, {}, ())
        run_action(image_lock, sets=[{**SET, "images": names[::-1]}], partial=True)
        assert printed == [f"image_lock: {done} of {total} images" for done in shown]
        assert self.asked[0][0] == names

    def test_check_mode(self, run_action: RunAction, tmp_path: Path) -> None:
        """The diff, and no file."""
        result = run_action(image_lock, check_mode=True, sets=[SET], path="l.yml")
        assert (result["changed"], result["diff"]["before_header"]) == (True, "l.yml")
        assert list(tmp_path.iterdir()) == []

    def test_unresolved(self, run_action: RunAction, tmp_path: Path) -> None:
        """All of them are named, and the old lock stays as it was."""
        (tmp_path / "l.yml").write_text("old")
        failed = tuple(Unresolved(one, "not_found", "unknown") for one in (A, B))
        self.answer = Resolution({}, {}, failed)
        result = run_action(image_lock, sets=[SET], path="l.yml")
        assert (result["failed"], result["changed"]) == (True, False)
        assert result["unresolved"] == [vars(one) for one in failed]
        assert result["msg"] == (
            f"locking the images: 2 of 2 could not be resolved: {A} (not_found: unknown);"
            f" {B} (not_found: unknown). Mend or remove them; the lock was not changed."
        )
        assert (tmp_path / "l.yml").read_text() == "old"

    def test_partial_without_a_file(self, run_action: RunAction, tmp_path: Path) -> None:
        """A lock for one run, of what could be resolved."""
        failed = (Unresolved(B, "not_found", "unknown"),)
        self.answer = Resolution({A: LOCKED.resolved[A]}, LOCKED.layers, failed)
        result = run_action(image_lock, sets=[SET], partial=True)
        assert [one["reference"] for one in result["lock"]["images"]] == [A]
        assert result["unresolved"] == [
            {"reference": B, "cause": "not_found", "message": "unknown"}
        ]
        assert (result["changed"], list(tmp_path.iterdir())) == (False, [])
        assert "failed" not in result

    def test_failures(self, run_action: RunAction) -> None:
        """In one line; options are checked."""
        result = run_action(image_lock, sets=[SET], platforms=["amd64"])
        assert result["msg"].startswith("platform 'amd64' in platforms: it is no platform")
        assert (result["failed"], result["changed"], result["unresolved"]) == (True, False, [])
        assert self.asked == []
        with pytest.raises(AnsibleError, match="sets"):
            run_action(image_lock)


class TestPinReport:
    """pin_report."""

    def variables(self) -> dict[str, Any]:
        """Return the variables of a play of two nodes, of which one went away."""
        converged = {"converged": True, "wanted": 1}
        return {
            "ansible_play_hosts_all": ["n1", "n2"],
            "hostvars": {
                "n1": {"look": converged},
                "n2": {"fail": {"msg": "x"}, "look": {"unreachable": True}},
            },
        }

    def test_lines_and_document(
        self,
        run_action: RunAction,
        tmp_path: Path,
        printed: list[str],
        written: list[tuple[str, int, str]],
    ) -> None:
        """Both nodes are there, on the screen and in the file."""
        result = run_action(
            pin_report, variables=self.variables(), steps=["look"], failure="fail", path="run.json"
        )
        assert printed[-3] == "1 converged, 1 unreachable"
        text = (tmp_path / "run.json").read_text()
        assert text == json.dumps({"nodes": result["nodes"]}, indent=2) + "\n"
        assert {name: (one["state"], one["message"]) for name, one in result["nodes"].items()} == {
            "n1": ("converged", ""), "n2": ("unreachable", "x"),
        }  # fmt: skip
        assert result["changed"] is False
        assert "failed" not in result
        assert written == [(f"{tmp_path}/run.json", 0o644, f"{tmp_path}/.run.json.new")]

    @pytest.mark.parametrize(("check_mode", "state"), [(False, "changed"), (True, "would change")])
    def test_lines_alone(
        self, run_action: RunAction, tmp_path: Path, check_mode: bool, state: str
    ) -> None:
        """Without a path nothing is written; check mode is told from a change."""
        variables = {
            "ansible_play_hosts_all": ["n1"],
            "hostvars": {"n1": {"look": {"converged": False, "wanted": 1}}},
        }
        result = run_action(
            pin_report, check_mode=check_mode, variables=variables, steps=["look"], failure="fail"
        )
        assert result["nodes"]["n1"]["state"] == state
        assert list(tmp_path.iterdir()) == []

    def test_a_document_that_cannot_be_written(
        self, run_action: RunAction, printed: list[str]
    ) -> None:
        """The lines come all the same."""
        (Path.cwd() / "folder").mkdir()
        result = run_action(
            pin_report, variables=self.variables(), steps=["look"], failure="fail", path="folder"
        )
        assert printed[-3] == "1 converged, 1 unreachable"
        assert (result["failed"], result["changed"], len(result["nodes"])) == (True, False, 2)
        assert result["msg"] == f"writing {Path.cwd()}/folder: Is a directory."


def test_layers_on_platform() -> None:
    """The filter gives a node its part, and says in one line what is wrong with a lock."""
    take = FilterModule().filters()["layers_on_platform"]
    lock = {
        "version": 1, "platforms": [AMD], "sets": [{"name": "base", "pool": None}],
        "images": [{"reference": A, "sets": ["base"],
                    "platforms": {AMD: {"manifest": DIGEST, "layers": [DIGEST]}}}],
        "layers": {DIGEST: {"size": 10}},
    }  # fmt: skip
    assert take(lock, [A, B], AMD) == {
        "images": [{"reference": A, "layers": [DIGEST]}],
        "layers": [{"digest": DIGEST, "size": 10}],
    }
    with pytest.raises(AnsibleFilterError, match="is not locked for linux/arm64"):
        take(lock, [A], "linux/arm64")


def test_where_paths_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, then the playbook's; each once."""
    monkeypatch.chdir(tmp_path)
    assert search_folders("/play") == [str(tmp_path), "/play"]
    assert search_folders(str(tmp_path)) == [str(tmp_path)]


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        (None, []),
        ("", []),
        ("a.yml", ["a.yml"]),
        ("a.yml, b/\n c.yml,", ["a.yml", "b/", "c.yml"]),
        (["a, b"], ["a, b"]),
        ((1,), [1]),
        (SET, [SET]),
    ],
)
def test_lists_from_strings(value: Any, entries: list[Any]) -> None:
    """Surveys and -e give strings."""
    assert source_list(value) == entries
