"""What a run was like, to look at: curves as a PNG, and one page that needs no network.

A point of a curve is (step, value); the loss is averaged over a few steps, since single ones jump.
"""

import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from eyebright import htmlpage
from eyebright.data import Dataset
from eyebright.evaluation import confusions, metrics
from eyebright.modelfile import Figure, Task
from eyebright.training.events import MEASURES
from eyebright.training.finish import Finished
from eyebright.training.recipe import Recipe

Curve = list[tuple[float, float]]
WIDTH, HEIGHT = 720, 240  # of one chart
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 30, 28  # around its lines
POINTS = 200  # of the loss
INK, LINE, FAINT, PAPER = "#222222", "#1769aa", "#cccccc", "#ffffff"
WORST = 12  # pairs of labels that were taken for each other


def curves(history: Sequence[dict[str, Any]], task: Task) -> dict[str, Curve]:
    """Training loss, validation loss and the task's measure, by their names, over the steps."""
    steps = np.array([event["step"] for event in history], np.float64)
    losses = np.array([event["loss"] for event in history], np.float64)
    judged = [event for event in history if event.get("judged")]
    found = {}
    if len(steps):
        parts = np.array_split(np.arange(len(steps)), min(POINTS, len(steps)))
        found["training loss"] = [(float(steps[part].mean()), float(losses[part].mean())) for part in parts]
    if judged:
        found["validation loss"] = [(event["step"], event["judged"]["loss"]) for event in judged]
        found[f"validation {MEASURES[task]}"] = [(event["step"], event["judged"]["value"]) for event in judged]
    return found


def kept_step(history: Sequence[dict[str, Any]]) -> int:
    """The step whose weights were judged best, and are the model's; 0: those of the beginning."""
    return max((event["step"] for event in history if event.get("best")), default=0)


def curves_png(history: Sequence[dict[str, Any]], task: Task) -> bytes:
    """The curves under one another, as a PNG; a ring is around the judgement whose weights were kept."""
    found, kept = curves(history, task), kept_step(history)
    page = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT * max(len(found), 1)), PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(24)
    for number, (name, curve) in enumerate(found.items()):
        down = 2 * HEIGHT * number
        chart = Chart(curve)
        draw.text((2 * LEFT, down + 12), name, INK, font)
        for value, text in chart.ticks():
            y = down + 2 * chart.y(value)
            draw.line([(2 * LEFT, y), (2 * (WIDTH - RIGHT), y)], FAINT, 2)
            draw.text((2 * LEFT - 10, y), text, INK, font, anchor="rm")
        draw.text((2 * (WIDTH - RIGHT), down + 2 * HEIGHT - 8), f"step {curve[-1][0]:,.0f}", INK, font, anchor="rs")
        points = [(2 * chart.x(step), down + 2 * chart.y(value)) for step, value in curve]
        if len(points) > 1:
            draw.line(points, LINE, 4, joint="curve")
        for x, y in points if len(points) <= 40 else points[-1:]:
            draw.ellipse([x - 5, y - 5, x + 5, y + 5], LINE)
        for (step, _), (x, y) in zip(curve, points, strict=True):
            if step == kept and "validation" in name:
                draw.ellipse([x - 12, y - 12, x + 12, y + 12], None, LINE, 3)
    data = io.BytesIO()
    page.save(data, "PNG")
    return data.getvalue()


