"""What a fit found, on one page: what was asked, what came of it, what else was seen, the road."""

import math
from collections.abc import Sequence
from html import escape

from eyebright import htmlpage
from eyebright.compression.fit import Budget, Fitted
from eyebright.compression.road import Point, Road
from eyebright.evaluation.compare import words
from eyebright.evaluation.drop import points as points_of
from eyebright.measure import machine

WIDTH, HEIGHT = 640, 300  # of a chart
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 16, 44
_STYLE = """
p.verdict { font-size: 1.15rem; }
.chosen td, .chosen th { font-weight: 600; }
circle.point { fill: Canvas; stroke: var(--line); stroke-width: 2; }
circle.chosen { fill: var(--line); }
line.budget { stroke: var(--second); stroke-width: 1.5; stroke-dasharray: 5 4; }
line.axis { stroke: var(--faint); }
div.charts { display: flex; flex-wrap: wrap; gap: 1rem; }
div.charts svg { flex: 1 1 18rem; max-width: 40rem; }
div.charts text { font-size: 1.15rem; }
div.wide, div.charts { margin-block: 1rem; }
"""


def page(fitted: Fitted, budget: Budget) -> str:
    """The page as text."""
    judged = fitted.judged
    body = f"""<header>
<h1>{escape(fitted.file.metadata.name)}: fitted to {escape(budget.words)}</h1>
<p class="verdict">{escape(judged.sentence)}</p>
<p>{escape(fitted.claim)}</p>
</header>
<main>
<h2>What was asked, what came</h2>
{_table("budget", ("", "asked", "came"), _asked(fitted, budget))}
<p>Time is the network alone, one picture, one thread, {escape(_where(budget))}. Below it is read from the clock on the
wall, which also runs while other programs have the processor.</p>
<h2>Beside the full network</h2>
<p>A is the full-size transfer in float, B what was written, on the pictures that nothing else looked at.</p>
{_table("figures", ("", "A", "B", "B - A", "p"), words.figure_rows(judged.found))}
{_table("costs", ("", "A", "B", ""), words.cost_rows(judged.before, judged.after))}
<p>{escape(words.flip_counts(judged.found))}</p>
<h2>All that was seen</h2>
<p>The main figure on the validation split, by which the best within the budget was chosen. It flatters what it chose a
little; the figures above do not.</p>
{_seen(fitted.road, budget, fitted.point.name)}
</main>"""
    return htmlpage.page(f"Fitted: {fitted.file.metadata.name}", body, _STYLE)


def page_of_refusal(sentence: str, road: Road, budget: Budget) -> str:
    """What was seen on a road that led to nothing within the budget."""
    body = f"""<header>
<h1>Not fitted to {escape(budget.words)}</h1>
<p class="verdict">{escape(sentence)}</p>
</header>
<main>
<h2>All that was seen</h2>
<p>The main figure on the validation split; time is the network alone, one picture, one thread,
{escape(_where(budget))}.</p>
{_seen(road, budget, "")}
</main>"""
    return htmlpage.page(f"Not fitted to {budget.words}", body, _STYLE)


def _seen(road: Road, budget: Budget, chosen: str) -> str:
    """Every point, and the road to them; `chosen` is the name of the one that was written."""
    points = list(road.points.values())
    return f"""{_charts(points, chosen, budget)}
{_points(points, chosen, budget)}
<h2>The road</h2>
<ol>{"".join(f"<li>{escape(step.said)}{_spent(step.seconds)}</li>" for step in road.state.steps)}</ol>"""


def _spent(seconds: float) -> str:
    return f" ({seconds / 60:.1f} min)" if seconds >= 30 else ""


def _where(budget: Budget) -> str:
    return f"as predicted for {budget.device.name}" if budget.device else f"measured on {machine()}"


