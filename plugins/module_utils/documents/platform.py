# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms as OCI indexes name them: ``os/architecture[/variant]``."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ..errors import EdgefleetError

_PLATFORM_PATTERN = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9.]+)?")
# github.com/containerd/platforms (database.go) treats these as the same machine.
_DEFAULT_VARIANTS = {"amd64": "v1", "arm64": "v8", "arm": "v7"}


class InvalidPlatform(EdgefleetError):
    """A string that names no platform."""


def parse_platform(text: Any, origin: str) -> str:
    """Return the normal form of ``os/architecture[/variant]``: the default variant is left out.

    :raises InvalidPlatform: when it is something else.
    """
    if not isinstance(text, str) or not _PLATFORM_PATTERN.fullmatch(text):
        raise InvalidPlatform(
            f"platform {text!r} in {origin}", "it is no platform", "linux/amd64 would be one."
        )
    system, architecture, *variant = text.split("/")
    return platform_of(
        {"os": system, "architecture": architecture, "variant": variant[0] if variant else ""}
    )


def platform_of(entry: Mapping[str, Any]) -> str:
    """Return the platform that an index entry or an image configuration names."""
    system = str(entry.get("os") or "")
    architecture = str(entry.get("architecture") or "")
    variant = str(entry.get("variant") or "")
    if variant and variant != _DEFAULT_VARIANTS.get(architecture):
        return f"{system}/{architecture}/{variant}"
    return f"{system}/{architecture}"
