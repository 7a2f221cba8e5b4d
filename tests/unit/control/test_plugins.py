# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugins of the control side, run as Ansible runs them."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.edgefleet.crio.plugins.action import (
    checked_options,
    image_lock,
    lock_changes,
    pin_report,
    wanted_images,
)
from ansible_collections.edgefleet.crio.plugins.filter import sets_of_missing
from ansible_collections.edgefleet.crio.plugins.filter.layers_on_platform import FilterModule
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.measure import (
    Measured,
    Unmeasured,
    WantedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LayerMeasure,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.control_host import (
    LocalControlHost,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.host import LocalHost
from ansible_collections.edgefleet.crio.plugins.modules import (
    checked_options as checked_options_document,
)
from ansible_collections.edgefleet.crio.plugins.modules import image_lock as image_lock_document
from ansible_collections.edgefleet.crio.plugins.modules import (
    lock_changes as lock_changes_document,
)
from ansible_collections.edgefleet.crio.plugins.modules import pin_report as pin_report_document
from ansible_collections.edgefleet.crio.plugins.modules import (
    wanted_images as wanted_images_document,
)
from ansible_collections.edgefleet.crio.plugins.plugin_utils import control
from ansible_collections.edgefleet.crio.plugins.plugin_utils.control import (
    cache_folder,
    search_folders,
    source_list,
    standard_input,
    structure,
)
from unit.fake_host import Call, FakeHost
from unit.registry_images import Image, index, inspect, manifest

AMD = "linux/amd64"
DIGEST = "sha256:" + "a" * 64
A, B = (f"example.com/{name}@{DIGEST}" for name in "ab")
SET = {"name": "base", "pool": "edge", "images": [A, B]}
LOCK = {
    "version": 1, "platforms": [AMD], "sets": [{"name": "base", "pool": "edge"}],
    "images": [
        {"reference": one, "sets": ["base"],
         "platforms": {AMD: {"manifest": DIGEST, "layers": [DIGEST]}}}
        for one in (A, B)
    ],
    "layers": {DIGEST: {"size": 10}},
}  # fmt: skip
APP, AGENT = manifest("app", (DIGEST, 10)), manifest("agent", (DIGEST, 10))
NEW = manifest("app", ("sha256:" + "b" * 64, 2000), created="now")
DEFAULTS = {
    "pin_images_lock": "", "pin_images_lock_checksum": "", "pin_images_sets": [],
    "pin_images_pool": "edge",
}  # fmt: skip
MEASURE = LayerMeasure(100, 1, 2, 3, 4, 5)

RunAction = Callable[..., dict[str, Any]]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what the plugins show."""
    lines: list[str] = []
    display = SimpleNamespace(display=lambda text, **_how: lines.append(text))
    for plugin in (control, image_lock, lock_changes, pin_report):
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
        (checked_options, checked_options_document),
        (image_lock, image_lock_document),
        (lock_changes, lock_changes_document),
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
    if expected.get("sets", {}).pop("elements", "raw") == "raw" and "sets" in expected:
        expected["sets"]["type"] = "raw"
    assert specs == [expected]


@pytest.mark.parametrize(
    "plugin", [checked_options, image_lock, lock_changes, pin_report, wanted_images]
)
def test_no_node_is_needed(plugin: Any) -> None:
    """Check mode is the plugin's to handle, and no connection is opened for it."""
    action = plugin.ActionModule
    assert action._supports_check_mode is True
    assert action._requires_connection is False
    assert action.TRANSFERS_FILES is False


class TestCheckedOptions:
    """checked_options; nodes that differ are test_settings.py's too, with Ansible."""

    SPEC: ClassVar = {
        "retries": {"type": "int", "default": 4},
        "conflict": {"type": "str", "choices": ["fail", "merge"]},
    }

    def said(self, run_action: RunAction, **of_b: Any) -> str:
        """Check nodes a and b, of which b has these variables; return the message."""
        variables = {
            "inventory_hostname": "a",
            "ansible_play_hosts_all": ["a", "b"],
            "hostvars": {"a": {}, "b": of_b},
        }
        defaults = {"retries": 4, "conflict": "fail"}
        result = run_action(
            checked_options, variables=variables, options=defaults, defaults=defaults,
            spec=self.SPEC, least={"retries": 0}, prefix="re",
        )  # fmt: skip
        assert bool(result.get("failed")) == ("msg" in result)
        return str(result.get("msg", ""))

    def test_right_ones(self, run_action: RunAction) -> None:
        """Strings of numbers too."""
        assert self.said(run_action, retries="0", conflict="merge") == ""

    def test_several_that_are_wrong(self, run_action: RunAction) -> None:
        """All in one line, for the nodes that have them."""
        said = self.said(run_action, retries="many", conflict="mrge")
        assert said.startswith("for b: argument 'retries' is of type ")
        assert said.endswith("must be one of: fail, merge, got: mrge. No node was touched.")
        assert "\n" not in said

    def test_numbers_that_mean_nothing(self, run_action: RunAction) -> None:
        """Once all are numbers."""
        said = self.said(run_action, retries="-1")
        assert said == "for b: retries is -1, at least 0 is needed. No node was touched."

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"deep": "y"}, "deep is 'y', true or false is needed"),
            ({"deep": " true "}, "deep is ' true ', true or false is needed"),
            ({"pool": None}, "pool is nothing, text is needed, in quotes"),
            ({"pool": 5}, "pool is 5, text is needed, in quotes"),
            ({"tries": None}, "tries is nothing, a number is needed"),
        ],
    )
    def test_what_tasks_would_take_for_something_else(
        self, run_action: RunAction, options: dict[str, Any], said: str
    ) -> None:
        """Ansible's own check lets all of it pass."""
        spec = {"deep": {"type": "bool"}, "pool": {"type": "str"}, "tries": {"type": "int"}}
        variables = {
            "inventory_hostname": "a",
            "ansible_play_hosts_all": ["a"],
            "hostvars": {"a": {}},
        }
        checks = {
            "variables": variables, "defaults": options, "spec": spec, "least": {}, "prefix": "x_",
        }  # fmt: skip
        message = run_action(checked_options, options=options, **checks)["msg"]
        assert message == f"{said}. No node was touched."
        fine = {"deep": "Yes", "pool": ""}
        assert "msg" not in run_action(
            checked_options, options=fine, **{**checks, "defaults": fine}
        )

    @pytest.mark.parametrize(
        ("of_a", "of_b", "of_play", "said"),
        [
            ({}, {"pin_lok": 1}, {}, "for b: there is no option pin_lok, pin_lock may be meant"),
            (
                {"pin_lok": 1},
                {"pin_lok": 2},
                {},
                "there is no option pin_lok, pin_lock may be meant",
            ),
            ({}, {}, {"pin_x": 1}, "there is no option pin_x"),
            (
                {"pin_b": 1},
                {},
                {"pin_x": 1, "pin_y": 1},
                "for a: there is no option pin_b; there is no option pin_x; there is no option pin_y.",
            ),
            (
                {},
                {"pin_lok": 1, "pin_lock": "n"},
                {},
                "for b: there is no option pin_lok, pin_lock",
            ),
        ],
    )
    def test_names_of_no_option(
        self,
        run_action: RunAction,
        of_a: dict[str, Any],
        of_b: dict[str, Any],
        of_play: dict[str, Any],
        said: str,
    ) -> None:
        """They are most likely misspelt, and would be ignored; before what options are set to."""
        variables = {
            "inventory_hostname": "a", "ansible_play_hosts_all": ["a", "b"],
            "hostvars": {"a": of_a, "b": {**of_b, "pinhole": 1, 7: 1}},
            **of_a, **of_play, "pin_lock": "x", "pin_other": 1, "pinned_set": 1,
        }  # fmt: skip
        checks = {
            "options": {"pin_lock": "x"}, "defaults": {"pin_lock": ""}, "prefix": "pin_",
            "spec": {"pin_lock": {"type": "str"}}, "others": ["pin_other"],
        }  # fmt: skip
        result = run_action(checked_options, variables=variables, **checks)
        assert result["msg"].startswith(said)
        assert result["msg"].endswith(". No node was touched.")


