# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception family."""

from __future__ import annotations

from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError


def test_one_line() -> None:
    """What failed on what, cause, what is needed; line breaks and full stops are taken care of."""
    error = EdgefleetError("reading x", "first line\n  second line.", "Do this.")
    assert str(error) == "reading x: first line second line. Do this."
    assert str(EdgefleetError("reading x", "gone")) == "reading x: gone."
    assert error.details() == {}
