# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What CRI-O 1.36.3 prints of itself, shortened."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.answer import UnreadableAnswer
from ansible_collections.edgefleet.crio.plugins.module_utils.observed.crio import (
    CrioVersion,
    parse_configured_pins,
    parse_crio_version,
    parse_pull_requests,
    parse_running_config,
    parse_runtime_version,
)

STATUS_CONFIG = """\
[crio]
  root = "/var/lib/containers/storage"
  runroot = "/run/containers/storage"
  imagestore = ""
  storage_driver = "overlay"
  [crio.api]
    listen = "/var/run/crio/crio.sock"
    root = "/not/this"
  [crio.runtime]
    [crio.runtime.runtimes.crun]
      runtime_path = "/usr/bin/crun"

  [crio.image]
    pause_image = "registry.k8s.io/pause:3.10.1"
    pinned_images = ["example.com/a@sha256:1", "example.com/b\\"c"]
    big_files_temporary_dir = ""
"""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("crio version 1.36.3\n   GitCommit:      unknown\n", (1, 36, 3)),
        ("crio version v1.28.11\nVersion:        1.28.11\n", (1, 28, 11)),
        ("crio version 1.33.4-3.rhaos4.20.gitabc.el9\n", (1, 33, 4)),
    ],
)
def test_version(text: str, version: tuple[int, int, int]) -> None:
    """The first line has it, with or without what distributions add."""
    assert parse_crio_version(text) == CrioVersion(*version)


def test_no_version() -> None:
    """An answer without one is not guessed at."""
    with pytest.raises(UnreadableAnswer, match="reading the version of CRI-O: 'x' has none"):
        parse_crio_version("x")


def test_the_version_that_runs() -> None:
    """Not that of the interface, nor of the program that asks."""
    table = (
        "Version:  0.1.0\nRuntimeName:  cri-o\nRuntimeVersion:  1.29.5\nRuntimeApiVersion:  v1\n"
    )
    assert parse_runtime_version(table) == CrioVersion(1, 29, 5)
    with pytest.raises(UnreadableAnswer, match="reading the version of CRI-O"):
        parse_runtime_version("Version:  0.1.0\n")


def test_running_config() -> None:
    """The settings that matter, by their section."""
    config = parse_running_config(STATUS_CONFIG)
    assert config.graph_root == config.image_root == "/var/lib/containers/storage"
    assert config.pause_image == "registry.k8s.io/pause:3.10.1"
    assert config.big_files_temporary_dir == ""
    assert config.pinned_images == ("example.com/a@sha256:1", 'example.com/b"c')


def test_an_image_store_of_its_own() -> None:
    """Images may lie elsewhere than containers; before 1.29 the setting did not exist."""
    elsewhere = parse_running_config(STATUS_CONFIG.replace('store = ""', 'store = "/images"'))
    assert elsewhere.image_root == "/images"
    before = parse_running_config(STATUS_CONFIG.replace('  imagestore = ""\n', ""))
    assert before.image_root == "/var/lib/containers/storage"


@pytest.mark.parametrize(
    "text",
    [
        "",
        STATUS_CONFIG.replace('  root = "/var', "  rot = /var"),
        STATUS_CONFIG.replace('"registry', "registry"),
    ],
)
def test_no_config(text: str) -> None:
    """What lacks a setting, or holds another form, is refused."""
    with pytest.raises(UnreadableAnswer, match="reading the configuration of the running CRI-O"):
        parse_running_config(text)


@pytest.mark.parametrize(
    ("text", "pins"),
    [
        ('# pause_command = "/pause"\n\n# pinned_images = [\n# ]\n', ()),
        ('x = 1\npinned_images = [\n\t"a@sha256:1",\n\t"b",\n]\n\ny = [\n]\n', ("a@sha256:1", "b")),
        ("pinned_images = [\n]\n", ()),
    ],
)
def test_configured_pins(text: str, pins: tuple[str, ...]) -> None:
    """As `crio config` prints the list; a default is commented out."""
    assert parse_configured_pins(text) == pins


