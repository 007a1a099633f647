"""The figures of the pipeline as one SVG picture: CPU time per event and events per second, by arm, on log scales."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.report import FOLDER

LABEL_WIDTH: Final = 150
PANEL_WIDTH: Final = 560
ROW: Final = 26
HEAD: Final = 56
COLOURS: Final = {"ours": "#1a7f5a", "other": "#9aa7b4"}
PANELS: Final = (
    ("router_us", "CPU of the router, us an event (less is better)"),
    ("events_per_second", "events a second"),
)

Bar = tuple[str, float, float, float]
"""Arm, median, least, greatest."""


def main() -> None:
    """Draw the last report."""
    target = Path(__file__).parents[2] / "docs" / "benchmarks" / "pipeline.svg"
    target.parent.mkdir(exist_ok=True)
    figures = [json.loads(line) for line in (FOLDER / "pipeline.jsonl").read_text().splitlines()]
    target.write_text(picture([(title, _bars(figures, name)) for name, title in PANELS]))
    print(f"drawn: {target}")


def picture(panels: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """One panel below the other. A whisker shows the least and the greatest round."""
    height = sum(HEAD + ROW * len(bars) for _, bars in panels) + 10
    width = LABEL_WIDTH + PANEL_WIDTH + 110
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    top = 0
    for title, bars in panels:
        parts += _panel(title, bars, top)
        top += HEAD + ROW * len(bars)
    return "\n".join([*parts, "</svg>", ""])


def _bars(figures: Sequence[dict[str, object]], name: str) -> list[Bar]:
    found: list[Bar] = []
    for figure in figures:
        _, arm, *rest = str(figure["name"]).split(".")
        if rest == [name]:
            median, least, greatest = (float(str(figure[key])) for key in ("value", "min", "max"))
            found.append((arm, median, least, greatest))
    return sorted(found, key=lambda bar: bar[1])


def _panel(title: str, bars: Sequence[Bar], top: int) -> Iterator[str]:
    yield f'<text x="12" y="{top + 24}" font-weight="bold">{escape(title)}</text>'
    low = 10 ** math.floor(math.log10(min(bar[2] for bar in bars)))
    high = 10 ** math.ceil(math.log10(max(bar[3] for bar in bars)))

    def place(value: float) -> float:
        return LABEL_WIDTH + PANEL_WIDTH * math.log10(max(value, low) / low) / math.log10(high / low)

    bottom = top + HEAD + ROW * len(bars) - 6
    tick = low
    while tick <= high:
        x = place(tick)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + HEAD - 8}" y2="{bottom}" stroke="#dde3e8"/>'
        yield f'<text x="{x:.1f}" y="{top + HEAD - 12}" font-size="10" fill="#667" text-anchor="middle">{tick:g}</text>'
        tick *= 10
    for index, (arm, value, least, greatest) in enumerate(bars):
        y = top + HEAD + ROW * index
        colour = COLOURS["ours" if arm.startswith("ours") else "other"]
        yield f'<text x="{LABEL_WIDTH - 8}" y="{y + 14}" text-anchor="end">{escape(arm)}</text>'
        length = place(value) - LABEL_WIDTH
        yield f'<rect x="{LABEL_WIDTH}" y="{y + 2}" width="{length:.1f}" height="16" fill="{colour}"/>'
        middle = f'y1="{y + 10}" y2="{y + 10}"'
        yield f'<line x1="{place(least):.1f}" x2="{place(greatest):.1f}" {middle} stroke="#223" stroke-width="1.5"/>'
        yield f'<text x="{place(greatest) + 8:.1f}" y="{y + 14}">{value:,.{0 if value >= 100 else 1}f}</text>'


if __name__ == "__main__":
    main()
