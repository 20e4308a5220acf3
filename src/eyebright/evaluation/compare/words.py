"""A comparison in words and rows: what the command line prints, and what its page shows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from eyebright.evaluation.answers import named
from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.compare.difference import Comparison, Difference, LabelDifference, Said
from eyebright.evaluation.metrics import MAIN
from eyebright.measure import Measured, latency, speedup
from eyebright.modelfile import Figure, Label, ModelFile, Task

SURE = 0.05
"""p under this is not taken for chance."""
Row = tuple[str, ...]


class Side(NamedTuple):
    """One of the two models, with what it said; its columns are those of A."""

    file: ModelFile
    scores: Floats
    said: Said
    measured: Measured


def verdict(found: Comparison) -> str:
    """Which is better, by the main figure of the task; and by nll, where only that tells."""
    main = MAIN[found.task] if MAIN[found.task] in found.figures else next(iter(found.figures))
    numbers = f"{main} of {_numbers(found.figures[main])}"
    if decided(found.figures[main]):
        return f"{_better(main, found)} is better: {numbers}."
    if not len(found.gained) and not len(found.lost):
        said = f"B is right just where A is, on all {found.pictures:,} pictures: {numbers}."
    else:
        said = f"{found.pictures:,} pictures do not tell which is better: {numbers}."
    if main != "nll" and decided(found.figures["nll"]):
        said += (
            f" But the scores of {_better('nll', found)} fit the truth better: nll of {_numbers(found.figures['nll'])}."
        )
    return said


def decided(one: Difference) -> bool:
    """Whether a difference is not taken for chance: p is small, and the interval agrees."""
    low, high = one.difference.low or 0, one.difference.high or 0
    return one.p < SURE and (low > 0 or high < 0)


def _numbers(one: Difference) -> str:
    return f"A {one.a.value:.3f}, B {one.b.value:.3f}, difference {change(one.difference)}, p {shown_p(one.p)}"


def _better(name: str, found: Comparison) -> str:
    return "B" if (found.figures[name].difference.value > 0) != (name == "nll") else "A"


def figure_rows(found: Comparison) -> list[Row]:
    """Name, A, B, B - A with its interval, p."""
    return [
        (name, f"{one.a.value:.3f}", f"{one.b.value:.3f}", change(one.difference), shown_p(one.p))
        for name, one in found.figures.items()
    ]


def label_rows(labels: Sequence[LabelDifference], words: Sequence[Label]) -> list[Row]:
    """Label, pictures, A, B, B - A with its interval, p, and a mark where the interval excludes 0."""
    return [
        (
            words[one.at].label,
            f"{one.pictures:,}",
            f"{one.a:.3f}",
            f"{one.b:.3f}",
            change(one.difference),
            shown_p(one.p),
            "*" if one.marked else "",
        )
        for one in labels
    ]


def by_chance(found: Comparison, labels: Sequence[Label]) -> str:
    """What to make of the labels that are marked: where many are looked at, chance marks some."""
    count, marked = len(found.labels), sum(label.marked for label in found.labels)
    if not marked:
        return f"None of {count:,} labels differs by more than its interval."
    left = [labels[label.at].label for label in found.labels if label.adjusted < SURE]
    differ = "label differs" if marked == 1 else "labels differ"
    return (
        f"* {marked:,} {differ} by more than the interval; of {count:,}, chance alone would mark about "
        f"{SURE * count:.1f}. Corrected for so many questions (Benjamini and Hochberg), "
        f"{f'these are left: {named(left)}' if left else 'none is left'}."
    )


def cost_rows(a: Side, b: Side) -> list[Row]:
    """Name, A, B, and a word on their ratio; what is not known is left out."""
    sides = a, b
    rows: list[Row] = [("size", *(f"{side.file.stored_bytes / 1e6:.2f} MB" for side in sides), "")]
    macs = [side.measured.macs for side in sides]
    if any(macs):
        rows.append(("multiply-adds", *("" if one is None else f"{one / 1e6:,.1f} M" for one in macs), ""))
    memory = [side.measured.memory_bytes for side in sides]
    if any(memory):
        rows.append(("memory", *("" if one is None else f"{one / 1e6:,.0f} MB" for one in memory), ""))
    if a.measured.turns_ms and b.measured.turns_ms:
        times = (f"{latency(side.measured).value:.2f} ms" for side in sides)
        rows.append(("one picture", *times, faster(speedup(a.measured, b.measured))))
    return rows


def faster(ratio: Figure) -> str:
    """How many times as fast B is, or how many times as long it takes, with quartiles.

    >>> faster(Figure(2.0, 1.9, 2.5)), faster(Figure(0.5, 0.4, 0.8))
    ('B is 2.00 times as fast (1.90 to 2.50)', 'B takes 2.00 times as long (1.25 to 2.50)')
    >>> faster(Figure(1.04, 0.9, 1.1))
    'no difference to be seen (1.04, 0.90 to 1.10)'
    """
    value, low, high = ratio.value, ratio.low or ratio.value, ratio.high or ratio.value
    if low <= 1 <= high:
        return f"no difference to be seen ({value:.2f}, {low:.2f} to {high:.2f})"
    if value >= 1:
        return f"B is {value:.2f} times as fast ({low:.2f} to {high:.2f})"
    return f"B takes {1 / value:.2f} times as long ({1 / high:.2f} to {1 / low:.2f})"


def how_measured(a: Side, b: Side) -> str:
    """What the costs are of, in a sentence."""
    runtimes = " and ".join(dict.fromkeys(side.measured.runtime for side in (a, b)))
    timed = "Time is the network alone, on one thread, in turns. " if a.measured.turns_ms else ""
    return f"{timed}Memory is the most that a process takes for one picture, with {runtimes}."


def flip_counts(found: Comparison) -> str:
    """How many answers change, in a sentence."""
    what = "answer" if found.task == "multi" else "picture"
    gained, lost = (f"{len(some):,}" for some in (found.gained, found.lost))
    of = "known answers" if found.task == "multi" else "pictures"
    agreed = found.agreement
    between = f" ({agreed.low:.3f} to {agreed.high:.3f})" if agreed.low is not None and agreed.high is not None else ""
    plural = "" if gained == "1" else "s"
    return (
        f"B gets {gained} {what}{plural} right that A gets wrong, and {lost} wrong that A gets right. Both say the "
        f"same of {agreed.value:.3f}{between} of the {of}."
    )


def truth(pair: Sequence[int], targets: Floats, task: Task, words: Sequence[Label]) -> str:
    """What is true where the two part: "shirt", for `multi` "no shoes"."""
    row, label = pair
    return f"{'no ' if task == 'multi' and targets[row, label] != 1 else ''}{words[label].label}"


def said(pair: Sequence[int], side: Side, task: Task, words: Sequence[Label]) -> str:
    """What a model said of it and how sure it was: "t-shirt 0.81", for `multi` "not shoes, 0.31"."""
    row, label = pair
    if task == "multi":
        return f"{'' if side.said[row, label] else 'not '}{words[label].label}, {side.scores[row, label]:.2f}"
    at = int(side.said[row].argmax())
    return f"{words[at].label} {side.scores[row, at]:.2f}"


def change(found: Any) -> str:
    """A difference (a Figure or an Interval) with its sign and interval."""
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def shown_p(p: float) -> str:
    """A chance in two digits.

    >>> shown_p(0.0312), shown_p(0.74), shown_p(1e-7)
    ('0.031', '0.74', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.2g}"
