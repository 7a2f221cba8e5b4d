# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input is refused before any node is touched, in one line that says what and where."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
GOOD = "registry.example.com/edge/app@sha256:" + "a" * 64
EMPTY_SET = """
apiVersion: machineconfiguration.openshift.io/v1
kind: PinnedImageSet
metadata: {name: x}
spec: {pinnedImages: []}
"""
# Nothing listens there: touching the node would make it unreachable, and that would show.
INVENTORY = "[edge]\nnode ansible_host=127.0.0.1 ansible_port=1\n"


def refuse(tmp_path: Path, playbook: str = "pin-images", **variables: Any) -> str:
    """Run a playbook, see it fail without touching the node, and return the one message."""
    inventory = tmp_path / "inventory.ini"
    inventory.write_text(INVENTORY)
    ended = subprocess.run(
        [
            "ansible-playbook",
            f"playbooks/{playbook}.yml",
            "-i",
            inventory,
            "-e",
            json.dumps(variables),
        ],
        cwd=CHECKOUT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=False,
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode != 0, output
    assert "Traceback" not in output
    assert "UNREACHABLE" not in output
    failures = [
        line for line in output.splitlines() if line.startswith(("fatal:", "[ERROR]: Task"))
    ]
    assert failures, output
    message = json.loads(output.split("FAILED! => ", 1)[1].split("\n\n")[0])["msg"]
    assert "\n" not in message
    return str(message)


def plain_set(*images: str) -> list[dict[str, Any]]:
    """Return sets that hold one plain set of these images."""
    return [{"name": "plain", "pool": "edge", "images": list(images)}]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("registry.example.com/edge/app:v1", "it has no digest"),
        ("registry.example.com/edge/app@sha256:" + "a" * 63, "63 characters"),
        ("registry.example.com/edge/app@sha256:" + "A" * 64, "upper-case"),
        ("*", "wildcard"),
        ("registry.example.com/edge/*", "wildcard"),
        (GOOD + '"', "characters"),
        (GOOD + "\nx", "characters"),
        ('x"]\n[crio]@sha256:' + "a" * 64, "in set 'plain'"),
        ("$(reboot)@sha256:" + "a" * 64, "no image reference"),
    ],
    ids=["tag", "short", "upper", "star", "glob", "quote", "newline", "toml", "shell"],
)
def test_references(tmp_path: Path, reference: str, said: str) -> None:
    """A reference that cannot be pinned is named with its set."""
    message = refuse(tmp_path, pin_images_sets=plain_set(GOOD, reference))
    assert said in message
    assert "set 'plain'" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: ConfigMap\napiVersion: v1\n", "kind 'ConfigMap'"),
        ("a: [1, 2\n", "line"),
        (
            EMPTY_SET,
            "empty",
        ),
        ("", "no document"),
    ],
    ids=["other kind", "no yaml", "empty set", "empty file"],
)
def test_set_files(tmp_path: Path, text: str, said: str) -> None:
    """A file that holds no set is named."""
    path = tmp_path / "set.yml"
    path.write_text(text)
    message = refuse(tmp_path, pin_images_sets=[str(path)])
    assert said in message
    assert str(path) in message


@pytest.mark.parametrize("playbook", ["verify_images", "lock_images"])
def test_other_playbooks_that_read_sets(tmp_path: Path, playbook: str) -> None:
    """They refuse what the main one does, in the same words."""
    sets = plain_set(GOOD, "registry.example.com/edge/*")
    given = {"pin_images_sets": sets, "pin_images_lock": str(tmp_path / "new.lock.yml")}
    if playbook == "verify_images":
        del given["pin_images_lock"]
    message = refuse(tmp_path, playbook, **given)
    assert "wildcard" in message
    assert "set 'plain'" in message
    assert not (tmp_path / "new.lock.yml").exists()


