# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and counts in words."""

from __future__ import annotations

import pytest
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.readable import (
    readable_bytes,
    readable_count,
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
    ],
)
def test_bytes(count: int, text: str) -> None:
    """As people read them; what is little is still something."""
    assert readable_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (30, "30 images")]
)
def test_counts(count: int, text: str) -> None:
    """One is one."""
    assert readable_count(count, "image") == text
