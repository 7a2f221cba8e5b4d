# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums of locks, as values and as files of sha256sum."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.checksum import (
    WrongChecksum,
    check_content,
    checksum_of,
    parse_checksum_file,
    parse_checksum_value,
)

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("text", "value"),
    [(A, A), (f" {A.upper()}\n", A), (f"sha256:{A}", A), (f"sha512:{A}", None), (A[1:], None),
     (A + "a", None), ("", None), ("site.lock.sha256", None)],
)  # fmt: skip
def test_values(text: str, value: str | None) -> None:
    assert parse_checksum_value(text) == value


@pytest.mark.parametrize(
    "text",
    [
        f"{A}\n",
        f"{A}  site.lock.yml\n",
        f"{A} *site.lock.yml",
        f"{B}  other.yml\n{A}  ./locks/site.lock.yml\n",
        f"# ours\n{A.upper()}  site.lock.yml\r\n{A}  site.lock.yml\n",
    ],
)
def test_files(text: str) -> None:
    assert parse_checksum_file(text, "site.lock.yml", "sums") == A


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", "no"),
        (f"{A}  other.yml", "no"),
        (f"{A}  site.lock.yml\n{B}  site.lock.yml", "2"),
        (f"{A}  site.lock.yml\n{B}", "2"),
        (f"{A} site.lock.yml", "no"),
    ],
)
def test_files_that_do_not_say(text: str, count: str) -> None:
    with pytest.raises(WrongChecksum) as caught:
        parse_checksum_file(text, "site.lock.yml", "sums")
    assert str(caught.value) == (
        f"reading the checksum sums: it has {count} SHA-256 values for site.lock.yml."
        " Write it with sha256sum."
    )


def test_content() -> None:
    """Byte by byte, line breaks included."""
    value = hashlib.sha256(b"a: 1\r\n").hexdigest()
    check_content(checksum_of(b"a: 1\r\n"), value, "site.lock.yml", "sums")
    with pytest.raises(
        WrongChecksum, match=f"^checking site.lock.yml: its SHA-256 is .*, sums asks for {value}"
    ):
        check_content(checksum_of(b"a: 1\n"), value, "site.lock.yml", "sums")
