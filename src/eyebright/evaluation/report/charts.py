"""Charts as SVG for a page: drawn in the page's colors, with a text for whoever cannot see them.

Values are plain numbers; each chart takes `said`, one sentence that tells what it shows.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 480, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 14, 46
CELL, NAMES = 26, 110
"""Of a matrix: pixels a cell, and for the names beside it."""

STYLE = """
.chart { width: 100%; max-width: 34rem; }
.chart .axis, .chart .grid { stroke: var(--faint); fill: none; }
.chart .ideal { stroke: currentColor; opacity: .5; stroke-dasharray: 4 4; fill: none; }
.chart .line { fill: none; stroke: var(--line); stroke-width: 2; }
.chart .second { stroke: var(--second); stroke-dasharray: 6 3; }
.chart .spread { stroke: var(--line); stroke-width: 1.5; opacity: .6; }
.chart .point { fill: var(--line); }
.chart .cell { fill: var(--line); }
.chart .right { fill: var(--second); }
.chart .end { text-anchor: end; } .chart .middle { text-anchor: middle; }
.matrix { min-width: 26rem; }
.matrix text { font-size: 11px; }
"""


class Series(NamedTuple):
    """A line, or with `spread` points that have an interval; x and y in the axes' units."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[tuple[float, float]] = ()


class Axis(NamedTuple):
    name: str
    low: float = 0.0
    high: float = 1.0

    def ticks(self) -> list[float]:
        """Five values, both ends among them."""
        return [self.low + (self.high - self.low) * step / 4 for step in range(5)]


def plot(series: Sequence[Series], x: Axis, y: Axis, said: str, ideal: bool = False) -> str:
    """Lines or points over two axes; `ideal` draws where both are equal. The second series is dashed."""

    def at(value: float, axis: Axis, start: float, length: float) -> float:
        share = (value - axis.low) / (axis.high - axis.low or 1)
        return start + length * min(max(share, 0), 1)

    def across(value: float) -> float:
        return at(value, x, LEFT, WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        return at(value, y, HEIGHT - BOTTOM, TOP + BOTTOM - HEIGHT)

    parts = []
    for value in x.ticks():
        parts.append(f'<path class="grid" d="M{across(value):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="middle" x="{across(value):.1f}" y="{HEIGHT - BOTTOM + 16}">{value:.3g}</text>')
    for value in y.ticks():
        parts.append(f'<path class="grid" d="M{LEFT} {down(value):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="end" x="{LEFT - 6}" y="{down(value) + 4:.1f}">{value:.3g}</text>')
    parts.append(f'<text class="middle" x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}">{escape(x.name)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text class="middle" transform="translate(12 {middle}) rotate(-90)">{escape(y.name)}</text>')
    if ideal:
        low, high = max(x.low, y.low), min(x.high, y.high)
        parts.append(f'<path class="ideal" d="M{across(low)} {down(low)}L{across(high)} {down(high)}"/>')
    for number, one in enumerate(series):
        style = "line second" if number else "line"
        points = [(across(a), down(b)) for a, b in zip(one.x, one.y, strict=True)]
        for (a, _), (low, high) in zip(points, one.spread, strict=False):
            parts.append(f'<path class="spread" d="M{a:.1f} {down(low):.1f}V{down(high):.1f}"/>')
        if one.spread:
            parts += [
                f'<circle class="point" cx="{a:.1f}" cy="{b:.1f}" r="4"><title>{u:.3f}, {v:.3f}</title></circle>'
                for (a, b), u, v in zip(points, one.x, one.y, strict=True)
            ]
        elif points:
            way = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
            parts.append(f'<path class="{style}" d="M{way}"><title>{escape(one.name)}</title></path>')
        if len(series) > 1:
            parts.append(_key(number, one.name, style))
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {labeled(said)}>{"".join(parts)}</svg>'


def _key(number: int, name: str, style: str) -> str:
    """A line of the legend, in the lower right corner."""
    y = HEIGHT - BOTTOM - 14 - 18 * number
    right = WIDTH - RIGHT - 8
    return (
        f'<path class="{style}" d="M{right - 26} {y}H{right}"/>'
        f'<text class="end" x="{right - 32}" y="{y + 4}">{escape(name)}</text>'
    )


def matrix(rows: Sequence[Sequence[int]], names: Sequence[str], said: str) -> str:
    """Counts (L, L), rows what is true and columns what was said, darker where a larger share of the row is."""
    count = len(names)
    size = NAMES + CELL * count
    parts = []
    for at, (name, row) in enumerate(zip(names, rows, strict=True)):
        total = max(sum(row), 1)
        y = NAMES + CELL * at
        short = name if len(name) <= 16 else name[:15] + "…"
        parts.append(f'<text class="end" x="{NAMES - 6}" y="{y + 17}">{escape(short)}</text>')
        parts.append(
            f'<text transform="translate({NAMES + CELL * at + 16} {NAMES - 6}) rotate(-60)">{escape(short)}</text>'
        )
        for other, number in enumerate(row):
            if number:
                x, right = NAMES + CELL * other, at == other
                told = f"{number} of {total} {name}: {'right' if right else f'taken for {names[other]}'}"
                parts.append(
                    f'<rect class="cell{" right" if right else ""}" x="{x}" y="{y}" width="{CELL - 2}" '
                    f'height="{CELL - 2}" fill-opacity="{0.15 + 0.85 * number / total:.2f}">'
                    f"<title>{escape(told)}</title></rect>"
                )
    wide = size + 40
    return (
        f'<svg class="chart matrix" viewBox="0 0 {wide} {size}" style="max-width: {wide}px" role="img" '
        f"{labeled(said)}>{''.join(parts)}</svg>"
    )


def labeled(said: str) -> str:
    return f'aria-label="{escape(said, quote=True)}"'
