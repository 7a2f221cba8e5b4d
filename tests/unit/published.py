# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data as it is really published; tests/data/README.md says where it comes from."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
RELEASE = (DATA / "release-4.10-image-references.json").read_text()
CATALOG = (DATA / "fbc-descheduler-4.18.json").read_text()
MICROSHIFT = (DATA / "microshift-release-x86_64.json").read_text()