class Chart:
    """Where a point of a curve lies, in pixels of a WIDTH x HEIGHT chart."""

    def __init__(self, curve: Curve) -> None:
        values = [value for _, value in curve]
        self.low, self.high = min(values), max(values)
        if self.high - self.low < 1e-9:
            self.low, self.high = self.low - 0.5, self.high + 0.5
        self.last = max(step for step, _ in curve)

    def x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / max(self.last, 1)

    def y(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - value) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Four values to draw lines at."""
        return [(value, f"{value:.3g}") for value in np.linspace(self.low, self.high, 4).tolist()]


def svg(name: str, curve: Curve, kept: int = 0) -> str:
    """One chart for a page; a point says its value when it is pointed at, and one at the step `kept` has a ring."""
    chart = Chart(curve)
    lines = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{chart.y(value):.1f}" y2="{chart.y(value):.1f}" class="faint"/>'
        f'<text x="{LEFT - 6}" y="{chart.y(value) + 4:.1f}" text-anchor="end">{text}</text>'
        for value, text in chart.ticks()
    )
    path = " ".join(f"{chart.x(step):.1f},{chart.y(value):.1f}" for step, value in curve)
    dots = "".join(
        f'<circle cx="{chart.x(step):.1f}" cy="{chart.y(value):.1f}" r="3"><title>step {step:,.0f}: {value:.4f}</title>'
        "</circle>"
        for step, value in (curve if len(curve) <= 40 else curve[-1:])
    )
    rings = "".join(
        f'<circle cx="{chart.x(step):.1f}" cy="{chart.y(value):.1f}" r="7" class="ring"/>'
        for step, value in curve
        if step == kept and "validation" in name
    )
    said = f"{name}: from {curve[0][1]:.3g} to {curve[-1][1]:.3g} over {curve[-1][0]:,.0f} steps"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">{lines}'
        f'<text x="{LEFT}" y="18" class="name">{escape(name)}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">step {chart.last:,.0f}</text>'
        f'<polyline points="{path}"/>{rings}{dots}</svg>'
    )


def page(finished: Finished, data: Dataset, recipe: Recipe, history: Sequence[dict[str, Any]]) -> str:
    """The report of a run as one HTML page."""
    card = finished.metadata.card
    part = data.part(finished.split)
    rows = "".join(
        f"<tr><th scope=row>{escape(key)}</th><td>{figure.value:.3f}</td><td>{interval(figure)}</td>"
        f"<td>{figure.n or ''}</td><td class=text>{escape(figure.method.partition('; ')[2])}</td></tr>"
        for key, figure in card.metrics.items()
    )
    kept = kept_step(history)
    charts = "".join(svg(name, curve, kept) for name, curve in curves(history, data.task).items())
    counts = data.counts()
    label_rows = "".join(
        f"<tr><th scope=row>{escape(label.label)}</th>"
        + "".join(f"<td>{counter[label.id]:,}</td>" for counter in counts.values())
        + (f"<td>{finished.metadata.thresholds[label.id]:.3f}</td>" if label.id in finished.metadata.thresholds else "")
        + "</tr>"
        for label in data.labels
    )
    heads = "".join(f"<th scope=col>{split}</th>" for split in counts)
    threshold = "<th scope=col>threshold</th>" if finished.metadata.thresholds else ""
    mixed = confused(finished, part)
    body = PAGE.format(
        title=escape(finished.metadata.name),
        description=escape(card.description),
        facts=escape(f"{card.data}. {'; '.join(card.lineage)}. Calibration: {card.calibration}."),
        split=f"on the {finished.split} split, {len(part.items):,} pictures"
        + ("" if finished.split == "test" else ", on which the training was also steered: take them for a little high"),
        rows=rows,
        charts=f"<h2>On the way</h2><p>{RING if kept else STAYED}</p>{charts}" if charts else "",
        mixed=f"<h2>Most often taken for another</h2><ol>{mixed}</ol>" if mixed else "",
        label_heads=heads + threshold,
        label_rows=label_rows,
        recipe=escape(recipe.write()),
    )
    return htmlpage.page(finished.metadata.name, body, STYLE)


def with_proof(html: str, sentence: str) -> str:
    """The page with what `--prove-resume` showed."""
    return html.replace(PROOF, f"<h2>Resuming</h2><p>{escape(sentence)}</p>")


def interval(figure: Figure) -> str:
    return "" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}"


def confused(finished: Finished, part: Dataset) -> str:
    """Which labels were taken for which, the commonest first, as list items."""
    if part.task == "multi":
        return ""
    names = [escape(label.label) for label in part.labels]
    return "".join(
        f"<li>{pair.times:,} of {pair.of:,} {names[pair.true]} were taken for {names[pair.said]}</li>"
        for pair in confusions.pairs(metrics.confusion(finished.scores, part.targets()), WORST)
    )


RING = "The ring is around the judgement whose weights were kept: the best on the validation split."
STAYED = "No judgement on the way was better than that of the head alone, so these weights were kept: it did not help."
PROOF = "<!-- proof -->"
STYLE = """
svg { width: 100%; margin: 1rem 0; }
svg .faint { stroke: var(--faint); }
polyline { fill: none; stroke: var(--line); stroke-width: 2; }
circle { fill: var(--line); }
circle.ring { fill: none; stroke: var(--line); stroke-width: 1.5; }
"""
PAGE = """<main>
<h1>{title}</h1>
<p>{description}</p>
<h2>How good it is</h2>
<p>Measured with the model file itself, {split}.</p>
<div class=wide tabindex=0 role=region aria-label="Figures"><table>
<thead><tr><td></td><th scope=col>value</th><th scope=col>95% interval</th><th scope=col>pictures</th>
<th scope=col class=text>how</th></tr></thead>
<tbody>{rows}</tbody>
</table></div>
{mixed}
{charts}
<!-- proof -->
<h2>Labels</h2>
<div class=wide tabindex=0 role=region aria-label="Labels"><table>
<thead><tr><td></td>{label_heads}</tr></thead><tbody>{label_rows}</tbody></table></div>
<h2>How it was made</h2>
<p>{facts}</p>
<details><summary>Recipe</summary><pre>{recipe}</pre></details>
</main>"""