def wanted_of(run_action: RunAction, **settings: Any) -> dict[str, Any]:
    """Run wanted_images for one node."""
    given = {**DEFAULTS, **{f"pin_images_{name}": one for name, one in settings.items()}}
    variables = {"inventory_hostname": "a", "ansible_play_hosts_all": ["a"], "hostvars": {"a": {}}}
    result = run_action(
        wanted_images, variables=variables, options=given, defaults=DEFAULTS,
        settings=[name for name in given if name != "pin_images_pool"],
        spec={name: {"type": "raw"} for name in given}, prefix="pin_images_",
    )  # fmt: skip
    if "wanted" not in result:
        return result
    (one,) = result["wanted"]
    assert one["nodes"] == ["a"]
    return {**result, **one}


class TestWantedImages:
    """wanted_images, for nodes that are set to the same; others are test_settings.py's."""

    def test_sets(self, run_action: RunAction) -> None:
        """The references of each pool; no lock."""
        result = wanted_of(run_action, sets=[SET], pool="edge")
        assert result["references"] == {"edge": [A, B]}
        assert result["wanted_by"] == "set base (entry 1 of the sets)"
        assert "failed" not in result
        assert (result["lock"], result["changed"]) == (None, False)

    def test_files_and_repeats(
        self, run_action: RunAction, tmp_path: Path, printed: list[str]
    ) -> None:
        """A path from a survey, and a warning for what stands there twice."""
        text = json.dumps({**SET, "images": [A, A]})
        (tmp_path / "base.json").write_text(text)
        result = wanted_of(run_action, sets="base.json", pool="edge")
        assert result["references"] == {"edge": [A]}
        assert printed == [f"[WARNING]: {tmp_path}/base.json: set 'base' names images twice: {A}"]

    def test_many_repeats(self, run_action: RunAction, printed: list[str]) -> None:
        """Five of them are named."""
        names = [f"example.com/{number}@{DIGEST}" for number in range(6)]
        wanted_of(run_action, sets=[{**SET, "images": names * 2}], pool="edge")
        (warning,) = printed
        assert warning.endswith(f"names images twice: {', '.join(names[:5])} and 1 more")

    def test_a_pool_that_no_set_names(self, run_action: RunAction) -> None:
        """It is refused, also where a set is for every pool; an empty one takes that set alone."""
        everyone = {**SET, "name": "all", "pool": None, "images": [B]}
        failed = wanted_of(run_action, sets=[SET, everyone], pool="egde")
        assert failed["failed"]
        assert "pool 'egde'" in failed["msg"]
        assert "pools: edge." in failed["msg"]
        for sets, pool in (([SET, everyone], ""), ([everyone], "egde")):
            assert wanted_of(run_action, sets=sets, pool=pool)["references"] == {pool: [B]}

    def test_lock(self, run_action: RunAction, tmp_path: Path) -> None:
        """A lock gives its sets and itself."""
        (tmp_path / "site.lock.yml").write_text(json.dumps(LOCK))
        result = wanted_of(run_action, lock="site.lock.yml", pool="edge")
        assert result["references"] == {"edge": [A, B]}
        assert result["lock"] == LOCK
        sha256 = hashlib.sha256(json.dumps(LOCK).encode()).hexdigest()
        assert result["wanted_by"] == f"lock {tmp_path}/site.lock.yml, SHA-256 {sha256}"

    def test_a_lock_and_other_sets(
        self, run_action: RunAction, tmp_path: Path, printed: list[str]
    ) -> None:
        """The lock counts; what the sets want beside it is named, as is that they cannot be read."""
        path = tmp_path / "site.lock.yml"
        path.write_text(json.dumps(LOCK))
        hotfix = f"example.com/hotfix@{DIGEST}"
        for sets in ([SET], [{**SET, "images": [A, hotfix]}], "nowhere.yml"):
            result = wanted_of(run_action, lock="site.lock.yml", sets=sets, pool="edge")
            assert result["references"] == {"edge": [A, B]}
        lacking, unreadable = printed
        assert f"the lock {path} counts, and lacks {hotfix} of pin_images_sets. Lock" in lacking
        assert unreadable.startswith("[WARNING]: reading 'nowhere.yml': there is no ")
        assert unreadable.endswith(f"{path} counts, and pin_images_sets was not compared with it.")

    @pytest.mark.parametrize("kind", ["value", "file"])
    def test_a_lock_and_its_checksum(
        self, tmp_path: Path, run_action: RunAction, kind: str
    ) -> None:
        """It is read when its content is that, and else nothing of it is said."""
        content = json.dumps(LOCK).encode()
        (tmp_path / "site.lock.yml").write_bytes(content)
        checksum = hashlib.sha256(content).hexdigest()
        if kind == "file":
            (tmp_path / "sums").write_text(f"{checksum}  site.lock.yml\n")
            checksum = "sums"
        options = {"lock": "site.lock.yml", "lock_checksum": checksum, "pool": "edge"}
        assert wanted_of(run_action, **options)["references"] == {"edge": [A, B]}
        (tmp_path / "site.lock.yml").write_bytes(content.replace(b"example", b"exarnple") + b"\xff")
        result = wanted_of(run_action, **options)
        assert result["failed"]
        assert "references" not in result
        assert result["msg"].startswith(f"checking {tmp_path}/site.lock.yml: its SHA-256 is ")

    def test_a_checksum_of_nothing(self, run_action: RunAction) -> None:
        """A forgotten lock must not turn the check off."""
        result = wanted_of(run_action, sets=[SET], lock_checksum="a" * 64, pool="edge")
        assert result["msg"] == (
            "pin_images_lock_checksum: there is no lock to check. Give pin_images_lock as well."
            " No node was touched."
        )

    def test_failure(self, run_action: RunAction) -> None:
        """In one line."""
        result = wanted_of(run_action, sets=[SET], pool="other")
        assert result["failed"] is True
        assert result["msg"].startswith("looking for the images of pool 'other': no set names that")


