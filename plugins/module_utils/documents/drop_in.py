# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in that pins: CRI-O configuration with nothing but ``pinned_images``."""

from __future__ import annotations

import json
from typing import Iterable

# The same path, and byte for byte the same form, as OpenShift's Machine Config Operator writes
# (pkg/daemon/pinned_image_set.go), so that both can be compared.
DEFAULT_PATH = "/etc/crio/crio.conf.d/50-pinned-images"
# Every user may read which images are pinned; the operator writes the file with this mode too.
MODE = 0o644
_HEAD = "[crio]\n  [crio.image]\n    pinned_images = "


def render_drop_in(references: Iterable[str]) -> str:
    """Render the drop-in for ``references``: sorted, each once, newline at the end.

    A JSON array of ASCII strings is a TOML array of basic strings, quotes and escapes included.
    """
    return f"{_HEAD}{json.dumps(sorted(set(references)))}\n"


def parse_drop_in(text: str) -> tuple[str, ...] | None:
    """Return the references of a drop-in that :func:`render_drop_in` wrote; None for any other."""
    if not text.startswith(_HEAD):
        return None
    try:
        references = json.loads(text[len(_HEAD) :])
    except (ValueError, RecursionError):
        return None
    if not isinstance(references, list) or not all(isinstance(one, str) for one in references):
        return None
    return tuple(references) if render_drop_in(references) == text else None


def comparable_drop_ins(before: str, after: str) -> tuple[str, str]:
    """Return two texts of a drop-in for people who compare them: a line for each reference.

    That is TOML of the same meaning. A text that :func:`render_drop_in` did not write stays as it
    is, and so do both where nothing else would show the difference.
    """
    shown = _readable(before), _readable(after)
    return (before, after) if shown[0] == shown[1] else shown


def _readable(text: str) -> str:
    references = parse_drop_in(text)
    if not references:
        return text
    lines = "".join(f"      {json.dumps(one)},\n" for one in references)
    return f"{_HEAD}[\n{lines}    ]\n"