def test_pins_of_another_form() -> None:
    """A list in a form that CRI-O does not print is not guessed at."""
    with pytest.raises(UnreadableAnswer, match="reading the output of 'crio config'"):
        parse_configured_pins("pinned_images = [\n\t'a',\n]\n")


def test_pull_requests() -> None:
    """As CRI-O logs them, among other lines; how one ended is another line."""
    log = (
        'time="2026-01-01" level=info msg="Pulling image: example.com/a:v1" file="server/x.go:44"\n'
        'time="2026-01-01" level=info msg="Pulled image: example.com/b" file="server/x.go:126"\n'
        'time="2026-01-01" level=info msg="Pulling image: a\\"b" file="server/x.go:44"\n'
        'time="2026-01-01" level=info msg="Pulling image: example.com/c" file="server/x.go:44"\n'
        'time="2026-01-01" level=info msg="Pulling image: example.com/c" file="server/x.go:44"\n'
    )
    assert parse_pull_requests(log) == ("example.com/a:v1", "example.com/c", "example.com/c")
    assert parse_pull_requests("") == ()


def test_no_pins_are_configured() -> None:
    """An encoder that leaves an empty list out means an empty list."""
    lines = STATUS_CONFIG.splitlines(keepends=True)
    text = "".join(line for line in lines if "pinned_images" not in line)
    assert parse_running_config(text).pinned_images == ()


def test_settings_of_other_sections_are_not_taken() -> None:
    """A name may stand in several sections, before and after the one that counts."""
    text = 'root = "/none"\n' + STATUS_CONFIG + '  [crio.other]\n    pause_image = "other"\n'
    config = parse_running_config(text)
    assert config.graph_root == "/var/lib/containers/storage"
    assert config.pause_image.endswith("/pause:3.10.1")


def test_the_whole_message() -> None:
    """What was read and what it lacks; a long answer is cut."""
    with pytest.raises(UnreadableAnswer) as caught:
        parse_crio_version("y" * 300)
    assert str(caught.value) == f"reading the version of CRI-O: '{'y' * 200}' has none."
    with pytest.raises(UnreadableAnswer) as caught:
        parse_running_config("")
    assert str(caught.value) == (
        "reading the configuration of the running CRI-O: it lacks 'crio.root'."
    )


@pytest.mark.parametrize(
    ("older", "newer"), [("1.29.9", "1.30.0"), ("1.36.3", "1.36.10"), ("1.99.9", "2.0.0")]
)
def test_versions_are_ordered_by_number(older: str, newer: str) -> None:
    """Not as text."""
    assert parse_crio_version(f"version {older}") < parse_crio_version(f"version {newer}")


def test_lines_that_are_no_setting() -> None:
    """Blank lines and comments may stand anywhere."""
    text = STATUS_CONFIG.replace("[crio.image]\n", "[crio.image]\n\n    # pinned_images\n")
    assert parse_running_config(text) == parse_running_config(STATUS_CONFIG)


@pytest.mark.parametrize(
    ("option", "stores"),
    [
        ("[]", ()),
        ('["overlay.imagestore=/usr/lib/images"]', ("/usr/lib/images",)),
        # Of a storage.conf that names no driver, then as CRI-O's own option, with a slash at the end.
        ('[".imagestore=/a", "additionalimagestore=/b/,/c", "overlay.mountopt=nodev"]',
         ("/a", "/b", "/c")),
        ('["overlay.imagestore=", "overlay.imagestorex=/x", "imagestore"]', ()),
    ],
)  # fmt: skip
def test_additional_stores(option: str, stores: tuple[str, ...]) -> None:
    """Whichever way they were configured, CRI-O shows them as options of the storage driver."""
    text = STATUS_CONFIG.replace("[crio]\n", f"[crio]\n  storage_option = {option}\n", 1)
    assert parse_running_config(text).additional_stores == stores
    assert parse_running_config(STATUS_CONFIG).additional_stores == ()
