# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis as the gates need it: the same examples every time, no deadline on shared machines."""

from hypothesis import settings

settings.register_profile("gates", derandomize=True, deadline=None)
settings.load_profile("gates")
