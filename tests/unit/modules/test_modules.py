# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules: the same keys on every path, check mode, diff, and failures in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.drop_in import (
    render_drop_in,
)
from unit.fake_host import (
    CONF_D,
    CRIO,
    DROP_IN,
    IMAGES_JSON,
    JOURNAL,
    FakeHost,
    check_config,
    containers,
    crictl,
    crio_version,
    daemon_down,
    images,
    images_json,
    pins_of,
    service,
    status_config,
)

RunModule = Callable[..., dict[str, Any]]
A, B = (f"example.com/{name}@sha256:{name * 64}" for name in "ab")
COPY = "/run/edgefleet-crio/crio.conf.d"


IMAGE = {"reference": A, "layers": [{"digest": "d", "size": 1000}]}
FILE_KEYS = {"path", "references", "kept", "withdrawn", "overridden_by", "overrides"}
STORAGE_KEYS = {"fits", "missing_layers", "download_bytes", "downloads", "filesystems"}
INFO_KEYS = {"converged", "wanted", "deviations", "missing", "removable", "platform"}
BY_ANSIBLE = {
    "invocation", "failed", "msg", "cmd", "rc", "stdout", "stderr", "changed", "diff",
}  # fmt: skip


def keys(result: dict[str, Any]) -> set[str]:
    """Return the keys that a module promises."""
    return set(result) - BY_ANSIBLE


class TestPinnedFile:
    """crio_pinned_file."""

    def test_present(self, host: FakeHost, run_module: RunModule) -> None:
        """The file, the diff, and what the neighbours do."""
        host.files[f"{CONF_D}/60-x"] = 'pinned_images = ["x"]'
        host.files[f"{CONF_D}/40-x"] = 'pinned_images = ["x"]'
        host.files[DROP_IN] = render_drop_in([B])
        neighbours = (pins_of(f"{CONF_D}/40-x", ["x"]), pins_of(f"{CONF_D}/60-x", ["x"]))
        host.expect(crio_version(), *neighbours, check_config(COPY))
        result = run_module("crio_pinned_file", references=[A])
        assert keys(result) == FILE_KEYS
        assert result["changed"] is True
        assert (result["references"], result["withdrawn"]) == ([A], [B])
        assert result["overridden_by"] == [f"{CONF_D}/60-x"]
        assert result["overrides"] == [f"{CONF_D}/40-x"]
        assert result["diff"]["before"] == render_drop_in([B])
        assert result["diff"]["after"] == host.files[DROP_IN] == render_drop_in([A])
        assert result["diff"]["after_header"] == DROP_IN

    def test_staged(self, host: FakeHost, run_module: RunModule) -> None:
        """What is kept is named."""
        host.files[DROP_IN] = render_drop_in([B])
        host.expect(crio_version(), check_config(COPY))
        result = run_module("crio_pinned_file", state="staged", references=[A])
        assert (result["references"], result["kept"]) == ([A, B], [B])

    def test_check_mode_and_idempotence(self, host: FakeHost, run_module: RunModule) -> None:
        """Check mode predicts; what is right is not changed."""
        host.expect(crio_version(), check_config(COPY))
        assert run_module("crio_pinned_file", check_mode=True, references=[A])["changed"] is True
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

    def test_bad_reference(self, run_module: RunModule) -> None:
        """It is refused before the node is looked at."""
        result = run_module("crio_pinned_file", references=["example.com/a:v1"])
        assert result["msg"].startswith("image reference 'example.com/a:v1' in references: ")
        assert run_module("crio_pinned_file", state="present")["failed"]


