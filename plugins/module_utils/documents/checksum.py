# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file's content must be: a SHA-256 value, or a file as ``sha256sum`` writes it."""

from __future__ import annotations

import hashlib
import re

from ..errors import EdgefleetError

_VALUE = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
_LINE = re.compile(r"([0-9a-fA-F]{64})(?: [ *](.+))?")


class WrongChecksum(EdgefleetError):
    """A file that is not what its checksum says, or a checksum that says nothing of it."""


def parse_checksum_value(text: str) -> str | None:
    """Return a SHA-256 value in lower case, with or without ``sha256:``; None for another text."""
    value = _VALUE.fullmatch(text.strip())
    return value.group(1).lower() if value else None


def parse_checksum_file(text: str, name: str, origin: str) -> str:
    """Return the value that a file of ``sha256sum`` has for the file called ``name``.

    A line with a value alone is for any file. Names count without their folders.

    :raises WrongChecksum: when no line is for it, or two differ.
    """
    values = set()
    for line in text.splitlines():
        found = _LINE.fullmatch(line.strip())
        if found and (found.group(2) or name).rpartition("/")[2] == name:
            values.add(found.group(1).lower())
    if len(values) == 1:
        return values.pop()
    cause = f"it has {len(values) or 'no'} SHA-256 values for {name}"
    raise WrongChecksum(f"reading the checksum {origin}", cause, "Write it with sha256sum.")


def checksum_of(content: bytes) -> str:
    """Return the SHA-256 value of a file's content."""
    return hashlib.sha256(content).hexdigest()


def check_content(found: str, value: str, path: str, origin: str) -> None:
    """Compare the SHA-256 value of a file's content with the one that is asked for.

    :raises WrongChecksum: when it is another one.
    """
    if found != value:
        raise WrongChecksum(
            f"checking {path}",
            f"its SHA-256 is {found}, {origin} asks for {value}",
            "Take the file that was reviewed, or review it and renew the checksum.",
        )