class Machine(FakeHost):
    """Files that are there, and a skopeo that is not."""

    def __init__(self) -> None:
        """Start with no command expected."""
        super().__init__()
        self.local = LocalControlHost()

    def read(self, path: str) -> str | None:
        """See Host."""
        return self.local.read(path)

    def exists(self, path: str) -> bool:
        """See Host."""
        return self.local.exists(path)

    def files_below(self, directory: str) -> tuple[str, ...]:
        """See Host."""
        return self.local.files_below(directory)

    def write_atomic(self, path: str, text: str, mode: int, scratch: str) -> None:
        """See Host."""
        self.events.append(("write", f"{path} {mode:o} by way of {scratch}"))
        self.local.write_atomic(path, text, mode, scratch)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Give the machine that locks, with a cache of its own."""
    one = Machine()
    monkeypatch.setattr(image_lock, "LocalControlHost", lambda: one)
    monkeypatch.setenv("XDG_CACHE_HOME", f"{tmp_path}-cache")
    yield one
    one.assert_all_called()


def a_set(*images: str, **more: Any) -> dict[str, Any]:
    """Return a plain set."""
    return {"name": "base", "pool": "edge", "images": list(images), **more}


def asked(*images: Image) -> list[Call]:
    """Return the questions for images of one platform."""
    return [call for one in images for call in (one.call(), one.config())]


class TestImageLock:
    """image_lock."""

    @pytest.fixture(autouse=True)
    def _machine(self, machine: Machine) -> None:
        self.machine = machine

    def lock(self, run_action: RunAction, **options: Any) -> dict[str, Any]:
        """Lock to l.yml one image by tag, whatever else is said."""
        options = {"sources": [{"images": ["example.com/app:v1"], "pool": "edge"}], **options}
        return run_action(image_lock, **{"path": "l.yml", **options})

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"path": ""}, "writing the lock: it has no path. Name one in pin_images_lock."),
            ({"platforms": ["amd64"]}, "platform 'amd64' in platforms: it is no platform"),
            ({"platforms": "{a: "}, "reading platforms: "),
            ({"platforms": 7}, "reading platforms: it is no list of platforms"),
            ({"platforms": {"control": [AMD]}}, "platforms of pool 'edge' of set 'base'"),
            ({"sets": []}, "there are none. Name one at least in pin_images_sets or"),
            ({"sources": "x: ["}, "reading pin_images_sources: "),
            ({"sources": "images"}, "reading pin_images_sources: it is 'images'. A list of sour"),
            ({"sources": [{"x": 1}]}, "reading entry 1 of pin_images_sources: it has no type"),
            ({"sources": [{"node": "n"}]}, "reading what node n holds: nobody looked at it"),
        ],
    )
    def test_refused(self, run_action: RunAction, options: dict[str, Any], said: str) -> None:
        """In one line, before any registry is asked."""
        result = run_action(image_lock, **{"sets": [a_set(A)], "path": "l.yml", **options})
        assert said in result["msg"]
        assert (result["failed"], result["changed"], result["unresolved"]) == (True, False, [])

    def test_written(self, run_action: RunAction, tmp_path: Path, printed: list[str]) -> None:
        """Once, by way of a file beside it; the second time nothing changes, nobody is asked."""
        self.machine.expect_in_any_order(*asked(APP, AGENT))
        sets = [a_set(APP.reference, AGENT.reference)]
        result = run_action(image_lock, sets=sets, path="l.yml")
        text = (tmp_path / "l.yml").read_text()
        assert text.startswith("---\n# Written by edgefleet.crio.image_lock: review it")
        assert (tmp_path / "l.yml").stat().st_mode & 0o777 == 0o644
        assert (result["changed"], result["images"], result["layers"]) == (True, 2, 1)
        assert (result["layer_bytes"], result["unresolved"], result["changes"]) == (10, [], None)
        assert result["totals"] == [
            {"pool": "edge", "platform": AMD, "images": 2, "layers": 1, "compressed_bytes": 10,
             "measured_layers": 0, "unpacked_bytes": 0}
        ]  # fmt: skip
        assert result["diff"] == {
            "before_header": "l.yml", "after_header": "l.yml", "before": "", "after": text,
        }  # fmt: skip
        total = "image_lock: edge, linux/amd64: 2 images, 1 layer, 10 bytes compressed"
        assert printed == [total, "image_lock: l.yml written"]
        assert [one.name for one in tmp_path.iterdir()] == ["l.yml"]
        write = ("write", f"{tmp_path}/l.yml 644 by way of {tmp_path}/.l.yml.new")
        assert self.machine.events.count(write) == 1
        again = run_action(image_lock, sets=sets, path="l.yml")
        assert (again["changed"], again["diff"]["before"], again["lock"]) == (
            False, text, result["lock"],
        )  # fmt: skip
        assert self.machine.events.count(write) == 1
        assert printed[2:] == [total, "image_lock: l.yml says so already, and stays as it is"]

    @pytest.mark.parametrize(
        ("total", "shown"), [(1, []), (31, [*range(3, 31, 3)]), (30, [*range(3, 30, 3)])]
    )
    def test_progress(
        self,
        run_action: RunAction,
        monkeypatch: pytest.MonkeyPatch,
        printed: list[str],
        total: int,
        shown: list[int],
    ) -> None:
        """A line for each tenth but the last, where that takes long."""
        monkeypatch.setattr(image_lock, "_PROGRESS_INTERVAL", 0.0)
        images = [manifest(f"app{number:02}", (DIGEST, 10)) for number in range(total)]
        self.machine.expect_in_any_order(*asked(*images))
        sets = [a_set(*(one.reference for one in images))]
        run_action(image_lock, sets=sets)
        assert printed == [f"image_lock: {done} of {total} images" for done in shown]
        # The second line has to wait.
        printed.clear()
        monkeypatch.setattr(image_lock, "_PROGRESS_INTERVAL", 5.0)
        clock = itertools.chain([0.0, 5.0], itertools.repeat(9.9))
        monkeypatch.setattr(image_lock.time, "monotonic", lambda: next(clock))
        run_action(image_lock, sets=sets)
        assert printed == [f"image_lock: {done} of {total} images" for done in shown[:1]]

    def test_a_tag_that_moved(
        self, run_action: RunAction, tmp_path: Path, printed: list[str]
    ) -> None:
        """What moved and what that costs is said and returned."""
        self.machine.expect(APP.call(tag="v1"), APP.config())
        first = self.lock(run_action)
        assert first["lock"]["images"][0]["tags"] == ["v1"]
        assert first["lock"]["sets"][0]["source"] == "images"
        printed.clear()
        self.machine.expect(NEW.call(tag="v1"), NEW.config())
        result = self.lock(run_action)
        assert result["changes"] == {
            "images_in": (), "images_out": (), "names": {}, "pools": (), "sets": (),
            "sets_in": (), "sets_out": (),
            "moved": ({"name": "example.com/app:v1", "before": APP.digest, "after": NEW.digest},),
            "transfers": ({"pool": "edge", "platform": AMD, "bytes_in": 2000, "bytes_out": 10},),
        }  # fmt: skip
        assert printed == [
            f"image_lock: moved example.com/app:v1: {APP.digest} -> {NEW.digest}",
            "image_lock: edge, linux/amd64: 2.0 kB to fetch, 10 bytes needed no more",
            "image_lock: edge, linux/amd64: 1 image, 1 layer, 2.0 kB compressed",
            "image_lock: l.yml written",
        ]
        assert NEW.digest in (tmp_path / "l.yml").read_text()

    def test_strings(self, run_action: RunAction) -> None:
        """Surveys and -e give strings: of paths, of YAML, of platforms."""
        arm = manifest("app", (DIGEST, 10), architecture="arm64")
        both = index("app", amd64=APP, arm64=arm)
        self.machine.expect(both.call(tag="v1"), APP.call(), arm.call(), both.call(tag="v1"))
        sources = "[{images: ['example.com/app:v1'], pool: edge}]"
        for platforms in ("linux/amd64, linux/arm64", "{edge: [linux/amd64, linux/arm64]}"):
            result = self.lock(run_action, sources=sources, platforms=platforms, path=None)
            assert list(result["lock"]["images"][0]["platforms"]) == [AMD, "linux/arm64"]

    def test_an_old_lock_that_is_damaged(
        self, run_action: RunAction, tmp_path: Path, printed: list[str]
    ) -> None:
        """As by a careless merge: it is replaced, and compared to nothing."""
        self.machine.expect(APP.call(tag="v1"), APP.config())
        self.lock(run_action)
        path, text = tmp_path / "l.yml", (tmp_path / "l.yml").read_text()
        path.write_text(text.replace("images:\n", "<<<<<<< HEAD\nimages:\n=======\n"))
        printed.clear()
        self.machine.expect(APP.call(tag="v1"))
        result = self.lock(run_action)
        assert (result["changed"], result["changes"], path.read_text()) == (True, None, text)
        assert printed[0].startswith("[WARNING]: reading l.yml: ")
        assert printed[0].endswith(" It must be YAML. What changes is not shown.")

    @pytest.mark.parametrize("text", ["", " \n"])
    def test_an_empty_file(self, run_action: RunAction, tmp_path: Path, text: str) -> None:
        """As mktemp leaves it: nothing is lost."""
        (tmp_path / "l.yml").write_text(text)
        self.machine.expect(APP.call(tag="v1"), APP.config())
        result = self.lock(run_action)
        assert (result["changed"], result["changes"]) == (True, None)

    @pytest.mark.parametrize("check_mode", [False, True])
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("---\n- hosts: edge\n  roles: [app]\n", "it is no lock"),
            ("all:\n  hosts: {n1: {}}\n", "it has no version, so it is no lock"),
            ("[edge]\nnode1\nnode2\n", "in line 2, column 1"),
            ('version: "3"\nservices: {}\n', "its version is '3'"),
            ("version: 1\nservices: {}\n", "it has the keys version, services"),
            ("version: 9\n", "it has version 9, this collection knows 1"),
            ("---\n# comment\n", "it is no lock"),
        ],
    )
    def test_a_path_of_something_else(
        self, run_action: RunAction, tmp_path: Path, check_mode: bool, text: str, why: str
    ) -> None:
        """It is refused, and stays as it is; nobody is asked."""
        (tmp_path / "l.yml").write_text(text)
        result = self.lock(run_action, check_mode=check_mode)
        assert (result["failed"], result["changed"]) == (True, False)
        said = "locking to l.yml: what lies there is no lock of this version, and stays as it is: "
        assert result["msg"].startswith(said)
        assert result["msg"].endswith(f"{why}. Correct pin_images_lock.")
        assert (tmp_path / "l.yml").read_text() == text

    def test_a_folder_that_is_not_there(self, run_action: RunAction, tmp_path: Path) -> None:
        """It may be a slip: nothing is made, and nobody is asked."""
        result = self.lock(run_action, path="slip/l.yml")
        assert result["msg"] == (
            f"locking to slip/l.yml: there is no folder {tmp_path}/slip."
            " Make it, or correct pin_images_lock."
        )
        assert not (tmp_path / "slip").exists()

    def test_a_damaged_lock_of_a_newer_version(self, run_action: RunAction, tmp_path: Path) -> None:
        """The newer collection may know better."""
        self.machine.expect(APP.call(tag="v1"), APP.config())
        self.lock(run_action)
        newer = (tmp_path / "l.yml").read_text().replace("version: 1", "version: 2") + "=======\n"
        (tmp_path / "l.yml").write_text(newer)
        result = self.lock(run_action)
        assert (result["failed"], (tmp_path / "l.yml").read_text()) == (True, newer)

    def test_unresolved(self, run_action: RunAction, tmp_path: Path, printed: list[str]) -> None:
        """All of them are named with their sets, and the old lock stays as it was."""
        (tmp_path / "l.yml").write_text(json.dumps(LOCK))
        self.machine.expect(
            inspect("--raw", "example.com/app:v1", stderr="manifest unknown"),
        ).expect(inspect("--raw", AGENT.reference, stderr="dial tcp: connection refused"))
        result = self.lock(run_action, sets=[a_set(AGENT.reference)])
        assert (result["failed"], result["changed"]) == (True, False)
        assert result["unresolved"] == [
            {"reference": "example.com/app:v1", "cause": "not_found", "sets": ("images",),
             "message": "manifest unknown"},
            {"reference": AGENT.reference, "cause": "unreachable", "sets": ("base",),
             "message": "dial tcp: connection refused"},
        ]  # fmt: skip
        lines = [
            "set images: example.com/app:v1: not_found: manifest unknown",
            f"set base: {AGENT.reference}: unreachable: dial tcp: connection refused",
        ]
        assert printed == [f"image_lock: {line}" for line in lines]
        assert result["msg"] == (
            f"locking the images: 2 could not be resolved: {lines[0]}; {AGENT.reference}."
            " Mend or remove them; the lock was not changed."
        )
        assert (tmp_path / "l.yml").read_text() == json.dumps(LOCK)

    def test_partial_without_a_file(self, run_action: RunAction, tmp_path: Path) -> None:
        """A lock for one run, of what could be resolved."""
        self.machine.expect_in_any_order(
            *asked(APP), inspect("--raw", AGENT.reference, stderr="manifest unknown")
        )
        sets = [a_set(APP.reference, AGENT.reference)]
        result = run_action(image_lock, check_mode=True, sets=sets, partial=True)
        assert [one["reference"] for one in result["lock"]["images"]] == [APP.reference]
        assert [one["reference"] for one in result["unresolved"]] == [AGENT.reference]
        assert (result["changed"], list(tmp_path.iterdir())) == (False, [])
        assert "failed" not in result
        assert "changes" not in result

    def test_check_mode(self, run_action: RunAction, tmp_path: Path, printed: list[str]) -> None:
        """What there is is verified at the registry, and what would change is told."""
        self.machine.expect(APP.call(tag="v1"), APP.config())
        self.lock(run_action)
        before = (tmp_path / "l.yml").read_text()
        self.machine.expect(APP.call(), APP.config(), NEW.call(tag="v1"), NEW.config())
        printed.clear()
        result = self.lock(run_action, check_mode=True)
        assert printed[0] == "image_lock: 1 of 1 image of l.yml answers as locked"
        assert printed[-1] == "image_lock: l.yml would be written"
        assert (result["changed"], len(result["changes"]["moved"])) == (True, 1)
        assert (tmp_path / "l.yml").read_text() == before

    def test_what_would_be_dropped_need_not_answer(
        self, run_action: RunAction, printed: list[str]
    ) -> None:
        """It is told, and so is what would change."""
        self.machine.expect(APP.call(tag="v1"), APP.config())
        self.lock(run_action)
        gone = inspect("--raw", APP.reference, stderr="manifest unknown")
        self.machine.expect(gone, NEW.call(tag="v1"), NEW.config())
        printed.clear()
        result = self.lock(run_action, check_mode=True)
        assert ("failed" in result, result["changed"], result["unresolved"]) == (False, True, [])
        line = f"set images: {APP.reference}: not_found: manifest unknown"
        assert printed[:3] == [
            "image_lock: 0 of 1 image of l.yml answers as locked",
            f"image_lock: does not answer as locked, and is no longer wanted: {line}",
            f"image_lock: moved example.com/app:v1: {APP.digest} -> {NEW.digest}",
        ]

    def test_what_is_wanted_still_must_answer(
        self, run_action: RunAction, printed: list[str]
    ) -> None:
        """By its digest, named once, or by a tag that does not answer either."""
        self.machine.expect(APP.call(tag="v1"))
        self.machine.expect_in_any_order(APP.config(), *asked(AGENT))
        sets = [a_set(AGENT.reference)]
        self.lock(run_action, sets=sets)
        refused = "dial tcp: connection refused"
        app, agent = (inspect("--raw", one.reference, stderr=refused) for one in (APP, AGENT))
        tag = inspect("--raw", "example.com/app:v1", stderr=refused)
        self.machine.expect_in_any_order(app, agent).expect(tag, agent)
        printed.clear()
        result = self.lock(run_action, check_mode=True, sets=sets)
        assert [one["reference"] for one in result["unresolved"]] == [
            AGENT.reference, APP.reference, "example.com/app:v1",
        ]  # fmt: skip
        assert result["failed"]
        assert not any("no longer wanted" in line for line in printed)

    def test_verified(self, run_action: RunAction, printed: list[str]) -> None:
        """Without sources, the lock alone; what answers no more is an error."""
        self.machine.expect(APP.call(tag="v1"), APP.config())
        self.lock(run_action)
        self.machine.expect(*asked(APP))
        printed.clear()
        result = run_action(image_lock, check_mode=True, path="l.yml")
        assert (result["changed"], result["images"], "failed" in result) == (False, 1, False)
        assert printed == [
            "image_lock: 1 of 1 image of l.yml answers as locked",
            "image_lock: edge, linux/amd64: 1 image, 1 layer, 10 bytes compressed",
        ]
        self.machine.expect(inspect("--raw", APP.reference, stderr="manifest unknown"))
        result = run_action(image_lock, check_mode=True, path="l.yml")
        line = f"set images: {APP.reference}: not_found: manifest unknown"
        assert result["msg"] == (
            f"verifying the lock l.yml: 1 did not answer as locked: {line}."
            " Mend them or lock again."
        )
        assert printed[2:] == [
            "image_lock: 0 of 1 image of l.yml answers as locked",
            f"image_lock: {line}",
        ]
        self.machine.expect(inspect("--raw", APP.reference, stderr="manifest unknown"))
        result = run_action(image_lock, check_mode=True, path="l.yml", partial=True)
        assert ("failed" in result, len(result["unresolved"])) == (False, 1)

    def test_verified_where_there_is_none(self, run_action: RunAction, tmp_path: Path) -> None:
        """Or something else: that is said of the file, and not of sources."""
        result = run_action(image_lock, check_mode=True, path="l.yml")
        assert result["msg"] == (
            f"reading the lock l.yml: there is no {tmp_path}/l.yml, and no source to make one from."
            " Correct pin_images_lock, or name what to lock in pin_images_sets or"
            " pin_images_sources."
        )
        (tmp_path / "l.yml").write_text("version: 9\n")
        result = run_action(image_lock, check_mode=True, path="l.yml")
        assert result["msg"].startswith("reading the lock l.yml: it has version 9")

    def test_progress_of_measuring(
        self, monkeypatch: pytest.MonkeyPatch, printed: list[str]
    ) -> None:
        """A line on the way where that takes long, and none at the end."""
        monkeypatch.setattr(image_lock, "_PROGRESS_INTERVAL", 0.0)
        progress = image_lock._measure_progress(
            {name: WantedLayer(f"example.com/{name}", 10, "") for name in "abc"}
        )
        for done in range(4):
            progress(done, 10 * done)
        assert printed == [
            "image_lock: 1 of 3 layers measured, 10 bytes of 30 bytes",
            "image_lock: 2 of 3 layers measured, 20 bytes of 30 bytes",
        ]

    def test_measured(
        self,
        run_action: RunAction,
        monkeypatch: pytest.MonkeyPatch,
        printed: list[str],
        tmp_path: Path,
    ) -> None:
        """Layers are measured when that is asked for; else what is locked or remembered counts."""
        given: list[Any] = []

        def measure(_host: Any, _skopeo: Any, wanted: Any, *more: Any) -> Measured:
            *folders, progress = more
            given.append((list(wanted), folders))
            progress(0, 0)
            progress(1, 10)
            return Measured({DIGEST: MEASURE}, ())

        monkeypatch.setattr(image_lock, "measure_layers", measure)
        monkeypatch.setattr(image_lock, "_PROGRESS_INTERVAL", 0.0)
        self.machine.expect(APP.call(tag="v1"), APP.config())
        result = self.lock(run_action, measure=True, keep_layers="kept")
        assert given == [([DIGEST], [f"{tmp_path}-cache/edgefleet-crio", f"{tmp_path}/kept"])]
        assert result["lock"]["layers"][DIGEST]["blocks"] == 100
        assert printed == [
            "image_lock: edge, linux/amd64: 1 image, 1 layer, 10 bytes compressed, 409.6 kB unpacked",
            "image_lock: l.yml written",
        ]
        self.machine.expect(APP.call(), APP.config(), APP.call(tag="v1"))
        again = self.lock(run_action, measure=True, check_mode=True)
        assert again["changed"] is False
        self.machine.expect(APP.call(tag="v1"))
        assert self.lock(run_action)["changed"] is False
        self.machine.expect(APP.call(tag="v1"))
        assert self.lock(run_action, measure=True)["changed"] is False
        assert [layers for layers, _folders in given] == [[DIGEST], []]

    def test_measured_before(self, run_action: RunAction) -> None:
        """What this controller once measured is in a lock that has no file, or is a new one."""
        cached = Path(f"{cache_folder()}/measures/2/{DIGEST[7:]}.json")
        cached.parent.mkdir(parents=True)
        cached.write_text(json.dumps(vars(MEASURE)))
        self.machine.expect(*asked(APP))
        for path in (None, "l.yml"):
            result = run_action(image_lock, sets=[a_set(APP.reference)], path=path)
            assert result["lock"]["layers"] == {DIGEST: {"size": 10, **vars(MEASURE)}}

    def test_nothing_is_fetched_for_half_a_lock(
        self, run_action: RunAction, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Layers are not measured for a lock that lacks images."""
        monkeypatch.setattr(image_lock, "measure_layers", lambda *_any: pytest.fail("fetched"))
        gone = inspect("--raw", AGENT.reference, stderr="manifest unknown")
        self.machine.expect_in_any_order(*asked(APP), gone)
        sets = [a_set(APP.reference, AGENT.reference)]
        result = run_action(image_lock, sets=sets, partial=True, measure=True)
        assert result["lock"]["layers"] == {DIGEST: {"size": 10}}

    def test_not_measured(self, run_action: RunAction, monkeypatch: pytest.MonkeyPatch) -> None:
        """A layer that is not what it should be is an error of its image."""
        failed = Unmeasured(DIGEST, APP.reference, "corrupt", "its gzip is damaged")
        monkeypatch.setattr(image_lock, "measure_layers", lambda *_any: Measured({}, (failed,)))
        self.machine.expect(APP.call(tag="v1"), APP.config())
        result = self.lock(run_action, measure=True)
        said = f"set images: {APP.reference}: corrupt: layer {DIGEST}: its gzip is damaged."
        assert said in result["msg"]


