# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages link to within the repository is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("roles/*/README.md")),
]
# The targets of links and pictures: in the text, at its end, and in HTML.
TARGET = re.compile(
    r"""\]\(<?([^)>\s]+)|^\[[^\]]+\]:\s*(\S+)|\b(?:href|src)="([^"]+)["]""", re.MULTILINE
)


def links(text: str) -> list[str]:
    """Return the relative targets of a page, without the places within them."""
    targets = ["".join(groups).partition("#")[0] for groups in TARGET.findall(text)]
    return [one for one in targets if one and ":" not in one]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Whoever follows one finds a file or a folder."""
    missing = [one for one in links(page.read_text()) if not (page.parent / one).exists()]
    assert missing == []


def test_links_are_found() -> None:
    """In each of the forms that Markdown has for them; other sites' are not looked at."""
    text = (
        '[a](b.md) [c](../d.md#e) [f](#g) [h](https://x.example/i) ![j](k.svg "l") [`m`](<n.md>)\n'
        '[o]: p.md\n<a href="q.md"><img src="r.svg"></a>\n'
    )
    assert links(text) == ["b.md", "../d.md", "k.svg", "n.md", "p.md", "q.md", "r.svg"]
    assert links((ROOT / "README.md").read_text())
