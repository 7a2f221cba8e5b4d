# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets and locks from files, folders and variables."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.actions.wanted import (
    read_lock,
    read_sets,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from unit.blob_host import BlobHost
from unit.fake_host import FakeHost
from unit.plain_sets import FOLDERS, REFERENCE, a_set


def test_files_folders_and_values(host: FakeHost) -> None:
    """Relative paths are looked for beside the playbook first; folders give their YAML and JSON."""
    host.files = {
        "/play/one.yml": a_set("one"),
        "/here/one.yml": a_set("not this"),
        "/here/sets/two.yaml": a_set("two") + a_set("three"),
        "/here/sets/deep/four.json": '{"name": "four", "images": ["' + REFERENCE + '"]}',
        "/here/sets/README.md": "no set",
        "/abs/five.txt": a_set("five"),
    }
    inline = {"name": "six", "images": [REFERENCE]}
    sources = ["one.yml", "sets", "/abs/five.txt", inline]
    found = read_sets(host, sources, FOLDERS)
    assert [one.name for one in found] == ["one", "four", "two", "three", "five", "six"]
    assert found[0].origin == "/play/one.yml"
    assert found[-1].origin == "entry 4 of the sets"


@pytest.mark.parametrize(
    ("files", "sources", "said"),
    [
        (
            {},
            [],
            (
                "reading the sets: there are none. Name one at least in pin_images_sets; what is in"
                " pin_images_sources is taken from a lock of lock_images.yml, named in"
                " pin_images_lock."
            ),
        ),
        ({}, ["x.yml"], "reading 'x.yml': there is no /play/x.yml and no /here/x.yml"),
        ({}, ["/x.yml"], "reading '/x.yml': there is no /x.yml. Check the path."),
        ({"/x.yml": "---\n"}, ["/x.yml"], "reading /x.yml: it holds no document"),
        ({"/d/README": "x"}, ["/d"], "reading /d: it holds no document"),
        ({"/x.yml": "a: ["}, ["/x.yml"], "reading /x.yml: "),
        (
            {"/x.yml": a_set("a") * 2},
            ["/x.yml"],
            "set 'a' of /x.yml: /x.yml has a set of that name",
        ),
        ({}, [7], "entry 1 of the sets"),
    ],
)
def test_refused(host: FakeHost, files: dict[str, str], sources: list[Any], said: str) -> None:
    """What cannot be read is named."""
    host.files = files
    with pytest.raises(EdgefleetError) as caught:
        read_sets(host, sources, FOLDERS)
    assert said in str(caught.value)


def test_lock() -> None:
    """A lock is looked for in the same places."""
    host = BlobHost()
    host.blobs = {"/here/l.yml": b"version: 9\n"}
    with pytest.raises(EdgefleetError, match=r"reading the lock /here/l\.yml: it has version 9"):
        read_lock(host, "l.yml", FOLDERS)
    absent = r"there is no /play/m and no /here/m\. Check the path, or make the lock with lock_im"
    with pytest.raises(EdgefleetError, match=absent):
        read_lock(host, "m", FOLDERS)
    with pytest.raises(EdgefleetError, match=absent):
        read_lock(host, "m", FOLDERS, "a" * 64)


def test_a_lock_that_was_emptied() -> None:
    """A set without any image would unpin what it wanted, also one that left all out."""
    host = BlobHost()
    emptied = "version: 1\nplatforms: [linux/amd64]\nimages: []\nlayers: {}\nsets:\n- name: base\n"
    left_out = f"  excluded:\n  - {{image: '{REFERENCE}', pattern: '*', reason: ''}}\n"
    for more in ("", left_out):
        host.blobs = {"/here/l.yml": f"{emptied}  pool: edge\n{more}".encode()}
        with pytest.raises(
            EdgefleetError, match=r"l\.yml: no image is asked for by set 'base'\. L"
        ):
            read_lock(host, "l.yml", FOLDERS)