class TestLockChanges:
    """lock_changes."""

    def test_two_files(self, run_action: RunAction, tmp_path: Path, printed: list[str]) -> None:
        """In plain words, and as values."""
        (tmp_path / "a.yml").write_text(json.dumps(LOCK))
        (tmp_path / "b.yml").write_text(json.dumps({**LOCK, "images": LOCK["images"][:1]}))
        result = run_action(lock_changes, before="a.yml", after="b.yml")
        assert (result["changed"], result["changes"]["images_out"]) == (False, (B,))
        assert result["totals"][0]["images"] == 1
        total = "lock_changes: edge, linux/amd64: 1 image, 1 layer, 10 bytes compressed"
        assert printed == [f"lock_changes: out   {B}", total]
        printed.clear()
        run_action(lock_changes, before="b.yml", after="b.yml")
        assert printed == ["lock_changes: nothing changed", total]

    def test_failure(self, run_action: RunAction) -> None:
        """In one line."""
        result = run_action(lock_changes, before="a.yml", after="b.yml")
        assert result["failed"] is True
        assert result["msg"].startswith("reading 'a.yml': there is no ")

    @pytest.mark.parametrize(
        ("locks", "said"),
        [
            (("", "b.yml"), "pin_images_lock_before is not set. Name the older lock in it."),
            (("a.yml", ""), "pin_images_lock is not set. Name the newer lock in it."),
        ],
    )
    def test_a_variable_that_nobody_set(
        self, run_action: RunAction, locks: tuple[str, str], said: str
    ) -> None:
        """The playbook gives an empty path then."""
        before, after = locks
        result = run_action(lock_changes, before=before, after=after)
        assert (result["failed"], result["msg"]) == (True, f"comparing the locks: {said}")


