# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and counts in words."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.readable import (
    readable_bytes,
    readable_count,
    readable_names,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1_550_000, "1.6 MB"),
        (2 * 10**9, "2.0 GB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (5 * 10**12, "5.0 TB"),
    ],
)
def test_bytes(count: int, text: str) -> None:
    """As people read them; what is little is still something."""
    assert readable_bytes(count) == text


def test_bytes_beside_others() -> None:
    """What is lacking can be seen in all figures, and what is little is still something."""
    assert readable_bytes(8_300_000_000, beside=200_000_000) == "8300.0 MB"
    assert readable_bytes(8192, beside=1) == "8192 bytes"
    assert readable_bytes(30_000_000, beside=10**12) == "30.0 MB"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (30, "30 images")]
)
def test_counts(count: int, text: str) -> None:
    """One is one."""
    assert readable_count(count, "image") == text


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a", "b"], "a, b"), (list("abcd"), "a, b and 2 more")]
)
def test_names(names: list[str], text: str) -> None:
    """The first of many, and how many more."""
    assert readable_names(names, 2) == text
