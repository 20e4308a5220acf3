"""Accuracy against what it costs, on a logarithmic axis: the same chart as SVG for a page and as PNG for a letter.

Points on the frontier are filled, numbered and joined; those that are beaten are hollow; float is round, int8 square;
a cross was stopped on the way. A whisker goes from the lowest to the highest seed.
"""

import io
import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from eyebright.compression.frontier.points import INT8, Point, staircase
from eyebright.compression.frontier.words import ordered, spread, status, told

WIDTH, HEIGHT = 480, 340
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 26, 46
SIDE = 5.0  # half of a mark
INK, LINE, FAINT, PAPER = "#222222", "#1769aa", "#cccccc", "#ffffff"
COSTS = {"latency_ms": ("milliseconds a picture, one thread", 1.0), "size_bytes": ("MB of the model file", 1e-6)}
LEGEND = "filled and numbered: on the frontier; hollow: beaten; cross: stopped; round: float; square: int8"
STYLE = """
.frontier { min-width: 24rem; max-width: 46rem; width: 100%; }
.frontier .grid { stroke: var(--faint); fill: none; }
.frontier .joined { fill: none; stroke: var(--line); stroke-width: 1.5; }
.frontier .whisker { stroke: var(--line); stroke-width: 1.5; }
.frontier .mark { fill: Canvas; stroke: var(--line); stroke-width: 1.5; }
.frontier .on { fill: var(--line); }
table th[scope=row] { white-space: nowrap; }
.frontier .end { text-anchor: end; } .frontier .middle { text-anchor: middle; }
"""


class Mark(NamedTuple):
    """A point where it is drawn, in pixels."""

    x: float
    y: float
    low: float
    high: float
    """Ends of its whisker."""
    kind: str
    """frontier, beaten or stopped."""
    square: bool
    number: str
    said: str


class Chart(NamedTuple):
    """Everything that is drawn, in pixels of a WIDTH x HEIGHT chart."""

    marks: list[Mark]
    joined: list[tuple[float, float]]
    across: list[tuple[float, str]]
    down: list[tuple[float, str]]
    x_name: str
    y_name: str


def chart(points: Sequence[Point], frontier: Sequence[Point], cost: str, measure: str) -> Chart:
    """The points by what they cost (`latency_ms` or `size_bytes`) and what they are worth on the test split."""
    name, unit = COSTS[cost]
    costs = {one.name: getattr(one, cost) * unit for one in points}
    ends = {one.name: spread(one) or (worth(one), worth(one)) for one in points}
    left, right = math.log(min(costs.values()) / 1.15), math.log(max(costs.values()) * 1.15)
    low, high = min(low for low, _ in ends.values()), max(high for _, high in ends.values())
    room = max((high - low) * 0.06, 0.005)
    low, high = max(low - room, 0.0), min(high + room, 1.0)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log(value) - left) / (right - left)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    marks = []
    for number, one in enumerate(ordered(points, frontier), 1):
        here = ends[one.name]
        kind = status(one, frontier)
        shown = str(number) if kind == "frontier" else ""
        marks.append(
            Mark(x(costs[one.name]), y(worth(one)), y(here[0]), y(here[1]), kind, one.bits == INT8, shown, told(one))
        )
    joined = [(x(costs[one.name]), y(worth(one))) for one in staircase(frontier, cost)]
    across = [(x(value), f"{value:g}") for value in round_numbers(math.exp(left), math.exp(right))]
    down = [(y(value), f"{value:.3f}") for value in (low + (high - low) * step / 4 for step in range(5))]
    return Chart(marks, joined, across, down, name, f"{measure} on the test split")


def worth(point: Point) -> float:
    """How high it stands: on the test split, the mean over the seeds; on validation before that was opened."""
    return sum(point.test) / len(point.test) if point.test else point.validation


def round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 and their tens between two numbers; more of them where these are few.

    >>> round_numbers(0.4, 6), round_numbers(0.9, 1.7), round_numbers(2.11, 2.19)
    ([0.5, 1.0, 2.0, 5.0], [1.0, 1.2, 1.5], [2.15])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ("1 2 5", "1 1.2 1.5 2 2.5 3 4 5 6 8"):
        found = [float(f"{digit}e{power}") for power in powers for digit in digits.split()]
        inside = [value for value in found if low <= value <= high]
        if len(inside) > 1:
            return inside
    return inside or [float(f"{(low + high) / 2:.3g}")]


