"""What a judgement means, in sentences: how good it is, what at, whether its scores can be believed."""

from collections.abc import Iterator

from eyebright.evaluation.judgement import Judgement
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
    return [*_labels(judgement, good_too=False), *_mixed_up(judgement), *_honesty(judgement)]


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
    """The labels that it surely does well, and those that it surely does badly, by recall or average precision."""
    name = "ap" if judgement.metadata.task == "multi" else "recall"
    if judgement.metadata.task == "binary":
        return
    found = [
        (label.label, figures[name])
        for label in judgement.metadata.labels
        if name in (figures := judgement.per_class[label.id]) and figures[name].low is not None
    ]
    if len(found) < 2:
        return
    middle = sorted(figure.value for _, figure in found)[len(found) // 2]
    good = sorted((one for one in found if (one[1].low or 0) > middle), key=lambda one: -(one[1].low or 0))
    bad = sorted((one for one in found if (one[1].high or 1) < middle), key=lambda one: one[1].high or 1)
    what = "average precision" if name == "ap" else "found"
    if good and good_too:
        yield f"It is surely good at {listed(good, what)}."
    if bad:
        yield f"It is surely bad at {listed(bad, what)}."
    if good_too and not good and not bad:
        yield "Between its labels no difference is certain: of each there are too few pictures."


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
    if judgement.levels and wrong:
        top = judgement.levels[0]
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
        if 0 < part < 1:
            yield f"Answering only where it is surest, it could answer {part:.0%} of these with {accuracy:.0%} right."
            break
    if judgement.refused:
        yield f"Asked for none of these, it wrongly says so of {percent(judgement.refused)} of these pictures."


def _slices(judgement: Judgement) -> Iterator[str]:
    for one in judgement.slices:
        if one.rest.high < 0:  # of an interval that does not exist this is false
            yield f"It is worse where {one.column} is {one.value}: {shown(one.figure)}."


def shown(figure: Figure) -> str:
    """A figure with its interval, for a sentence."""
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def percent(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.1%}"
    return f"{figure.value:.1%} ({figure.low:.1%} to {figure.high:.1%})"