@pytest.mark.parametrize("playbook", ["verify_images", "compare_locks"])
def test_other_playbooks_that_read_a_lock(tmp_path: Path, playbook: str) -> None:
    """A newer lock is no lock for them either."""
    path = str(tmp_path / "site.lock.yml")
    Path(path).write_text("version: 2\n")
    before = {"pin_images_lock_before": path} if playbook == "compare_locks" else {}
    message = refuse(tmp_path, playbook, pin_images_lock=path, **before)
    assert "version 2" in message
    assert path in message


def test_a_set_file_that_does_not_exist(tmp_path: Path) -> None:
    """It is named, with where it was looked for."""
    assert "there is no" in refuse(tmp_path, pin_images_sets=["nowhere.yml"])


def test_neither_lock_nor_sets(tmp_path: Path) -> None:
    """The option that is needed is named."""
    assert "pin_images_sets" in refuse(tmp_path)


def test_a_pool_that_no_set_names(tmp_path: Path) -> None:
    """The pools that there are are listed."""
    everyone = {"name": "all", "images": [GOOD]}
    sets = [*plain_set(GOOD), everyone]
    message = refuse(tmp_path, pin_images_sets=sets, pin_images_pool="egde")
    assert "'egde'" in message
    assert "pools: edge" in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version 2"),
        ({"layers": {}}, "has no size"),
        ({"sets": [{"name": "other", "pool": None}]}, "'plain' is asked"),
        ({"platforms": ["linux/arm64"]}, "platforms"),
        ({"images": [], "layers": {}}, "no image is asked for by set 'plain'"),
    ],
    ids=["newer", "layer without size", "unknown set", "other platform", "emptied"],
)
def test_locks(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """A lock that is newer or contradicts itself is refused."""
    layer = "sha256:" + "b" * 64
    locked = {"manifest": "sha256:" + "a" * 64, "layers": [layer]}
    lock = {
        "version": 1,
        "platforms": ["linux/amd64"],
        "sets": [{"name": "plain", "pool": "edge"}],
        "images": [{"reference": GOOD, "sets": ["plain"], "platforms": {"linux/amd64": locked}}],
        "layers": {layer: {"size": 10}},
    }
    path = tmp_path / "site.lock.yml"
    path.write_text(json.dumps({**lock, **change}))
    message = refuse(tmp_path, pin_images_lock=str(path))
    assert said.replace("'", "") in message.replace("'", "")
    assert str(path) in message


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("pin_images_max_parallel", 0, "pin_images_max_parallel is 0, at least 1 is needed"),
        ("pin_images_retries", "-1", "pin_images_retries is -1, at least 0 is needed"),
        ("pin_images_min_free_bytes", -5, "pin_images_min_free_bytes is -5, at least 0 is needed"),
        ("pin_images_pull_stall_timeout", -1, "pin_images_pull_stall_timeout is -1, at least 0"),
        ("pin_images_retries", "many", "'pin_images_retries' is of type "),
        ("pin_images_deep", "perhaps", "'pin_images_deep' is of type "),
        ("pin_images_on_conflict", "mrge", "must be one of: fail, merge, got: mrge"),
        ("pin_images_retrys", 5, "is no option pin_images_retrys, pin_images_retries may be meant"),
    ],
)
def test_options(tmp_path: Path, option: str, value: object, said: str) -> None:
    """What is no such value or means nothing is named, for all nodes at once."""
    message = refuse(tmp_path, pin_images_sets=plain_set(GOOD), **{option: value})
    assert said in message
    assert message.endswith(". No node was touched.")


@pytest.mark.parametrize("playbook", ["verify_images", "unpin_images"])
def test_options_of_other_playbooks(tmp_path: Path, playbook: str) -> None:
    """They check them too."""
    given = {"pin_images_sets": plain_set(GOOD), "pin_images_deep": "perhaps"}
    assert "'pin_images_deep'" in refuse(tmp_path, playbook, **given)