def svg(drawn: Chart, said: str) -> str:
    """A chart for a page; `said` is what it shows, for whoever cannot see it."""
    parts = [
        f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        f'<text class="middle" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}">{text}</text>'
        for x, text in drawn.across
    ]
    parts += [
        f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{text}</text>'
        for y, text in drawn.down
    ]
    parts.append(
        f'<text class="middle" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}">{escape(drawn.x_name)}</text>'
    )
    parts.append(f'<text x="8" y="14">{escape(drawn.y_name)}</text>')
    if len(drawn.joined) > 1:
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in drawn.joined)
        parts.append(f'<path class="joined" d="M{way}"/>')
    parts += [mark_svg(mark) for mark in reversed(drawn.marks)]  # the frontier on top
    return (
        f'<svg class="frontier" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def mark_svg(mark: Mark) -> str:
    x, y, style = mark.x, mark.y, "mark on" if mark.kind == "frontier" else "mark"
    whisker = (
        f'<path class="whisker" d="M{x - 3:.1f} {mark.low:.1f}h6M{x:.1f} {mark.low:.1f}V{mark.high:.1f}m-3 0h6"/>'
        if mark.low != mark.high
        else ""
    )
    if mark.kind == "stopped":
        shape = f'<path class="mark" d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"/>'
    elif mark.square:
        shape = f'<rect class="{style}" x="{x - SIDE:.1f}" y="{y - SIDE:.1f}" width="{2 * SIDE}" height="{2 * SIDE}"/>'
    else:
        shape = f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{SIDE}"/>'
    number = f'<text x="{x + 8:.1f}" y="{y - 6:.1f}">{mark.number}</text>' if mark.number else ""
    return f"<g><title>{escape(mark.said)}</title>{whisker}{shape}{number}</g>"


def png(charts: Sequence[Chart], names: Sequence[str]) -> bytes:
    """The charts under one another at twice the size, then the names of the numbered points."""
    scale, line = 2, 30
    tall = scale * HEIGHT * len(charts) + line * (len(names) + 3)
    sheet = Image.new("RGB", (scale * WIDTH, tall), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(21)
    for at, drawn in enumerate(charts):
        top = scale * HEIGHT * at
        draw_chart(draw, drawn, top, scale, font)
    top = scale * HEIGHT * len(charts) + line // 2
    first, _, rest = LEGEND.partition("; cross")
    for at, text in enumerate([f"{number}  {name}" for number, name in enumerate(names, 1)] + [first, "cross" + rest]):
        draw.text((scale * 12, top + line * at), text, INK, font)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def draw_chart(
    draw: ImageDraw.ImageDraw,
    drawn: Chart,
    top: int,
    scale: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        return scale * x, top + scale * y

    for x, text in drawn.across:
        draw.line([at(x, TOP), at(x, HEIGHT - BOTTOM)], FAINT, 2)
        draw.text(at(x, HEIGHT - BOTTOM + 5), text, INK, font, anchor="mt")
    for y, text in drawn.down:
        draw.line([at(LEFT, y), at(WIDTH - RIGHT, y)], FAINT, 2)
        draw.text(at(LEFT - 6, y), text, INK, font, anchor="rm")
    draw.text(at((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8), drawn.x_name, INK, font, anchor="ms")
    draw.text(at(8, 4), drawn.y_name, INK, font)
    if len(drawn.joined) > 1:
        draw.line([at(x, y) for x, y in drawn.joined], LINE, 3)
    for mark in reversed(drawn.marks):
        x, y = mark.x, mark.y
        if mark.low != mark.high:
            draw.line([at(x, mark.low), at(x, mark.high)], LINE, 3)
            for end in (mark.low, mark.high):
                draw.line([at(x - 3, end), at(x + 3, end)], LINE, 3)
        box = [*at(x - SIDE, y - SIDE), *at(x + SIDE, y + SIDE)]
        if mark.kind == "stopped":
            draw.line([at(x - 4, y - 4), at(x + 4, y + 4)], LINE, 3)
            draw.line([at(x - 4, y + 4), at(x + 4, y - 4)], LINE, 3)
        else:
            shape = draw.rectangle if mark.square else draw.ellipse
            shape(box, LINE if mark.kind == "frontier" else PAPER, LINE, width=3)
        draw.text(at(x + 8, y - 18), mark.number, INK, font)