class TestPinnedImageSet:
    """pinned_image_set."""

    def test_present(self, host: FakeHost, run_module: RunModule) -> None:
        """An outcome for each image."""
        host.files[IMAGES_JSON] = images_json([A, B])
        host.expect(status_config(), images([A]), crictl("pull", B), images([A, B]))
        result = run_module("pinned_image_set", references=[B, A])
        assert result["changed"] is True
        assert keys(result) == {"images"}
        assert result["images"] == [
            {"reference": A, "outcome": "present", "cause": "", "message": "", "attempts": 0, "seconds": 0.0},
            {"reference": B, "outcome": "pulled", "cause": "", "message": "", "attempts": 1, "seconds": 0.0},
        ]  # fmt: skip

    def test_nothing_to_do(self, host: FakeHost, run_module: RunModule) -> None:
        """No change."""
        host.files[IMAGES_JSON] = images_json([A])
        host.expect(status_config(), images([A]))
        assert run_module("pinned_image_set", references=[A])["changed"] is False

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
            ({"retries": -1}, "option retries: -1 is too small. At least 0."),
            ({"retry_delay": -0.5}, "option retry_delay: -0.5 is too small. At least 0."),
        ],
    )
    def test_bad_options(self, run_module: RunModule, options: dict[str, Any], said: str) -> None:
        """They are refused before anything is done."""
        result = run_module("pinned_image_set", references=[A], **options)
        assert (result["msg"], result["images"]) == (said, [])

    def test_no_daemon(self, host: FakeHost, run_module: RunModule) -> None:
        """The command that failed comes with the message."""
        host.expect(daemon_down())
        result = run_module("pinned_image_set", references=[A])
        assert result["msg"].startswith("asking CRI-O for its configuration: connection error")
        assert result["rc"] == 1


class TestReload:
    """crio_reload."""

    def test_reload(self, host: FakeHost, run_module: RunModule) -> None:
        """What made it necessary is returned."""
        host.files[IMAGES_JSON] = images_json([A])
        host.expect(
            status_config(), images([A]), check_config(CONF_D), crio_version(),
            service("reload"), status_config([A]), images([A], [A]),
        )  # fmt: skip
        result = run_module("crio_reload", references=[A])
        assert keys(result) == {"action", "unpinned", "stale"}
        assert (result["changed"], result["action"]) == (True, "reload")
        assert (result["unpinned"], result["stale"]) == ([A], [])

    def test_in_force(self, host: FakeHost, run_module: RunModule) -> None:
        """Nothing to do."""
        host.files[IMAGES_JSON] = images_json([A])
        host.expect(status_config([A]), images([A], [A]))
        result = run_module("crio_reload", references=[A])
        assert (result["changed"], result["action"]) == (False, "none")

    def test_failure(self, host: FakeHost, run_module: RunModule) -> None:
        """The same keys."""
        host.expect(daemon_down())
        result = run_module("crio_reload", references=[A])
        assert result["failed"]
        assert keys(result) == {"action", "unpinned", "stale"}


class TestStorageCheck:
    """node_storage_check."""

    def test_fits(self, host: FakeHost, run_module: RunModule) -> None:
        """Every number."""
        host.expect(status_config())
        result = run_module("node_storage_check", images=[IMAGE])
        assert keys(result) == STORAGE_KEYS
        assert (result["fits"], result.get("changed", False)) == (True, False)
        assert result["downloads"] == [{"reference": A, "bytes": 1000}]
        assert result["filesystems"] == [
            {
                "path": "/var/lib/containers/storage", "uses": ["images", "temporary"],
                "have_bytes": 10**12, "need_bytes": 4000, "keep_bytes": 2**30,
                "keep_source": "min_free_bytes", "missing_bytes": 0,
                "have_inodes": 10**6, "need_inodes": 2, "keep_inodes": 0, "missing_inodes": 0,
            }
        ]  # fmt: skip

    def test_does_not_fit(self, host: FakeHost, run_module: RunModule) -> None:
        """It fails, unless told to only report; the same keys on both."""
        host.expect(status_config(), status_config())
        result = run_module("node_storage_check", images=[IMAGE], min_free_bytes=10**12)
        assert result["failed"]
        assert keys(result) == STORAGE_KEYS
        assert result["msg"].startswith("checking the storage: on the filesystem of /var/lib/")
        assert result["msg"].endswith("missing 4000. Nothing was pulled.")
        report = run_module(
            "node_storage_check", images=[IMAGE], min_free_bytes=10**12, fail_on_shortage=False
        )
        assert report["fits"] is False
        assert {key: report[key] for key in STORAGE_KEYS} == {
            key: result[key] for key in STORAGE_KEYS
        }

    def test_failure(self, host: FakeHost, run_module: RunModule) -> None:
        """A node that cannot be asked does not fit."""
        host.expect(daemon_down())
        result = run_module("node_storage_check", images=[IMAGE])
        assert result["failed"]
        assert keys(result) == STORAGE_KEYS
        assert result["fits"] is False


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
        """The same keys."""
        host.root = False
        result = run_module("pinned_image_set_info", references=[A])
        assert result["msg"] == "looking at the node: this needs root. Set become: true."
        assert keys(result) == INFO_KEYS
