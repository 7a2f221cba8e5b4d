# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/security.md promises, on a real node."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator

import pytest
from fleet import DROP_IN, JOURNAL, Fleet, has_file
from lab import Credentials, Node, payload

Images = list[payload.PushedImage]
STATE = "/var/lib/edgefleet-crio"
# docs/security.md has the same line.
SUDO_RULE = "ops ALL=(root) NOPASSWD: /bin/sh -c echo BECOME-SUCCESS-*"
SUDOERS = "/etc/sudoers.d/ops"


@pytest.fixture
def login(fleet: Fleet) -> Iterator[Node]:
    """Let `ops` have the documented rule and nothing else."""
    node = fleet.node("node1")
    before = node.read(SUDOERS)
    node.write(SUDOERS, f"{SUDO_RULE}\n", 0o440)
    try:
        yield node
    finally:
        node.write(SUDOERS, before, 0o440)


def test_a_login_that_is_not_root(fleet: Fleet, images: Images, login: Node) -> None:
    """Without sudo it says what it needs; with the documented rule it does all of it."""
    sets = [str(fleet.set_file("one", images[:1]))]
    options = {"pin_images_sets": sets, "ansible_user": "ops"}
    without = fleet.pin("--limit", "node1", ansible_become=False, **options)
    assert without.rc != 0
    assert without.node("node1")["message"].endswith("this needs root. Set become: true.")
    assert not has_file(login, DROP_IN)
    for way in ("--check", "--diff"):
        assert fleet.pin("--limit", "node1", way, ansible_become=True, **options).rc == 0
    assert images[0].reference in login.pinned()
    assert fleet.play("verify_images", "--limit", "node1", ansible_become=True, **options).rc == 0
    sudo = ["su", "-", "ops", "-c", "sudo -n cat /etc/shadow"]
    assert login.exec(sudo, check=False).returncode != 0
    assert fleet.play("unpin_images", "--limit", "node1", ansible_become=True, **options).rc == 0
    modes = login.exec(["stat", "-c", "%a %U %n", STATE, JOURNAL, f"{STATE}/turn"])
    assert modes.stdout.splitlines() == [
        f"755 root {STATE}",
        f"600 root {JOURNAL}",
        f"600 root {STATE}/turn",
    ]
    assert not has_file(login, "/run/edgefleet-crio")


def test_a_folder_that_somebody_else_linked(fleet: Fleet, images: Images) -> None:
    """Is not written through; one that root has moved is."""
    node = fleet.node("node1")
    sets = [str(fleet.set_file("one", images[:1]))]
    node.exec(
        ["sh", "-c", f"mkdir /srv/theirs && ln -s /srv/theirs {STATE} && chown -h ops {STATE}"]
    )
    try:
        refused = fleet.pin("--limit", "node1", pin_images_sets=sets)
        assert refused.rc != 0
        assert "Too many levels of symbolic links" in refused.node("node1")["message"]
        assert node.exec(["ls", "/srv/theirs"]).stdout == ""
        node.exec(["chown", "-h", "root", STATE])
        assert fleet.pin("--limit", "node1", pin_images_sets=sets).rc == 0
        assert "journal.jsonl" in node.exec(["ls", "/srv/theirs"]).stdout
    finally:
        node.exec(["rm", "-rf", STATE, "/srv/theirs"])


def test_a_lock_and_its_checksum(fleet: Fleet, images: Images) -> None:
    """A lock that somebody changed reaches no node."""
    lock = fleet.work / "site.lock.yml"
    assert fleet.lock([str(fleet.set_file("one", images[:1]))], lock).rc == 0
    checksum = hashlib.sha256(lock.read_bytes()).hexdigest()
    (fleet.work / "sums").write_text(f"{checksum}  site.lock.yml\n")
    options = {"pin_images_lock": str(lock), "pin_images_lock_checksum": str(fleet.work / "sums")}
    lock.write_text(lock.read_text() + "# changed\n")
    refused = fleet.pin("--limit", "node1", "-vvv", **options)
    assert refused.rc != 0
    assert "its SHA-256 is" in refused.output
    assert f"<{fleet.node('node1').address}>" not in refused.output
    lock.write_text(lock.read_text().removesuffix("# changed\n"))
    assert fleet.pin("--limit", "node1", **options).rc == 0


def test_no_secret_is_seen(fleet: Fleet, images: Images) -> None:
    """Not with -vvv, not in results and the journal, and in no process of the node meanwhile."""
    del images
    credentials = Credentials("edge", "s3cret-that-nobody-sees")
    private = fleet.lab.add_registry("secretive", credentials)
    (image,) = payload.push(payload.demo(1), private)
    token = base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()
    auth = json.dumps({"auths": {private.address: {"auth": token}}})
    ours = fleet.work / "auth.json"
    ours.write_text(auth)
    node = fleet.node("node1")
    node.write("/run/containers/0/auth.json", auth, 0o600)
    seen: list[str] = []
    ended = threading.Event()

    def watch() -> None:
        script = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
        while not ended.wait(0.1):
            seen.append(node.exec(["sh", "-c", script], check=False).stdout)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run = fleet.pin(
            "--limit", "node1", "-vvv", "--diff",
            pin_images_sets=[str(fleet.set_file("private", [image]))],
            pin_images_registry_auth=str(ours),
        )  # fmt: skip
    finally:
        ended.set()
        watcher.join()
        node.exec(["rm", "/run/containers/0/auth.json"])
    assert run.rc == 0
    assert image.reference in node.pinned()
    everything = "\n".join([*seen, run.output, json.dumps(run.result), node.read(JOURNAL)])
    # The watch saw what it should have seen.
    assert "crictl" in "".join(seen)
    for secret in (credentials.password, token):
        assert secret not in everything
    log = node.exec(["journalctl", "--no-pager"]).stdout
    assert credentials.password not in log
    assert token not in log
