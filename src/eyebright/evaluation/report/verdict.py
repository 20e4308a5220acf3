"""What a judgement means, in sentences: how good it is, what at, whether its scores can be believed."""

from collections.abc import Iterator
from math import hypot
from statistics import NormalDist, median

from eyebright.evaluation.intervals import wilson
from eyebright.evaluation.judgement import Judgement
from eyebright.evaluation.metrics import hits
from eyebright.modelfile import Figure

SURE = 0.05
"""The p under which scores do not mean what they say."""
NAMED = 3


def headline(judgement: Judgement) -> str:
    """One sentence with the figure that counts most."""
    n = len(judgement.answers.items)
    figures, task = judgement.figures, judgement.metadata.task
    if task == "single":
        return f"It names {n:,} pictures, and is right in {percent(figures['top1'])}."
    if task == "binary" and "ap" in figures:
        return f"On {n:,} pictures it ranks yes before no with an average precision of {shown(figures['ap'])}."
    if task == "multi" and "map" in figures:
        return f"On {n:,} pictures its mean average precision over the labels is {shown(figures['map'])}."
    return f"On {n:,} pictures there is too little to say how good it is."


def sentences(judgement: Judgement) -> list[str]:
    """What it is good and bad at, the most important first."""
    return [
        *_beside_guessing(judgement),
        *_labels(judgement),
        *_mixed_up(judgement),
        *_levels(judgement),
        *_honesty(judgement),
        *_silence(judgement),
        *_slices(judgement),
    ]


def weaknesses(judgement: Judgement) -> list[str]:
    """Of these sentences, what warns: for the card."""
    p = judgement.figures.get("calibration_p")
    honest = p is None or p.value >= SURE
    return [
        *_labels(judgement, good_too=False),
        *_mixed_up(judgement),
        *(() if honest else _honesty(judgement)),
    ]


def _beside_guessing(judgement: Judgement) -> Iterator[str]:
    if judgement.metadata.task == "single":
        common = int(judgement.targets.sum(axis=0).argmax())
        share = float(judgement.targets[:, common].mean())
        yield f"Who always said {judgement.metadata.labels[common].label} would be right in {share:.1%}."
    elif judgement.metadata.task == "binary":
        share = float(judgement.targets[:, 1].mean())
        yes = judgement.metadata.labels[1].label
        yield f"{share:.1%} of the pictures are {yes}: chance has that average precision."


def _labels(judgement: Judgement, good_too: bool = True) -> Iterator[str]:
    """The labels that it surely does well, and those that it surely does badly, by recall or average precision.

    Recall is set against that of all other pictures, with intervals so wide that of all labels together one is named
    by chance in 5% of cases; average precision, which depends on how common a label is, against the median's.
    """
    task, labels = judgement.metadata.task, judgement.metadata.labels
    if task == "binary" or len(labels) < 2:
        return
    name = "ap" if task == "multi" else "recall"
    found = [
        (at, judgement.per_class[label.id][name])
        for at, label in enumerate(labels)
        if name in judgement.per_class[label.id]
    ]
    if len(found) < 2:
        return
    if task == "multi":
        middle = median(figure.value for _, figure in found)
        better = {at: ((figure.low or 0) > middle) - ((figure.high or 1) < middle) for at, figure in found}
    else:
        better = _beside_others(judgement, [at for at, _ in found])
    named = [(labels[at].label, figure, better[at]) for at, figure in found]
    good = [one[:2] for one in sorted(named, key=lambda one: -(one[1].low or 0)) if one[2] > 0]
    bad = [one[:2] for one in sorted(named, key=lambda one: one[1].high or 1) if one[2] < 0]
    what = "average precision" if name == "ap" else "found"
    if good and good_too:
        yield f"It is surely good at {listed(good, what)}."
    if bad:
        yield f"It is surely bad at {listed(bad, what)}."
    if good_too and not good and not bad:
        yield "Between its labels no difference is certain."


def _beside_others(judgement: Judgement, labels: list[int]) -> dict[int, int]:
    """1 where a label is surely found more often than the others are, -1 where less, else 0 (Newcombe 1998)."""
    right, true = hits(judgement.scores, judgement.targets), judgement.targets.argmax(axis=1)
    z = NormalDist().inv_cdf(1 - 0.025 / len(labels))
    found = {}
    for at in labels:
        own, others = right[true == at], right[true != at]
        here, there = (wilson(int(part.sum()), len(part), z) for part in (own, others))
        apart = here.value - there.value
        low = apart - hypot(here.value - here.low, there.high - there.value)
        high = apart + hypot(here.high - here.value, there.value - there.low)
        found[at] = int(low > 0) - int(high < 0)
    return found


def listed(found: list[tuple[str, Figure]], what: str) -> str:
    return ", ".join(f"{label} ({what} {shown(figure)})" for label, figure in found[:NAMED])


def _mixed_up(judgement: Judgement) -> Iterator[str]:
    labels = judgement.metadata.labels
    some = [
        f"{labels[pair.true].label} for {labels[pair.said].label} ({pair.times} of {pair.of})"
        for pair in judgement.pairs[:NAMED]
        if pair.times > 1
    ]
    if some:
        yield f"Most often it takes {', '.join(some)}."


def _levels(judgement: Judgement) -> Iterator[str]:
    related, wrong = judgement.related
    told_apart = [level for level in judgement.levels if level.groups > 1]
    if told_apart and wrong:
        top = told_apart[0]
        yield (
            f"Of {wrong:,} mistakes {related:,} stay in the family (the parent is right); between the {top.groups} "
            f"groups at the top it is right in {percent(top.right)}."
        )


def _honesty(judgement: Judgement) -> Iterator[str]:
    p = judgement.figures.get("calibration_p")
    if p is None:
        return
    if p.value >= SURE:
        yield f"Its scores mean what they say, as far as {p.n:,} pictures can tell (p = {p.value:.2g})."
        return
    gap = float((judgement.reliability.gap * judgement.reliability.answers).sum() / judgement.reliability.answers.sum())
    which = "too high" if gap > 0 else "too low"
    yield f"Its scores do not mean what they say (p = {p.value:.2g}): on average they are {abs(gap):.3f} {which}."


def _silence(judgement: Judgement) -> Iterator[str]:
    for accuracy in (0.99, 0.98, 0.95):
        part = judgement.answered.get(accuracy, 0.0)
        if 0.01 <= part < 1:
            yield f"In hindsight, of the {part:.0%} of its answers here that were surest {accuracy:.0%} were right."
            break
    if judgement.refused:
        yield f"Asked for none of these, it wrongly says so of {percent(judgement.refused)} of these pictures."


def _slices(judgement: Judgement) -> Iterator[str]:
    for one in judgement.slices:
        if one.rest.high < 0:  # of an interval that does not exist this is false
            yield f"It is worse where {one.column} is {one.value}: {shown(one.figure)}{_by_chance(judgement)}."


def _by_chance(judgement: Judgement) -> str:
    count = len(judgement.slices)
    return "" if count < 20 else f" (of {count} slices, about {count / 40:.0f} look so by chance)"


def shown(figure: Figure) -> str:
    """A figure with its interval, for a sentence."""
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def percent(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.1%}"
    return f"{figure.value:.1%} ({figure.low:.1%} to {figure.high:.1%})"
