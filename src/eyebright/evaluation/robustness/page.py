"""Robustness as one HTML page that is whole in itself: lines, the table behind them, what it looks like."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from eyebright import htmlpage
from eyebright.evaluation.robustness.corruptions import CORRUPTIONS, versions
from eyebright.evaluation.robustness.robustness import Robustness, finding
from eyebright.evaluation.robustness.sheet import small
from eyebright.modelfile import Figure
from eyebright.preprocessing import Pixels

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 360, 30, 124, 22, 30  # of the chart and around its lines; so narrow, a phone shows it
HEIGHT, LINE = 340, 16  # LINE: between names at the right
SIDE = 96  # of a small picture
COLORS = {
    "noise": "light-dark(#b3261e, #ff8a80)",
    "blur": "light-dark(#1769aa, #6db3f2)",
    "light": "light-dark(#7a5200, #ffc766)",
    "color": "light-dark(#7b2d8e, #d9a0ea)",
    "detail": "light-dark(#1e6b35, #7fd695)",
    "angle": "light-dark(#444444, #cccccc)",
}
STYLE = """
svg { width: 100%; max-width: 34rem; margin: 1rem 0; }
svg .faint { stroke: var(--faint); }
polyline { fill: none; stroke-width: 1.5; }
polyline.lead { stroke-width: .5; }
td small { display: block; opacity: .8; }
h3 { margin: 1rem 0 .3rem; }
""" + "".join(
    f".{name} {{ stroke: {color}; }} svg text.{name} {{ stroke: none; fill: {color}; }}\n"
    for name, color in COLORS.items()
)


def page(found: Robustness, title: str, about: str, pixels: Pixels, picture: str, seed: int = 0) -> str:
    """The page as text. `about` says what was judged; `pixels` (H, W, 3) is the example, `picture` its name."""
    body = f"""<main>
<h1>{escape(title)}: under noise, blur and bad light</h1>
<p>{escape(about)}</p>
<p>{escape(finding(found))}</p>
{chart(found)}
<h2>Figures</h2>
<p>{found.measure} with its 95% interval; a drop is the clean figure less the mean of a row, of the same pictures.</p>
{table(found)}
<h2>What it looks like</h2>
{examples(found, pixels, picture, seed)}
<p>The corruptions follow Hendrycks and Dietterich 2019 (arXiv:1903.12261), with strengths of Eyebright's own.</p>
</main>"""
    return htmlpage.page(f"{title}: robustness", body, STYLE)


def chart(found: Robustness) -> str:
    """A line a corruption, over the severities, with its name where it ends; what it shows is said in words too."""
    last = max(found.severities)
    all_values = [found.clean.value, *(figure.value for one in found.corruptions for figure in one.figures)]
    bottom = min(math.floor(min(all_values) * 10), 9)  # in tenths
    top = max(math.ceil(max(all_values) * 10), bottom + 1)

    def x(severity: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * severity / last

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (top - 10 * value) / (top - bottom)

    grid = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="faint"/>'
        f'<text x="{LEFT - 4}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.1f}</text>'
        for value in (tenths / 10 for tenths in range(bottom, top + 1))
    )
    marks = "".join(
        f'<text x="{x(severity):.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{severity or "clean"}</text>'
        for severity in (0, *found.severities)
    )
    ends = [y(one.figures[-1].value) for one in found.corruptions]
    lines = []
    for one, end, place in zip(found.corruptions, ends, apart(ends, LINE, TOP, HEIGHT - BOTTOM + 8), strict=True):
        values = [found.clean, *one.figures]
        points = " ".join(
            f"{x(severity):.1f},{y(figure.value):.1f}"
            for severity, figure in zip((0, *found.severities), values, strict=True)
        )
        color = CORRUPTIONS[one.name].family
        right = WIDTH - RIGHT
        lines.append(
            f'<polyline points="{points}" class="{color}"/>'
            f'<polyline points="{right},{end:.1f} {right + 12},{place:.1f}" class="lead {color}"/>'
            f'<text x="{right + 15}" y="{place + 4:.1f}" class="{color}">{one.name}</text>'
        )
    label = f"Over severity, a line a corruption: {finding(found)}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">{grid}{marks}'
        f'<text x="{LEFT}" y="13" class="name">{found.measure}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">severity</text>{"".join(lines)}</svg>'
    )


def apart(wanted: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones, in their order, so far from each other, and between two ends where they fit.

    >>> apart([10, 11, 40], 5, 0, 42)
    [8.0, 13.0, 40.0]
    """
    order = np.argsort(wanted, kind="stable")
    steps = least * np.arange(len(order))
    level = np.asarray(wanted, np.float64)[order] - steps  # these may not fall: the nearest that do not are block means
    blocks: list[list[float]] = []
    for value in level.tolist():
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    placed = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks]) if blocks else np.zeros(0)
    placed = np.maximum(np.minimum(placed, high - (steps[-1] if len(steps) else 0)), low) + steps
    found = np.empty(len(order))
    found[order] = placed
    return [float(place) for place in found]


def table(found: Robustness) -> str:
    """Rows are corruptions, columns severities, then the mean and what it is less than clean."""
    heads = "".join(f"<th scope=col>{severity}</th>" for severity in found.severities)
    rows = [
        f"<tr><th scope=row>{one.name}</th>{_cells(one.figures)}{_cells([one.mean, one.drop])}</tr>"
        for one in found.corruptions
    ]
    rows.append(f"<tr><th scope=row>all</th>{_cells(found.means)}{_cells([found.mean, found.drop])}</tr>")
    name = f"{found.measure} by corruption and severity"
    return (
        f'<div class=wide role=region tabindex=0 aria-label="{name}"><table>'
        f"<caption>clean: {_cell(found.clean)}</caption>"
        f"<thead><tr><th scope=col class=text>severity</th>{heads}"
        f"<th scope=col>mean</th><th scope=col>drop</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def examples(found: Robustness, pixels: Pixels, picture: str, seed: int) -> str:
    """One picture under all that was done."""
    names = [one.name for one in found.corruptions]
    clean, *spoiled = versions(pixels, picture, names, found.severities, seed)
    parts = [f"<figure>{htmlpage.image(small(clean, SIDE), picture, SIDE)}<figcaption>clean</figcaption></figure>"]
    for at, name in enumerate(names):
        kind = CORRUPTIONS[name]
        entries = []
        for severity, version in zip(found.severities, spoiled[at * len(found.severities) :], strict=False):
            alt = f"{picture} under {name}, severity {severity}"
            said = f"{severity}: {kind.strengths[severity - 1]:g}"
            image = htmlpage.image(small(version, SIDE), alt, SIDE)
            entries.append(f"<li><figure>{image}<figcaption>{said}</figcaption></figure></li>")
        parts.append(f"<h3>{name} ({kind.unit})</h3><ul class=pictures>{''.join(entries)}</ul>")
    return "\n".join(parts)


def _cells(figures: Sequence[Figure]) -> str:
    return "".join(f"<td>{_cell(figure)}</td>" for figure in figures)


def _cell(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} <small>{figure.low:.3f} to {figure.high:.3f}</small>"
