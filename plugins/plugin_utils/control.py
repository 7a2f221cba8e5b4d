# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control-side plugins have in common: where paths are looked for, lists from strings."""

from __future__ import annotations

import os
import re
from typing import Any


def search_folders(playbook_folder: str) -> list[str]:
    """Return where relative paths are looked for: the current directory, then the playbook's."""
    return list(dict.fromkeys([os.getcwd(), os.path.abspath(playbook_folder)]))


def source_list(value: Any) -> list[Any]:
    """Return the entries of a list that may be given as one string, as surveys and ``-e`` do."""
    if value is None:
        return []
    if isinstance(value, str):
        return [part.strip() for part in re.split(r"[,\n]", value) if part.strip()]
    return list(value) if isinstance(value, (list, tuple)) else [value]