def _asked(fitted: Fitted, budget: Budget) -> list[tuple[str, ...]]:
    whole, point = fitted.judged.verdict.whole, fitted.point
    size = f"{budget.size_bytes / 1e6:g} MB" if budget.size_bytes else "any"
    time = f"{budget.latency_ms:g} ms" if budget.latency_ms else "any"
    change = whole.change
    lost = f"{points_of(-change.value).lstrip('+')} ({points_of(-change.high)} to {points_of(-change.low)})"
    return [
        ("size", size, f"{point.size_bytes / 1e6:.2f} MB"),
        ("one picture, of the processor's time", time, f"{point.latency_ms:.2f} ms"),
        ("points lost", f"{100 * budget.allowed.whole:g}", lost),
    ]


def _table(what: str, header: Sequence[str], rows: Sequence[Sequence[str]], chosen: int = -1) -> str:
    heads = "".join(f"<th scope=col>{escape(name)}</th>" if name else "<td></td>" for name in header)
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        mark = " class=chosen" if number == chosen else ""
        lines.append(f"<tr{mark}><th scope=row>{escape(row[0])}</th>{cells}</tr>")
    return (
        f'<div class=wide tabindex=0 role=region aria-label="{escape(what)}"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _points(points: Sequence[Point], chosen: str, budget: Budget) -> str:
    rows = [
        (
            f"{number}. {point.name}{' (written)' if point.name == chosen else ''}",
            f"{point.figure.value:.3f} ({point.figure.low:.3f} to {point.figure.high:.3f})",
            f"{point.size_bytes / 1e6:.2f}",
            f"{point.latency_ms:.2f}",
            "; ".join(budget.over(point)) or "nothing",
        )
        for number, point in enumerate(points, 1)
    ]
    place = next((at for at, point in enumerate(points) if point.name == chosen), -1)
    return _table("points", ("model", "validation", "MB", "ms", "over the budget"), rows, place)


def _charts(points: Sequence[Point], chosen: str, budget: Budget) -> str:
    """Both costs, side by side; of a single point the table says all."""
    if len(points) < 2:
        return ""
    size = _chart(points, chosen, "size_bytes", 1e6, "MB", budget.size_bytes)
    time = _chart(points, chosen, "latency_ms", 1.0, "ms a picture", budget.latency_ms)
    return f"<div class=charts>{size}{time}</div>"


def _chart(points: Sequence[Point], chosen: str, key: str, unit: float, name: str, limit: float) -> str:
    """Points by what they cost, on a logarithmic axis, and how good they are."""
    costs = [getattr(point, key) / unit for point in points]
    values = [point.figure.value for point in points]
    every = [*costs, *([limit / unit] if limit else [])]
    low, high = math.log(min(every) * 0.9), math.log(max(every) * 1.1)
    bottom, top = max(min(values) - 0.03, 0), min(max(values) + 0.03, 1)

    def x(cost: float) -> float:
        return LEFT + (math.log(cost) - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - bottom) / ((top - bottom) or 1) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<line class=axis x1="{LEFT}" y1="{y(value):.1f}" x2="{WIDTH - RIGHT}" y2="{y(value):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>'
        for value in (bottom, (bottom + top) / 2, top)
    ]
    parts += [
        f'<text x="{x(cost):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{cost:.2g}</text>'
        for cost in sorted({min(costs), max(costs)})
    ]
    if limit:
        at = x(limit / unit)
        side, anchor = (5, "start") if at < WIDTH / 2 else (-5, "end")
        parts.append(
            f'<line class=budget x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text x="{at + side:.1f}" y="{TOP + 10}" text-anchor="{anchor}">budget</text>'
        )
    for number, (point, cost) in enumerate(zip(points, costs, strict=True), 1):
        mark = "point chosen" if point.name == chosen else "point"
        cx, cy = x(cost), y(point.figure.value)
        parts.append(
            f'<circle class="{mark}" cx="{cx:.1f}" cy="{cy:.1f}" r="6"/>'
            f'<text x="{cx:.1f}" y="{cy - 10:.1f}" text-anchor="middle">{number}</text>'
        )
    parts.append(f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{name}</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Validation figure against {name}; the table below '
        f'has the numbers">{"".join(parts)}</svg>'
    )
