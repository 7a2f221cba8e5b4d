# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench's rows as JSON, as a table and as a plot.

python3 -m bench.report      write docs/bench.md and docs/bench.svg from build/bench.json
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from fleet import CHECKOUT

from .rows import BLIND, BLIND_PAUSED, NAIVE, SKETCH, TWICE_COMPRESSED, Row

RESULT = CHECKOUT / "build" / "bench.json"
_DOCS = CHECKOUT / "docs"
_TODAY = (BLIND, BLIND_PAUSED, NAIVE, SKETCH, TWICE_COMPRESSED)

_PAGE = Path(__file__).with_name("page.md")
_ROW_HEIGHT = 18
_LEFT, _RIGHT, _WIDTH = 430, 20, 1000
_TOP = 50
# The plot's range: a hundredth of a bar to a hundred bars.
_DECADES = (-2, 2)
_COLOURS = {
    "ours": "#0b6",
    BLIND: "#d55",
    BLIND_PAUSED: "#e90",
    NAIVE: "#66c",
    SKETCH: "#39c",
    TWICE_COMPRESSED: "#888",
}


def write_result(rows: Sequence[Row], seconds: float) -> None:
    """Write the JSON."""
    RESULT.parent.mkdir(exist_ok=True)
    document = {"seconds": round(seconds), "rows": [asdict(row) for row in rows]}
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


def render_table(rows: Sequence[Row]) -> str:
    """A table in Markdown, a line for each row, in the order of their keys."""
    titles = ["figure", "payload", "seed", "value", "bar", "", *_TODAY]
    lines = [titles, ["---"] * len(titles)]
    lines += [_cells(row) for row in sorted(rows, key=lambda row: (row.key, row.payload, row.seed))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def render_plot(rows: Sequence[Row]) -> str:
    """An SVG with a line for each row: ours and today's ways as shares of the bar, on a log scale."""
    ordered = sorted(rows, key=lambda row: (row.key, row.payload, row.seed))
    height = _TOP + _ROW_HEIGHT * len(ordered) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}">',
        "<style>text {font: 11px sans-serif}</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        *_legend(),
        *_scale(height),
    ]
    for number, row in enumerate(ordered):
        parts += _dots(row, _TOP + _ROW_HEIGHT * number + _ROW_HEIGHT // 2)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _cells(row: Row) -> list[str]:
    today = [_number(row.today[name]) if name in row.today else "" for name in _TODAY]
    unit = "" if row.unit == "ratio" else f" {row.unit}"
    verdict = "" if row.met else "**missed**"
    least = "" if row.least is None else f"{row.least:g} to "
    asked = f"{least}{row.most:g}{unit}"
    return [f"`{row.key}`", row.payload, str(row.seed), _number(row.value), asked, verdict, *today]


def _number(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _legend() -> list[str]:
    parts = []
    for number, (name, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + number * 110
        parts.append(f'<circle cx="{x}" cy="12" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 8}" y="16">{escape(name)}</text>')
    return parts


def _scale(height: int) -> list[str]:
    parts = []
    for decade in range(_DECADES[0], _DECADES[1] + 1):
        x, colour = _x(10.0**decade), "#000" if decade == 0 else "#ddd"
        parts.append(f'<line x1="{x}" x2="{x}" y1="{_TOP}" y2="{height - 10}" stroke="{colour}"/>')
        label = "the bar" if decade == 0 else f"{10.0**decade:g} x"
        parts.append(f'<text x="{x}" y="{_TOP - 8}" text-anchor="middle">{label}</text>')
    return parts


def _dots(row: Row, y: int) -> list[str]:
    missed = "" if row.met else ", missed"
    label = escape(f"{row.key}: {row.payload} ({row.seed}){missed}")
    parts = [f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{label}</text>']
    for name, value in {**row.today, "ours": row.value}.items():
        x, colour = _x(abs(value) / row.most), _COLOURS[name]
        parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}" fill-opacity="0.8"/>')
    return parts


def _x(share: float) -> float:
    """The place of a share of the bar; what is beyond the range stands at its end."""
    low, high = _DECADES
    decade = min(max(math.log10(share), low), high) if share > 0 else low
    return round(_LEFT + (decade - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT), 1)


def write_page() -> None:
    """Write the page and its plot from the result."""
    document = json.loads(RESULT.read_text())
    rows = [Row(**row) for row in document["rows"]]
    page = _PAGE.read_text().format(minutes=document["seconds"] / 60, table=render_table(rows))
    (_DOCS / "bench.md").write_text(page)
    (_DOCS / "bench.svg").write_text(render_plot(rows))


if __name__ == "__main__":
    write_page()
