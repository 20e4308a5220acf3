"""The page of a frontier: two charts, what is worth saying, every figure in a table, each with the run it came from."""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from eyebright import htmlpage
from eyebright.compression.frontier import drawing
from eyebright.compression.frontier.points import Point
from eyebright.compression.frontier.state import State
from eyebright.compression.frontier.words import HEADER, MEASURES, ordered, rows
from eyebright.modelfile import Figure

CHARTS = {"latency_ms": "Against latency", "size_bytes": "Against size"}


def html(
    state: State, points: Sequence[Point], frontier: Sequence[Point], name: str, validation: int, test: int
) -> str:
    """The whole page; links lead into the folder beside it."""
    measure = MEASURES[state.measure]
    charts = "".join(
        f'<h2>{title}</h2><div class=wide tabindex=0 role=region aria-label="{title}">'
        f"{drawing.svg(drawing.chart(points, frontier, cost, measure), caption(points, frontier, cost, measure))}</div>"
        for cost, title in CHARTS.items()
    )
    says = "".join(f"<li>{escape(sentence)}</li>" for sentence in state.says)
    remarks = "".join(f"<li>{escape(sentence)}</li>" for sentence in state.remarks)
    columns = (*HEADER[:-1], "ms quartiles", "what became of it")
    heads = "".join(f"<th scope=col>{escape(head)}</th>" if head else "<td></td>" for head in columns)
    asked = state.asked
    body = f"""<main>
<h1>Frontier of {escape(name)}</h1>
<p>{len(state.networks)} networks, {len(points)} model files; mode {escape(asked.mode)}, passes over the pictures:
{state.epochs:g}. A point is on the frontier if no other one is at least as good on the validation split,
as small and as fast.</p>
<ul>{says}</ul>
{charts}
<p>The height is {escape(measure)} on the test split, with several seeds their mean, and the whisker goes from the
lowest to the highest of them. {escape(drawing.LEGEND[0].upper() + drawing.LEGEND[1:])}. The line joins what is best
for each cost.</p>
<h2>All points</h2>
<p>Validation decides ({validation:,} pictures, the mean over seeds); test reports ({test:,} pictures, the mean over
seeds, with the 95% interval of the first).</p>
<div class=wide tabindex=0 role=region aria-label="All points"><table>
<thead><tr>{heads}</tr></thead><tbody>{"".join(table(points, frontier))}</tbody></table></div>
{f"<h2>Remarks</h2><ul>{remarks}</ul>" if remarks else ""}
{early(state)}
{failures(state)}
<h2>How it was measured</h2>
<p>{escape(state.machine)}. One picture at a time on one thread, in turns with the first network, so that a machine
that grows slow is slow for all. Sizes are of the whole file, MB is 10<sup>6</sup> bytes.</p>
</main>"""
    return htmlpage.page(f"Frontier of {name}", body, drawing.STYLE)


def table(points: Sequence[Point], frontier: Sequence[Point]) -> list[str]:
    """A row of HTML a point."""
    found = []
    for point, row in zip(ordered(points, frontier), rows(points, frontier), strict=True):
        number, name, *cells, became = row
        link = f'<a href="points/{quote(point.network.name)}/report.html">{escape(name)}</a>'
        seeds = "".join(
            f' <a href="points/{quote(point.network.run(seed))}/report.html">{seed}</a>'
            for seed, run in sorted(point.network.runs.items())
            if seed and point.bits in run
        )
        cells[3] += f" (seeds{seeds})" if seeds else ""
        quartiles = interval(point.network.latencies.get(point.bits))
        why = f"{became} {escape(point.network.stopped.partition(' of ')[0])}" if became == "stopped" else became
        found.append(
            f"<tr><td>{number}</td><th scope=row>{link}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}"
            f"<td>{quartiles}</td><td class=text>{why}</td></tr>"
        )
    return found


def interval(figure: Figure | None) -> str:
    if figure is None or figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:.2f} to {figure.high:.2f}"


def early(state: State) -> str:
    """Networks that were stopped, and by which other."""
    items = "".join(f"<li>{escape(one.name)}: {escape(one.stopped)}</li>" for one in state.networks if one.stopped)
    return f"<h2>Stopped on the way</h2><ul>{items}</ul>" if items else ""


def failures(state: State) -> str:
    """Networks without a model file, and why."""
    items = "".join(
        f"<li>{escape(one.name)}: {escape(one.failed)}</li>" for one in state.networks if one.failed and not one.runs
    )
    return f"<h2>Not trained</h2><ul>{items}</ul>" if items else ""


def caption(points: Sequence[Point], frontier: Sequence[Point], cost: str, measure: str) -> str:
    """What a chart shows, in a sentence."""
    what = drawing.COSTS[cost][0]
    low, high = (end(map(drawing.worth, points)) for end in (min, max))
    names = ", ".join(one.name for one in ordered(points, frontier)[: len(frontier)])
    return f"{measure} from {low:.3f} to {high:.3f} against {what}; on the frontier: {names}"


def png(state: State, points: Sequence[Point], frontier: Sequence[Point]) -> bytes:
    """Both charts as a picture."""
    charts = [drawing.chart(points, frontier, cost, MEASURES[state.measure]) for cost in CHARTS]
    return drawing.png(charts, [one.name for one in ordered(points, frontier)[: len(frontier)]])
