# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CRI-O's version and configuration, as CRI-O prints them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from .answer import UnreadableAnswer

_VERSION_PATTERN = re.compile(r"\bversion\s+v?(\d+)\.(\d+)\.(\d+)")
_RUNTIME_VERSION_PATTERN = re.compile(r"^RuntimeVersion:\s+v?(\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_SECTION_PATTERN = re.compile(r"\s*\[([A-Za-z0-9_.\"-]+)\]\s*")
_SETTING_PATTERN = re.compile(r"\s*([A-Za-z0-9_]+) = (.*\S)\s*")
# Options of a storage driver, after its name; storage.conf's additionalimagestores become the first
# (types/options.go of containers/storage).
_STORE_OPTIONS = ("imagestore", "additionalimagestore")
# How 'crio config' prints the list: one quoted entry a line (pkg/config/template.go of CRI-O).
_PRINTED_PINS_PATTERN = re.compile(r"^pinned_images = \[\n(.*?)^\]", re.MULTILINE | re.DOTALL)
# A line of its log for each request (server/image_pull.go of CRI-O), as logrus prints it.
_REQUEST_PATTERN = re.compile(r'msg="Pulling image: ([^"\\\s]+)"')


@dataclass(frozen=True, order=True)
class CrioVersion:
    """A released version of CRI-O."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True)
class RunningConfig:
    """What the running CRI-O says of itself; paths are absolute.

    ``image_store`` is empty where images lie in the graph root. ``additional_stores`` are read
    beside it and never written, from storage.conf or ``storage_option``. ``pinned_images`` is the
    list as configured, with the pause image since the last start and without it since a reload: what
    is in force, only ``crictl images`` tells.
    """

    graph_root: str
    image_store: str
    big_files_temporary_dir: str
    pause_image: str
    pinned_images: tuple[str, ...]
    additional_stores: tuple[str, ...] = ()

    @property
    def image_root(self) -> str:
        """Where images and their layers lie."""
        return self.image_store or self.graph_root

    def store_roots(self) -> list[str]:
        """Return where the stores lie whose images the node has."""
        return sorted({self.graph_root, self.image_root, *self.additional_stores})


def parse_crio_version(text: str) -> CrioVersion:
    """Parse ``crio --version``: ``crio version 1.36.3`` and a table below.

    :raises UnreadableAnswer: when no version stands there.
    """
    return _version(_VERSION_PATTERN, text)


def parse_runtime_version(text: str) -> CrioVersion:
    """Parse ``crictl version``: a table in which the running CRI-O has the line ``RuntimeVersion``.

    :raises UnreadableAnswer: when no version stands there.
    """
    return _version(_RUNTIME_VERSION_PATTERN, text)


def _version(pattern: re.Pattern[str], text: str) -> CrioVersion:
    match = pattern.search(text)
    if not match:
        raise UnreadableAnswer("reading the version of CRI-O", f"{text[:200]!r} has none")
    major, minor, patch = (int(part) for part in match.groups())
    return CrioVersion(major, minor, patch)


def parse_running_config(text: str) -> RunningConfig:
    """Parse ``crio status config``: TOML as CRI-O's encoder writes it, one setting a line.

    :raises UnreadableAnswer: when a setting is missing or not of that form.
    """
    settings = {}
    section = ""
    for line in text.splitlines():
        header = _SECTION_PATTERN.fullmatch(line)
        if header:
            section = header.group(1)
            continue
        setting = _SETTING_PATTERN.fullmatch(line)
        if setting and section in ("crio", "crio.image"):
            settings[f"{section}.{setting.group(1)}"] = setting.group(2)
    try:
        return RunningConfig(
            graph_root=json.loads(settings["crio.root"]),
            image_store=json.loads(settings.get("crio.imagestore", '""')),
            big_files_temporary_dir=json.loads(settings["crio.image.big_files_temporary_dir"]),
            pause_image=json.loads(settings["crio.image.pause_image"]),
            pinned_images=tuple(json.loads(settings.get("crio.image.pinned_images", "[]"))),
            additional_stores=_additional_stores(
                json.loads(settings.get("crio.storage_option", "[]"))
            ),
        )
    except (KeyError, ValueError, RecursionError) as error:
        raise UnreadableAnswer(
            "reading the configuration of the running CRI-O", f"it lacks {error}"
        ) from None


def _additional_stores(options: list[str]) -> tuple[str, ...]:
    """Return the stores among the storage driver's options (drivers/overlay, parseOptions)."""
    pairs = [option.partition("=") for option in options]
    return tuple(
        path.rstrip("/")
        for name, _equals, paths in pairs
        if name.strip().lower().rpartition(".")[2] in _STORE_OPTIONS
        for path in paths.strip().split(",")
        if path
    )


def parse_configured_pins(text: str) -> tuple[str, ...]:
    """Return ``pinned_images`` from the output of ``crio config``; empty when it is not set.

    :raises UnreadableAnswer: when the list is not of the form that CRI-O prints.
    """
    match = _PRINTED_PINS_PATTERN.search(text)
    if not match:
        return ()
    try:
        return tuple(json.loads(line.strip().rstrip(",")) for line in match.group(1).splitlines())
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswer("reading the output of 'crio config'", str(error)) from None


def parse_pull_requests(log: str) -> tuple[str, ...]:
    """Return what CRI-O was asked to pull, each time, as whoever asked wrote it."""
    return tuple(_REQUEST_PATTERN.findall(log))
