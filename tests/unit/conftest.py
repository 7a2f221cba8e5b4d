# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all unit tests share."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from unit.fake_host import FakeHost

# The same examples every time, and no deadline on machines that are shared.
settings.register_profile("gates", derandomize=True, deadline=None)
settings.load_profile("gates")


@pytest.fixture
def host() -> Iterator[FakeHost]:
    """Give a node that is not there, and see that every expected command came."""
    fake = FakeHost()
    yield fake
    fake.assert_all_called()
