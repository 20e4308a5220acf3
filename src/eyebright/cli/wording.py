"""Predictions for eyes and ears: bars and colors on a terminal, one sentence where lines are read aloud."""

import os
import sys

import click
from msgspec import UNSET

from eyebright.cli.options import one_line
from eyebright.recognize import Failure, Prediction

BAR = 24


def picture(result: Prediction | Failure, colors: bool) -> str:
    """A picture's name, what is in it, and bars; long lists of unsure labels are left to --format json."""

    def paint(text: str, **style: object) -> str:
        return click.style(text, **style) if colors else text  # type: ignore[arg-type]

    name = paint(title(result), bold=True)
    if isinstance(result, Failure):
        return f"{name}  {paint('not read: ' + one_line(result.error.message), fg='red')}\n"
    head = f"{name}  {paint(headline(result), fg='green' if result.summary else 'yellow')}\n"
    if result.start_s is not UNSET:
        return head
    said = result.summary.id if result.summary else None
    rows = [*result.labels, *(parent for parent in result.parents if parent.id == said)]
    rows.sort(key=lambda row: -row.score)
    labels = [one_line(row.label) for row in rows]
    width = max(map(len, labels))
    lines = [
        f"  {label:<{width}}  {bar(row.score)}  {row.score:.2f}\n"
        for label, row in zip(labels, rows, strict=True)
        if row.score >= 0.005
    ]
    return head + "".join(lines)


def sentence(result: Prediction | Failure) -> str:
    """One line that can be read aloud."""
    if isinstance(result, Failure):
        return f"{title(result)}: not read: {one_line(result.error.message)}\n"
    others = ", ".join(f"{one_line(row.label)} {row.score:.0%}" for row in result.labels[:3])
    return f"{title(result)}: {headline(result, words=True)}. Scores: {others}.\n"


def headline(result: Prediction, words: bool = False) -> str:
    """What is said of a picture, with how sure that is."""
    if result.set is not UNSET and result.reason != "none_of_these":
        label_of = {row.id: row.label for row in result.labels}
        inside = [label_of[id] for id in result.set]
        return one_line(("one of: " if len(inside) > 1 else "") + ", ".join(inside))
    if result.summary:
        score = f", {result.summary.score:.0%} sure" if words else f" {result.summary.score:.2f}"
        on = [row.label for row in result.labels if row.on is True]
        return one_line(", ".join(on) or result.summary.label) + score
    return "none of the labels that this model knows" if result.reason == "none_of_these" else "not sure"


def title(result: Prediction | Failure) -> str:
    """The source, with the time where it is a part of one."""
    name = one_line(result.source) or "picture"
    if isinstance(result, Failure):
        return name
    if result.start_s is not UNSET and result.end_s is not UNSET:
        return f"{name} {clock(result.start_s)}-{clock(result.end_s)}"
    return name if result.time_s is UNSET else f"{name} {clock(result.time_s)}"


def bar(score: float) -> str:
    """A score, 0..1, as a bar in eighths of a character.

    >>> bar(0.5).rstrip() == "█" * 12
    True
    """
    eighths = round(score * BAR * 8)
    text = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = "#" * round(score * BAR)
    return text.ljust(BAR)


def clock(time_s: float) -> str:
    """A time in a video.

    >>> clock(75.25), clock(3600)
    ('1:15.2', '1:00:00.0')
    """
    minutes, seconds = divmod(int(time_s * 10) / 10, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"


def colors_wanted() -> bool:
    """Whether standard output is a terminal whose owner has not asked for none (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
