# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules: the same keys on every path, check mode, diff, and failures in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pull import (
    PullResult,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.pull_run import (
    PullPolicy,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.reload import (
    Difference,
    ReloadResult,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.storage import (
    StorageAnswer,
    StorageLimits,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.budget import (
    StorageBudget,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.decisions.pinned_share import (
    PinnedShare,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import (
    render_drop_in,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.locked_images import (
    LockedImages,
    LockedLayer,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.node.reading_host import HostError
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.filesystem import Filesystem
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.process import RunningProcess
from ansible_collections.edgefleet.crio.plugins.modules import (
    crio_pinned_file,
    crio_reload,
    image_content,
    image_content_info,
    image_store_info,
    node_storage_check,
    pinned_image_set,
    pinned_image_set_info,
)
from unit.content_host import FakeContentHost
from unit.fake_host import (
    CONF_D,
    CRICTL,
    CRIO,
    DROP_IN,
    IMAGES_JSON,
    JOURNAL,
    LAYERS_JSON,
    STORE,
    FakeHost,
    check_config,
    containers,
    crictl,
    crio_version,
    daemon_down,
    images,
    images_json,
    pins_of,
    running_version,
    service,
    status_config,
)

RunModule = Callable[..., dict[str, Any]]
A, B = (f"example.com/{name}@sha256:{name * 64}" for name in "ab")
COPY = "/run/edgefleet-crio/crio.conf.d"


LOCKED = {
    "images": [{"reference": A, "layers": ["d"]}],
    "layers": [{"digest": "d", "size": 1000}],
}
DEAD = "/var/tmp/container_images_storage7"
PULL_KEYS = {"images", "plan", "leftovers", "download_bytes"}
FILE_KEYS = {"path", "references", "merged", "kept", "withdrawn", "overridden_by", "overrides"}
STORAGE_KEYS = {
    "fits", "objection", "missing_layers", "unmeasured_layers", "guessed_bytes", "download_bytes",
    "pinned", "removable", "leftovers", "filesystems",
}  # fmt: skip
INFO_KEYS = {"converged", "wanted", "deviations", "missing", "removable", "platform"}
BY_ANSIBLE = {
    "invocation", "failed", "msg", "cmd", "rc", "stdout", "stderr", "changed", "diff",
}  # fmt: skip


def keys(result: dict[str, Any]) -> set[str]:
    """Return the keys that a module promises."""
    return set(result) - BY_ANSIBLE


class Stopped(Exception):
    """Stands in for what comes after a module's options are known."""


@pytest.mark.parametrize(
    "module",
    [
        crio_pinned_file,
        crio_reload,
        image_content,
        image_content_info,
        image_store_info,
        node_storage_check,
        pinned_image_set,
        pinned_image_set_info,
    ],
)
def test_options_are_those_of_the_documentation(
    monkeypatch: pytest.MonkeyPatch,
    documented_options: Callable[[Any], dict[str, Any]],
    module: Any,
) -> None:
    """By name, type, choices, default and necessity, and all of them know check mode."""
    given: dict[str, Any] = {}

    def stop(**options: Any) -> None:
        given.update(options)
        raise Stopped

    monkeypatch.setattr(module, "AnsibleModule", stop)
    with pytest.raises(Stopped):
        module.main()
    assert given["argument_spec"] == documented_options(module)
    assert given["supports_check_mode"] is True


@pytest.mark.parametrize(
    ("name", "promised"),
    [
        (
            "crio_pinned_file",
            {
                "path": DROP_IN, "references": [], "merged": [], "kept": [], "withdrawn": [],
                "overridden_by": [], "overrides": [],
            },
        ),
        ("crio_reload", {"action": "none", "unpinned": [], "stale": []}),
        ("pinned_image_set", {"images": [], "plan": [], "leftovers": [], "download_bytes": 0}),
        (
            "pinned_image_set_info",
            {
                "converged": False, "wanted": 1, "deviations": [], "missing": [], "removable": [],
                "platform": "",
            },
        ),
    ],
)  # fmt: skip
def test_a_reference_without_a_digest(
    run_module: RunModule, name: str, promised: dict[str, Any]
) -> None:
    """It is refused before the node is looked at, with every key that is promised."""
    result = run_module(name, references=["example.com/a:v1"])
    assert result["msg"].startswith("image reference 'example.com/a:v1' in references: ")
    assert result["failed"] is True
    assert {key: result[key] for key in keys(result)} == promised


@pytest.mark.parametrize(
    ("name", "options", "doing"),
    [
        ("crio_pinned_file", {"references": [A]}, "writing the drop-in"),
        ("crio_reload", {"references": [A]}, "reloading CRI-O"),
        ("node_storage_check", {"locked": LOCKED}, "checking the storage"),
        ("pinned_image_set", {"references": [A]}, "pulling images"),
        ("pinned_image_set", {"references": [A], "state": "absent"}, "removing images"),
        ("pinned_image_set_info", {"references": [A]}, "looking at the node"),
    ],
)
def test_not_root(
    host: FakeHost, run_module: RunModule, name: str, options: dict[str, Any], doing: str
) -> None:
    """Every module says what is needed before it asks anything of the node."""
    host.root = False
    host.programs.clear()
    result = run_module(name, **options)
    assert result["msg"] == f"{doing}: this needs root. Set become: true."
    assert result["failed"] is True
    assert host.events == []


class TestPinnedFile:
    """crio_pinned_file."""

    def test_present(self, host: FakeHost, run_module: RunModule) -> None:
        """The file, the diff, and what the neighbours do."""
        host.files[f"{CONF_D}/60-x"] = 'pinned_images = ["x"]'
        host.files[f"{CONF_D}/40-x"] = 'pinned_images = ["x"]'
        host.files[DROP_IN] = render_drop_in([B])
        neighbours = (pins_of(f"{CONF_D}/40-x", ["x"]), pins_of(f"{CONF_D}/60-x", ["x"]))
        host.expect(crio_version(), *neighbours, check_config(COPY))
        result = run_module("crio_pinned_file", references=[A], on_conflict="merge")
        assert keys(result) == FILE_KEYS
        assert result["changed"] is True
        assert (result["references"], result["withdrawn"]) == ([A], [B])
        assert result["merged"] == ["x"]
        assert result["overridden_by"] == [f"{CONF_D}/60-x"]
        assert result["overrides"] == [f"{CONF_D}/40-x"]
        assert host.files[DROP_IN] == render_drop_in([A, "x"])
        assert result["diff"] == {
            "before_header": DROP_IN, "after_header": DROP_IN,
            "before": f'[crio]\n  [crio.image]\n    pinned_images = [\n      "{B}",\n    ]\n',
            "after": f'[crio]\n  [crio.image]\n    pinned_images = [\n      "{A}",\n      "x",\n    ]\n',
        }  # fmt: skip

    def test_no_diff_unless_asked(self, host: FakeHost, run_module: RunModule) -> None:
        """Ansible shows every diff that is returned where it shows any."""
        host.expect(crio_version(), check_config(COPY))
        assert "diff" not in run_module("crio_pinned_file", references=[A], _ansible_diff=False)

    def test_staged(self, host: FakeHost, run_module: RunModule) -> None:
        """What is kept is named."""
        host.files[DROP_IN] = render_drop_in([B])
        host.expect(crio_version(), check_config(COPY))
        result = run_module("crio_pinned_file", state="staged", references=[A])
        assert (result["references"], result["kept"]) == ([A, B], [B])

    def test_check_mode_and_idempotence(self, host: FakeHost, run_module: RunModule) -> None:
        """Check mode predicts; what is right is not changed."""
        host.expect(crio_version(), check_config("/run/edgefleet-crio-check-4711/crio.conf.d"))
        predicted = run_module("crio_pinned_file", check_mode=True, references=[A])
        assert (predicted["changed"], keys(predicted)) == (True, FILE_KEYS)
        assert predicted["diff"]["before"] == ""
        assert f'\n      "{A}",\n' in predicted["diff"]["after"]
        assert host.files == {}
        host.expect(crio_version())
        result = run_module("crio_pinned_file", state="absent")
        assert (result["changed"], result["diff"]["after"]) == (False, "")

    def test_failure(self, host: FakeHost, run_module: RunModule) -> None:
        """The same keys, and the command that failed."""
        host.expect(crio_version(), check_config(COPY, rc=1, stderr="level=fatal msg=x"))
        result = run_module("crio_pinned_file", references=[A])
        assert result["failed"]
        assert keys(result) == FILE_KEYS
        assert result["cmd"] == [CRIO, "--config", "", "--config-dir", COPY, "config"]
        assert (result["rc"], result["stderr"]) == (1, "level=fatal msg=x")

    @pytest.mark.parametrize("state", ["present", "staged"])
    def test_references_are_needed(self, run_module: RunModule, state: str) -> None:
        """Only absent goes without."""
        result = run_module("crio_pinned_file", state=state)
        assert result["msg"] == f"state is {state} but all of the following are missing: references"


class TestPinnedImageSet:
    """pinned_image_set."""

    def test_present(self, host: FakeHost, run_module: RunModule) -> None:
        """An outcome for each image."""
        host.files[IMAGES_JSON] = images_json([A, B])
        host.expect(status_config(), images([A]), crictl("pull", B), images([A, B]))
        locked = {**LOCKED, "images": [{"reference": B, "layers": ["d"]}]}
        result = run_module("pinned_image_set", references=[B, A], locked=locked)
        assert result["changed"] is True
        assert keys(result) == PULL_KEYS
        assert result["images"] == [
            {"reference": A, "outcome": "present", "cause": "", "message": "", "attempts": 0, "seconds": 0.0, "bytes": 0},
            {"reference": B, "outcome": "pulled", "cause": "", "message": "", "attempts": 1, "seconds": 0.0, "bytes": 1000},
        ]  # fmt: skip

    def test_nothing_to_do(self, host: FakeHost, run_module: RunModule) -> None:
        """No change."""
        host.files[IMAGES_JSON] = images_json([A])
        host.expect(status_config(), images([A]))
        assert run_module("pinned_image_set", references=[A])["changed"] is False

    def test_no_room(self, host: FakeHost, run_module: RunModule) -> None:
        """Nothing is begun on a disk that is full, unless the kubelet's threshold may be ignored."""
        host.files["/var/lib/kubelet/config.yaml"] = (
            "imageGCHighThresholdPercent: 50\nevictionHard: {}\n"
        )
        room = Filesystem(STORE, 1, 1000 * 2**30, 100 * 2**30, 10**6, 10**6)
        host.rooms = {STORE: room, "/var/tmp": room, "/var/lib/kubelet": room}
        look = (status_config(), images())
        host.expect(*look, images())
        result = run_module("pinned_image_set", references=[A], locked=LOCKED)
        (outcome,) = result["images"]
        assert (outcome["cause"], outcome["attempts"]) == ("no_space", 0)
        assert "imageGCHighThresholdPercent" in outcome["message"]
        host.files[IMAGES_JSON] = images_json([A])
        host.expect(*look, crictl("pull", A), images([A]))
        result = run_module(
            "pinned_image_set", references=[A], locked=LOCKED, allow_pins_above_gc_threshold=True
        )
        assert "failed" not in result

    def test_failed_images(self, host: FakeHost, run_module: RunModule) -> None:
        """The message names the first one; what was pulled is a change all the same."""
        host.files[IMAGES_JSON] = images_json([B])
        failed = crictl("pull", A, rc=1, stderr='level=fatal msg="manifest unknown"')
        host.expect(status_config(), images(), failed, crictl("pull", B), images([B]))
        result = run_module("pinned_image_set", references=[A, B], max_parallel=1)
        assert result["failed"]
        assert result["changed"] is True
        assert result["msg"] == (
            f"1 of 2 images failed (not_found): {A}: manifest unknown."
            " The others were done; run again when the cause is mended."
        )
        assert [one["outcome"] for one in result["images"]] == ["failed", "pulled"]
        assert keys(result) == PULL_KEYS

    def test_a_failure_leaves_out_what_is_present(
        self, host: FakeHost, run_module: RunModule
    ) -> None:
        """Ansible prints all that a task returns when it fails."""
        host.files[IMAGES_JSON] = images_json([B])
        failed = crictl("pull", A, rc=1, stderr='level=fatal msg="manifest unknown"')
        host.expect(status_config(), images([B]), failed, images([B]))
        result = run_module("pinned_image_set", references=[A, B], locked=LOCKED)
        assert [one["reference"] for one in result["images"]] == [A]
        assert result["plan"] == []
        assert result["download_bytes"] == 1000
        assert keys(result) == PULL_KEYS

    def test_causes_are_sorted(self, host: FakeHost, run_module: RunModule) -> None:
        """Each once; failures alone are no change."""
        said = {
            "a": "unauthorized", "b": "manifest unknown", "c": "x509: certificate", "d": "unauthorized",
        }  # fmt: skip
        names = {one: f"example.com/{one}@sha256:{one * 64}" for one in said}
        failed = [crictl("pull", names[one], rc=1, stderr=why) for one, why in said.items()]
        host.expect(status_config(), images(), *failed, images())
        result = run_module("pinned_image_set", references=[*names.values()], max_parallel=1)
        assert result["msg"].startswith(
            f"4 of 4 images failed (not_found, tls, unauthorized): {A}: unauthorized. "
        )
        assert (result["failed"], result["changed"]) == (True, False)

    def test_check_mode(self, host: FakeHost, run_module: RunModule) -> None:
        """What would be pulled is a change; nothing is pulled or written."""
        host.expect(status_config(), images())
        result = run_module("pinned_image_set", check_mode=True, references=[A], locked=LOCKED)
        assert result["plan"] == [{"reference": A, "bytes": 1000}]
        assert result["download_bytes"] == 1000
        assert (result["changed"], keys(result)) == (True, PULL_KEYS)
        assert [one["outcome"] for one in result["images"]] == ["would_pull"]
        assert host.files == {}

    def test_absent(self, host: FakeHost, run_module: RunModule) -> None:
        """Only what we pinned goes; in check mode nothing does."""
        host.files[IMAGES_JSON] = images_json([A, B])
        host.files[JOURNAL] = f'{{"event": "pin", "phase": "before", "added": ["{A}"]}}\n'
        look = (status_config(), images([A, B]), containers())
        host.expect(*look)
        predicted = run_module("pinned_image_set", check_mode=True, state="absent", references=[])
        assert [one["outcome"] for one in predicted["images"]] == ["would_remove"]
        assert predicted["changed"] is True
        host.expect(*look, crictl("rmi", A))
        result = run_module("pinned_image_set", state="absent", references=[])
        assert [one["outcome"] for one in result["images"]] == ["removed"]

    def test_what_dead_pulls_left(self, host: FakeHost, run_module: RunModule) -> None:
        """Removing it is a change, and predicted; what cannot be removed is none."""
        host.files.update(
            {IMAGES_JSON: images_json([A]), f"{DEAD}/1": "12345", "/run/crio/crio.sock": ""}
        )
        host.times["/run/crio/crio.sock"] = 900.0
        host.running = [RunningProcess(46, "crio", 900.0)]
        host.expect(*[status_config(), images([A])] * 3)
        predicted = run_module("pinned_image_set", check_mode=True, references=[A])
        done = run_module("pinned_image_set", references=[A])
        again = run_module("pinned_image_set", references=[A])
        leftover = {"path": DEAD, "bytes": 5, "outcome": "removed", "message": ""}
        assert (done["changed"], done["leftovers"]) == (True, [leftover])
        assert predicted["changed"]
        assert predicted["leftovers"] == [{**leftover, "outcome": "found"}]
        assert (again["changed"], again["leftovers"]) == (False, [])

    def test_what_cannot_be_looked_for(
        self, host: FakeHost, run_module: RunModule, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is told and no change."""

        def fail(directory: str) -> None:
            raise HostError(f"reading {directory}", "Input/output error")

        monkeypatch.setattr(host, "entries", fail)
        host.files[IMAGES_JSON] = images_json([A])
        host.expect(status_config(), images([A]))
        result = run_module("pinned_image_set", references=[A])
        (left,) = result["leftovers"]
        assert (result["changed"], left["outcome"]) == (False, "left")

    def test_what_stays_is_no_change(self, host: FakeHost, run_module: RunModule) -> None:
        """A container uses it."""
        host.files[IMAGES_JSON] = images_json([A])
        host.files[JOURNAL] = f'{{"event": "pin", "phase": "before", "added": ["{A}"]}}\n'
        host.expect(status_config(), images([A]), containers(A))
        result = run_module("pinned_image_set", state="absent", references=[])
        assert (result["changed"], result["images"][0]["outcome"]) == (False, "left")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"max_parallel": 0}, "option max_parallel: 0 is too small. At least 1."),
            ({"min_free_bytes": -1}, "option min_free_bytes: -1 is too small. At least 0."),
            ({"retries": -1}, "option retries: -1 is too small. At least 0."),
            ({"retry_delay": -0.5}, "option retry_delay: -0.5 is too small. At least 0."),
            ({"pull_stall_timeout": -1}, "option pull_stall_timeout: -1 is too small. At least 0."),
        ],
    )
    def test_bad_options(self, run_module: RunModule, options: dict[str, Any], said: str) -> None:
        """They are refused before anything is done."""
        result = run_module("pinned_image_set", references=[A], **options)
        assert (result["msg"], result["images"]) == (said, [])
        assert result["failed"] is True

    @pytest.mark.parametrize(
        "options",
        [{}, {"retries": 1, "retry_delay": 3, "max_parallel": 2, "pull_stall_timeout": 9}],
    )
    def test_policy(
        self, monkeypatch: pytest.MonkeyPatch, run_module: RunModule, options: dict[str, Any]
    ) -> None:
        """What the options say is what the pull goes by; the smallest values are allowed."""
        seen: list[PullPolicy] = []

        def pull(_host: Any, _wanted: Any, policy: PullPolicy, *_more: Any) -> PullResult:
            seen.append(policy)
            return PullResult()

        monkeypatch.setattr(pinned_image_set, "pull_missing", pull)
        run_module("pinned_image_set", references=[A], **options)
        least = {"retries": 0, "retry_delay": 0, "max_parallel": 1, "pull_stall_timeout": 0}
        run_module("pinned_image_set", references=[A], **least)
        given = {"retries": 4, "retry_delay": 1.0, "max_parallel": 12, "pull_stall_timeout": 120}
        given = {**given, **options}
        given["stall_timeout"] = given.pop("pull_stall_timeout")
        assert seen == [PullPolicy(**given), PullPolicy(0, 0.0, 1, 0)]

    def test_no_daemon(self, host: FakeHost, run_module: RunModule) -> None:
        """The command that failed comes with the message."""
        host.expect(daemon_down())
        result = run_module("pinned_image_set", references=[A])
        assert result["msg"].startswith("asking CRI-O for its configuration: connection error")
        assert result["cmd"] == [CRIO, "status", "config"]
        assert (result["rc"], result["stdout"]) == (1, "")
        assert (keys(result), result["images"]) == (PULL_KEYS, [])


class TestReload:
    """crio_reload."""

    def test_reload(self, host: FakeHost, run_module: RunModule) -> None:
        """What made it necessary is returned."""
        host.files.update({IMAGES_JSON: images_json([A]), DROP_IN: render_drop_in([A])})
        host.expect(
            *[status_config(), images([A])] * 2, running_version(), check_config(CONF_D),
            service("reload"), status_config([A]), images([A], [A]),
        )  # fmt: skip
        result = run_module("crio_reload", references=[A])
        assert keys(result) == {"action", "unpinned", "stale"}
        assert (result["changed"], result["action"]) == (True, "reload")
        assert (result["unpinned"], result["stale"]) == ([A], [])

    def test_in_force(self, host: FakeHost, run_module: RunModule) -> None:
        """Nothing to do."""
        host.files.update({IMAGES_JSON: images_json([A]), DROP_IN: render_drop_in([A])})
        host.expect(status_config([A]), images([A], [A]))
        result = run_module("crio_reload", references=[A])
        assert (result["changed"], result["action"]) == (False, "none")

    def test_check_mode(self, host: FakeHost, run_module: RunModule) -> None:
        """It says what would be done, and does not do it."""
        host.files[IMAGES_JSON] = images_json([A])
        differs = [status_config(), images([A])]
        host.expect(*differs * 2, running_version(), check_config(CONF_D))
        result = run_module("crio_reload", check_mode=True, references=[A])
        assert keys(result) == {"action", "unpinned", "stale"}
        assert (result["changed"], result["action"]) == (True, "reload")
        assert JOURNAL not in host.files

    @pytest.mark.parametrize(
        ("options", "given"),
        [
            ({}, (DROP_IN, [A], False, 60, False)),
            (
                {"path": "/x/50-y", "allow_restart": True, "wait_timeout": 5, "check_mode": True},
                ("/x/50-y", [A], True, 5, True),
            ),
        ],
    )
    def test_options(
        self,
        monkeypatch: pytest.MonkeyPatch,
        run_module: RunModule,
        options: dict[str, Any],
        given: tuple[Any, ...],
    ) -> None:
        """Each reaches what it is for; by default nothing is restarted."""
        seen: list[tuple[Any, ...]] = []

        def take(_host: Any, path: str, references: Any, *rest: Any) -> ReloadResult:
            seen.append((path, list(references), *rest))
            return ReloadResult("restart", Difference(("u",), ("s",), ("n",)))

        monkeypatch.setattr(crio_reload, "take_configuration", take)
        result = run_module("crio_reload", references=[A], **options)
        assert seen == [given]
        assert (result["changed"], result["unpinned"], result["stale"]) == (True, ["u"], ["s"])

    def test_failure(self, host: FakeHost, run_module: RunModule) -> None:
        """The same keys, and the command that failed."""
        host.expect(daemon_down())
        result = run_module("crio_reload", references=[A])
        assert result["failed"]
        assert keys(result) == {"action", "unpinned", "stale"}
        assert (result["action"], result["unpinned"], result["stale"]) == ("none", [], [])
        assert (result["cmd"], result["rc"]) == ([CRIO, "status", "config"], 1)


class TestStorageCheck:
    """node_storage_check."""

    def test_fits(self, host: FakeHost, run_module: RunModule) -> None:
        """Every number."""
        host.expect(status_config())
        result = run_module("node_storage_check", locked=LOCKED)
        assert keys(result) == STORAGE_KEYS
        assert (result["fits"], result.get("changed", False)) == (True, False)
        assert (result["objection"], result["removable"]) == ("", [])
        assert (result["missing_layers"], result["unmeasured_layers"]) == (1, 1)
        assert result["guessed_bytes"] == 8192
        assert result["download_bytes"] == 1000
        assert result["pinned"] == {
            "present_bytes": 0, "missing_bytes": 60928, "total_bytes": 10**12,
            "threshold_bytes": 0, "threshold_source": "", "above_threshold": False,
        }  # fmt: skip
        assert result["filesystems"] == [
            {
                "path": "/var/lib/containers/storage", "kind": "", "uses": ["images", "temporary"],
                "have_bytes": 10**12, "need_bytes": 70175, "image_bytes": 60928,
                "margin_bytes": 1055, "in_flight_bytes": 8192, "guessed_bytes": 8192,
                "keep_bytes": 2**30, "keep_source": "min_free_bytes", "missing_bytes": 0,
                "have_inodes": 10**6, "need_inodes": 16, "image_inodes": 13, "keep_inodes": 0,
                "keep_inodes_source": "min_free_bytes", "missing_inodes": 0,
                "reserves": [{"source": "min_free_bytes", "bytes": 2**30, "inodes": 0}],
            }
        ]  # fmt: skip

    def test_does_not_fit(self, host: FakeHost, run_module: RunModule) -> None:
        """It fails, unless told to only report; the same keys on both."""
        for _run in range(2):
            host.expect(status_config(), images(["spare"]), containers())
        host.files[IMAGES_JSON] = '[{"id": "id of spare", "names": ["spare"], "layer": "l"}]'
        host.files[LAYERS_JSON] = '[{"id": "l", "diff-size": 77}]'
        result = run_module("node_storage_check", locked=LOCKED, min_free_bytes=10**12)
        assert result["failed"]
        assert keys(result) == STORAGE_KEYS
        assert result["msg"].startswith("checking the storage: on the filesystem of /var/lib/")
        assert result["msg"] == f"checking the storage: {result['objection']}. Nothing was pulled."
        assert (
            "missing 70.2 kB; removing what nothing pins or uses would free 77 bytes"
            in result["msg"]
        )
        assert result["removable"] == [{"name": "spare", "bytes": 77}]
        report = run_module(
            "node_storage_check", locked=LOCKED, min_free_bytes=10**12, fail_on_shortage=False
        )
        assert report["fits"] is False
        assert {key: report[key] for key in STORAGE_KEYS} == {
            key: result[key] for key in STORAGE_KEYS
        }

    def test_every_shortage_is_named(self, host: FakeHost, run_module: RunModule) -> None:
        """One line for two filesystems."""
        host.rooms = {
            STORE: Filesystem(STORE, 1, 10**12, 10, 0, 0),
            "/var/tmp": Filesystem("/var/tmp", 2, 10**12, 20, 0, 0),
        }
        host.expect(status_config(), images(), containers())
        result = run_module("node_storage_check", locked=LOCKED, min_free_bytes=0)
        first, second, third = result["msg"].split("; ")
        assert first.startswith(f"checking the storage: on the filesystem of {STORE}")
        assert second.startswith("on the filesystem of /var/tmp")
        assert third.startswith("no image could be removed")
        assert [one["missing_bytes"] for one in result["filesystems"]] == [61973, 8172]

    def test_options(self, monkeypatch: pytest.MonkeyPatch, run_module: RunModule) -> None:
        """Each reaches what it is for; an answer that fits is no failure in either way."""
        seen: list[Any] = []

        def check(_host: Any, *given: Any) -> StorageAnswer:
            seen.append(given)
            share = PinnedShare("/", 0, 0, 0, 0, "")
            return StorageAnswer(StorageBudget(0, 0, 0, ()), share, (), "")

        monkeypatch.setattr(node_storage_check, "check_storage", check)
        given = LockedImages({A: ("d",)}, {"d": LockedLayer(1000)})
        run_module("node_storage_check", locked=LOCKED)
        run_module(
            "node_storage_check", locked=LOCKED, references=[A, B], min_free_bytes=7, max_parallel=2,
            allow_pins_above_gc_threshold=True, renewed=[A],
        )  # fmt: skip
        run_module("node_storage_check", check_mode=True, locked=LOCKED, fail_on_shortage=False)
        assert seen == [
            (given, [], StorageLimits(2**30, False), 12, []),
            (given, [A, B], StorageLimits(7, True), 2, [A]),
            (given, [], StorageLimits(2**30, False), 12, []),
        ]

    def test_failure(self, host: FakeHost, run_module: RunModule) -> None:
        """A node that cannot be asked does not fit."""
        host.expect(daemon_down())
        result = run_module("node_storage_check", locked=LOCKED)
        assert result["failed"]
        assert {key: result[key] for key in keys(result)} == {
            "fits": False, "objection": result["msg"], "missing_layers": 0, "unmeasured_layers": 0,
            "guessed_bytes": 0, "download_bytes": 0, "removable": [],
            "filesystems": [], "leftovers": [],
            "pinned": {
                "present_bytes": 0, "missing_bytes": 0, "total_bytes": 0, "threshold_bytes": 0,
                "threshold_source": "", "above_threshold": False,
            },
        }  # fmt: skip
        assert (result["cmd"], result["rc"]) == ([CRIO, "status", "config"], 1)


class TestInfo:
    """pinned_image_set_info."""

    def test_deviating(self, host: FakeHost, run_module: RunModule) -> None:
        """Deviations with kind, subject and detail; references only once each."""
        host.files[DROP_IN] = render_drop_in([A, B])
        host.expect(status_config(), images())
        result = run_module("pinned_image_set_info", references=[A, A, B])
        assert keys(result) == INFO_KEYS
        assert (result["converged"], result["wanted"], result.get("changed", False)) == (
            False,
            2,
            False,
        )
        assert result["missing"] == [A, B]
        assert result["deviations"][0] == {
            "kind": "missing", "subject": A, "detail": "no image of this name is in the store",
        }  # fmt: skip
        assert result["platform"] == "linux/amd64"

    def test_converged(self, host: FakeHost, run_module: RunModule) -> None:
        """Nothing but that."""
        host.files.update({DROP_IN: render_drop_in([A]), IMAGES_JSON: images_json([A])})
        host.expect(status_config([A]), images([A], [A]))
        result = run_module("pinned_image_set_info", check_mode=True, references=[A])
        assert (result["converged"], result["deviations"]) == (True, [])

    def test_failure(self, host: FakeHost, run_module: RunModule) -> None:
        """A node without CRI-O is an error; one whose CRI-O is silent deviates."""
        host.programs.pop("crictl")
        result = run_module("pinned_image_set_info", references=[A, B])
        assert result["msg"] == "looking for crictl: it is not installed. Install cri-tools."
        assert (keys(result), result["wanted"]) == (INFO_KEYS, 2)
        host.programs["crictl"] = CRICTL
        host.files[DROP_IN] = render_drop_in([A])
        host.expect(daemon_down())
        result = run_module("pinned_image_set_info", references=[A])
        assert "failed" not in result
        assert (keys(result), result["converged"]) == (INFO_KEYS, False)
        assert [one["kind"] for one in result["deviations"]] == ["daemon_unreachable"]


def test_image_store_info(host: FakeHost, run_module: RunModule) -> None:
    """What the node holds, by digest."""
    host.files[IMAGES_JSON] = images_json([A, B])
    host.expect(status_config(), images([B, A]))
    result = run_module("image_store_info")
    assert result["references"] == [A, B]


def test_image_store_info_without_cri_o(host: FakeHost, run_module: RunModule) -> None:
    """In one line, with the same keys."""
    host.expect(daemon_down())
    result = run_module("image_store_info")
    assert (result["failed"], result["references"]) == (True, [])
    host.root = False
    assert "this needs root" in run_module("image_store_info")["msg"]


class TestContent:
    """image_content_info and image_content, on a node with one damaged image."""

    @pytest.fixture
    def host(self) -> Iterator[FakeHost]:
        """Give A whole and B without the file of its layer."""
        host = FakeContentHost({A: "a", B: "b"}, {"a": "", "b": ""})
        host.trees["b"].clear()
        yield host.expect(status_config(), containers())
        host.assert_all_called()

    def test_info(self, run_module: RunModule) -> None:
        """What is damaged, as other deviations, and that it can be pulled again."""
        result = run_module("image_content_info", references=[A, B])
        assert (result["whole"], result["removable"], result["going"]) == (False, [B], [B])
        damage = "layer sha256:b: file of b is not there"
        assert result["deviations"] == [{"kind": "corrupt", "subject": B, "detail": damage}]
        assert not result.get("changed")

    def test_clear(self, host: FakeHost, run_module: RunModule) -> None:
        """It goes, once its registry has answered for it."""
        host.expect(crictl("pull", B), crictl("rmi", B))
        result = run_module("image_content", references=[A, B])
        assert result["changed"]
        assert result["images"] == [
            {"reference": B, "outcome": "cleared", "cause": "", "message": "", "attempts": 1}
        ]

    def test_clear_in_check_mode(self, run_module: RunModule) -> None:
        """It says so."""
        result = run_module("image_content", check_mode=True, references=[A, B])
        assert result["changed"]
        assert [one["outcome"] for one in result["images"]] == ["would_clear"]


@pytest.mark.parametrize("name", ["image_content", "image_content_info"])
def test_content_without_cri_o(host: FakeHost, run_module: RunModule, name: str) -> None:
    """In one line, with the same keys."""
    host.expect(daemon_down())
    result = run_module(name, references=[A])
    expected = (
        {"images"} if name == "image_content" else {"whole", "deviations", "removable", "going"}
    )
    assert result["failed"]
    assert expected <= keys(result)
    assert not any(result[key] for key in expected)