class TestPinReport:
    """pin_report."""

    def variables(self) -> dict[str, Any]:
        """Return the variables of a play of two nodes, of which one went away."""
        converged = {"converged": True, "wanted": 1}
        return {
            "ansible_play_hosts_all": ["n1", "n2"],
            "ansible_play_hosts": ["n1"],
            "hostvars": {
                "n1": {"look": converged},
                "n2": {"fail": {"msg": "after"}, "look": {"unreachable": True, "msg": "x"}},
            },
        }

    def test_lines_and_document(
        self,
        run_action: RunAction,
        tmp_path: Path,
        printed: list[str],
        written: list[tuple[str, int, str]],
    ) -> None:
        """Both nodes are there, on the screen and in the file, and what they were held against."""
        told = {"wanted_by": "set base", "references": {"edge": [A]}}
        read = {"wanted": [{**told, "nodes": ["n2"]}, {**told, "nodes": ["n1"]}]}
        result = run_action(
            pin_report, variables={**self.variables(), "read": read}, steps=["look"],
            failure="fail", path="run.json", wanted="read",
        )  # fmt: skip
        assert printed[0] == "wanted by set base"
        assert printed[-3] == "1 converged, 1 unreachable"
        text = (tmp_path / "run.json").read_text()
        held_against = [{"wanted_by": "set base", "nodes": ["n1", "n2"]}]
        document = {
            "ended": result["ended"], "check_mode": False, "held_against": held_against,
            "nodes": result["nodes"],
        }  # fmt: skip
        assert text == json.dumps(document, indent=2) + "\n"
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
            "ansible_play_hosts": ["n1"],
            "hostvars": {"n1": {"look": {"converged": False, "wanted": 1}}},
        }
        result = run_action(
            pin_report, check_mode=check_mode, variables=variables, steps=["look"], failure="fail"
        )
        assert result["nodes"]["n1"]["state"] == state
        assert list(tmp_path.iterdir()) == []

    def test_what_ended_the_run_beside_the_look(self, run_action: RunAction) -> None:
        """Without the name of a variable with it, it stands in the first step's result."""
        look = {"converged": True, "wanted": 1, "ended_by": {"msg": "the disk is full"}}
        variables = {
            "ansible_play_hosts_all": ["n1"],
            "ansible_play_hosts": [],
            "hostvars": {"n1": {"look": look}},
        }
        node = run_action(pin_report, variables=variables, steps=["look"])["nodes"]["n1"]
        assert (node["state"], node["message"]) == ("failed", "the disk is full")

    def test_all_keys_are_documented(self, run_action: RunAction) -> None:
        """Those of the document, of a node, and of an image."""
        variables = self.variables()
        image = {
            "reference": A,
            "outcome": "failed",
            "cause": "unknown",
            "message": "",
            "attempts": 1,
        }
        variables["hostvars"]["n1"] = {
            "look": {"converged": False, "wanted": 1, "missing": [A]},
            "image_pull_result": {"images": [image]},
        }
        steps = ["look", "image_pull_result"]
        result = run_action(pin_report, variables=variables, steps=steps, failure="fail")
        documented = yaml.safe_load(pin_report_document.RETURN)
        of_node = documented["nodes"]["contains"]
        assert set(result) - {"changed", "failed"} == set(documented)
        assert set(result["nodes"]["n1"]) == set(of_node)
        assert set(result["nodes"]["n1"]["images"][0]) == set(of_node["images"]["contains"])

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

    def test_a_folder_that_is_not_there(
        self, run_action: RunAction, printed: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is named and not made; ``~`` is a home."""
        monkeypatch.setenv("HOME", f"{Path.cwd()}/home")
        result = run_action(
            pin_report, variables=self.variables(), steps=["look"], failure="fail", path="~/r.json"
        )
        assert printed[-3] == "1 converged, 1 unreachable"
        where = f"{Path.cwd()}/home"
        assert result["msg"] == (
            f"writing {where}/r.json: there is no folder {where}. Make it first."
        )
        assert not Path(where).exists()

    def test_nodes_whose_turn_is_to_come(self, run_action: RunAction, printed: list[str]) -> None:
        """With serial, a batch reports on itself and those before; who left the play is told."""
        variables = {
            "ansible_play_hosts_all": ["n1", "n2", "n3"],
            "ansible_play_hosts": ["n1", "n3"],
            "hostvars": {"n1": {"look": {"converged": True, "wanted": 1}}, "n2": {}, "n3": {}},
        }
        run_action(pin_report, variables=variables, steps=["look"], failure="fail")
        assert printed == [
            "n1  converged     1 image present and pinned",
            "n2  failed        it was never asked; see the messages above",
            "1 converged, 1 failed",
            "1 of 2 nodes are whole.",
            "Needs a person: n2.",
        ]


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


def test_where_things_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the XDG Base Directory Specification says; a relative path does not count."""
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert cache_folder() == "/c/edgefleet-crio"
    for relative in ("", "c"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert cache_folder() == "/home/u/.cache/edgefleet-crio"


def test_standard_input() -> None:
    """That of the process above this one."""
    assert standard_input() == f"/proc/{os.getppid()}/fd/0"


@pytest.mark.parametrize(
    ("value", "structured"),
    [([1], [1]), (None, None), ("", None), ("[{a: 1}]", [{"a": 1}]), ('{"a": 1}', {"a": 1})],
)
def test_structures_from_strings(value: Any, structured: Any) -> None:
    """YAML and JSON."""
    assert structure(value, "x") == structured


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        (None, []),
        ("", []),
        ("a.yml", ["a.yml"]),
        ("a.yml, b/\n c.yml,", ["a.yml", "b/", "c.yml"]),
        (["a, b"], ["a, b"]),
        ("~/a.yml,b~", ["/home/ops/a.yml", "b~"]),
        (["~/a.yml"], ["/home/ops/a.yml"]),
        ((1,), [1]),
        (SET, [SET]),
        (json.dumps(SET), [SET]),
        (json.dumps([SET, "~/a.yml"]), [SET, "/home/ops/a.yml"]),
        ("---\nname: a\n---\nname: b\n", [{"name": "a"}, {"name": "b"}]),
        ("- a.yml\n- b.yml\n", ["a.yml", "b.yml"]),
        ("{a, b", ["{a", "b"]),
    ],
)
def test_lists_from_strings(
    monkeypatch: pytest.MonkeyPatch, value: Any, entries: list[Any]
) -> None:
    """Surveys and -e give strings; a home may begin a path."""
    monkeypatch.setenv("HOME", "/home/ops")
    assert source_list(value) == entries


def test_sets_of_missing() -> None:
    """One for each pool that lacks something; nodes of no pool lack what every pool takes."""
    take = sets_of_missing.FilterModule().filters()["sets_of_missing"]
    wanted = {"edge": [A, B], "control": [A], "": [B]}
    assert take(wanted, [A, "other"]) == [
        {"name": "missing-edge", "pool": "edge", "images": [A]},
        {"name": "missing-control", "pool": "control", "images": [A]},
    ]
    assert take(wanted, [B])[1] == {"name": "missing", "pool": None, "images": [B]}
    assert take(wanted, []) == []
