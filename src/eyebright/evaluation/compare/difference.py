"""Two models on the same pictures: what B gains and loses against A, label by label and picture by picture.

Scores (N, L) of both have the same columns (`columns`) and stand beside targets (N, L), as in metrics.py.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.errors import BadRequest
from eyebright.evaluation.answers import named
from eyebright.evaluation.calibration import Floats, log_loss
from eyebright.evaluation.intervals import DRAWS, Interval, Weights, bootstrap, wilson
from eyebright.evaluation.metrics import WORK, average_precision, figures, has_positives, hits, mean_of_known
from eyebright.evaluation.paired import adjusted, gains, share_gain
from eyebright.modelfile import Figure, Metadata, Task

Said = NDArray[np.bool_]
"""(N, L): which labels a model gives (per_class.given)."""
Gain = tuple[Interval, float]
"""B - A with its interval, and p."""


class Difference(NamedTuple):
    """One figure of both models."""

    a: Figure
    b: Figure
    difference: Figure
    """B - A, paired."""
    p: float
    """The chance of a difference as large, if it did not matter which of the two models answers."""


class LabelDifference(NamedTuple):
    """How good both are at one label: recall for `single` and `binary`, average precision for `multi`."""

    at: int
    """Its column."""
    pictures: int
    """That have it."""
    a: float
    b: float
    difference: Interval
    p: float
    adjusted: float
    """p where all labels are looked at: of those under 0.05, at most one in 20 is expected there by chance."""

    @property
    def marked(self) -> bool:
        """Whether the interval excludes 0."""
        return self.difference.low > 0 or self.difference.high < 0


class Comparison(NamedTuple):
    """Rows are pictures, columns labels."""

    task: Task
    pictures: int
    figures: dict[str, Difference]
    """`single` top1, top5 (of more than 5 labels), balanced_accuracy; `binary` ap, top1, balanced_accuracy; `multi`
    map; all of them nll."""
    of_labels: Literal["recall", "ap"]
    labels: tuple[LabelDifference, ...]
    """Those that some picture has; what B gains most first, what it loses most last."""
    gained: NDArray[np.intp]
    """(G, 2): row and label of what B gets right and A wrong, the largest change of score first."""
    lost: NDArray[np.intp]
    """(F, 2): row and label of what A gets right and B wrong."""
    agreement: Figure
    """The share of pictures of which both say the same; for `multi`, of known pairs of picture and label."""


def columns(a: Metadata, b: Metadata) -> list[int]:
    """The column of B for each label of A, matched by id or else by name, whatever its case.

    Raises BadRequest where their tasks or their labels are not the same.
    """
    if a.task != b.task:
        raise BadRequest(f"A is a model of task {a.task} and B of task {b.task}: only like answers can be compared.")
    ids = {label.id: at for at, label in enumerate(b.labels)}
    names = {label.label.casefold(): at for at, label in enumerate(b.labels)}
    place = [ids.get(label.id, names.get(label.label.casefold(), -1)) for label in a.labels]
    if a.task == "binary" and place[1] == 1:
        place[0] = 0  # what is not there has many names
    only_a = [label.label for label, at in zip(a.labels, place, strict=True) if at < 0]
    only_b = [label.label for at, label in enumerate(b.labels) if at not in place]
    if only_a or only_b:
        said = [f"only {who} knows {named(some)}" for who, some in (("A", only_a), ("B", only_b)) if some]
        raise BadRequest(f"A and B do not have the same labels, so they cannot be compared: {'; '.join(said)}.")
    if len(set(place)) < len(place):
        raise BadRequest("Two labels of A have the name of one label of B, so they cannot be compared.")
    return place


def compare(a: Floats, b: Floats, targets: Floats, task: Task, said_a: Said, said_b: Said) -> Comparison:
    """Compare the scores (N, L) of two models, and the labels that they give. BadRequest for fewer than 2 pictures."""
    n = len(targets)
    if n < 2:
        raise BadRequest(f"{n} picture{'' if n == 1 else 's'} cannot tell two models apart; give a hundred or more.")
    by_figure, labels = _by_ranking(a, b, targets) if task == "multi" else _by_naming(a, b, targets, said_a, said_b)
    if task == "binary" and has_positives(targets)[1]:
        by_figure = {"ap": gains(_ap, a[:, 1:], b[:, 1:], targets[:, 1:])[0], **by_figure}
    both = figures(a, targets, task), figures(b, targets, task)
    found = {
        name: Difference(both[0][name], both[1][name], _figure(interval, n), p)
        for name, (interval, p) in by_figure.items()
        if name in both[0]
    }
    if not np.isnan(targets).all():
        found["nll"] = _surprise(a, b, targets, task)
    if not found:
        raise BadRequest(f"Nobody checked any label of these {n:,} pictures, so there is nothing to compare by.")
    gained, lost = flips(a, b, targets, task, said_a, said_b)
    measure: Literal["recall", "ap"] = "ap" if task == "multi" else "recall"
    return Comparison(task, n, found, measure, labels, gained, lost, _agreement(said_a, said_b, targets, task))


def flips(
    a: Floats, b: Floats, targets: Floats, task: Task, said_a: Said, said_b: Said
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(G, 2) and (F, 2): row and label of what only B gets right, and of what only A does; large changes first.

    For `single` and `binary` a picture and its true label, for `multi` any known pair of picture and label.
    """
    truth = targets == 1
    if task == "multi":
        known = ~np.isnan(targets)
        right_a, right_b = (said_a == truth) & known, (said_b == truth) & known
    else:
        right_a, right_b = said_a & truth, said_b & truth

    def pairs(changed: Said) -> NDArray[np.intp]:
        rows, labels = np.nonzero(changed)
        change = np.abs(np.asarray(b[rows, labels], np.float64) - a[rows, labels])
        return np.stack([rows, labels], axis=1)[np.argsort(-change, kind="stable")]

    return pairs(right_b & ~right_a), pairs(right_a & ~right_b)


def _by_naming(
    a: Floats, b: Floats, targets: Floats, said_a: Said, said_b: Said
) -> tuple[dict[str, Gain], tuple[LabelDifference, ...]]:
    """One label a picture: how often the right one is named, in all and of each label's pictures."""
    named_a, named_b = hits(a, targets), hits(b, targets)

    def balanced(right: Floats, targets: Floats, weights: Weights) -> NDArray[np.float64]:
        return mean_of_known(weights @ (targets * right), weights @ targets, axis=1)[:, None]

    found = {
        "top1": share_gain(named_a, named_b),
        "top5": share_gain(hits(a, targets, 5), hits(b, targets, 5)),
        "balanced_accuracy": gains(balanced, named_a[:, None] * 1.0, named_b[:, None] * 1.0, targets)[0],
    }
    rows = []
    for at in np.flatnonzero(has_positives(targets)).tolist():
        first, second = (said[targets[:, at] == 1, at] for said in (said_a, said_b))
        rows.append((at, len(first), float(first.mean()), float(second.mean()), *share_gain(first, second)))
    return found, _sorted(rows)


def _by_ranking(a: Floats, b: Floats, targets: Floats) -> tuple[dict[str, Gain], tuple[LabelDifference, ...]]:
    """Many labels a picture: average precision, its mean and that of each label."""
    labels = np.flatnonzero(has_positives(targets)).tolist()
    if not labels:
        return {}, ()

    def precisions(scores: Floats, targets: Floats, weights: Weights) -> NDArray[np.float64]:
        each = np.stack([average_precision(scores[:, at], targets[:, at], weights) for at in labels], axis=1)
        mean = mean_of_known(np.nan_to_num(each), (~np.isnan(each)).astype(np.float64), axis=1)
        return np.column_stack([mean, each])

    draws = min(max(WORK // (len(targets) * len(labels)), 100), DRAWS)
    mean, *each = gains(precisions, a, b, targets, draws)
    first, second = (precisions(scores, targets, np.ones((1, len(targets))))[0, 1:].tolist() for scores in (a, b))
    pictures = (targets == 1).sum(axis=0)[labels].tolist()
    rows = zip(labels, pictures, first, second, each, strict=True)
    return {"map": mean}, _sorted([(*row, *gain) for *row, gain in rows])


def _ap(scores: Floats, targets: Floats, weights: Weights) -> NDArray[np.float64]:
    return average_precision(scores[:, 0], targets[:, 0], weights)[:, None]


def _sorted(rows: Sequence[tuple[int, int, float, float, Interval, float]]) -> tuple[LabelDifference, ...]:
    """With p adjusted, by falling difference."""
    found = [LabelDifference(*row, q) for row, q in zip(rows, adjusted([row[-1] for row in rows]), strict=True)]
    return tuple(sorted(found, key=lambda label: -label.difference.value))


def _surprise(a: Floats, b: Floats, targets: Floats, task: Task) -> Difference:
    """How much the truth surprises the scores, in nats: less is better."""
    n = len(targets)
    if task != "multi":  # only the score of what is true is looked at
        a, b, targets = a[targets == 1][:, None], b[targets == 1][:, None], np.ones((n, 1), np.float32)

    def nll(scores: Floats, targets: Floats, weights: Weights) -> NDArray[np.float64]:
        return log_loss(scores, targets, task, weights)[:, None]

    def alone(scores: Floats) -> Figure:
        return _figure(bootstrap(lambda weights: log_loss(scores, targets, task, weights), n), n)

    ((interval, p),) = gains(nll, a, b, targets)
    return Difference(alone(a), alone(b), _figure(interval, n), p)


def _agreement(said_a: Said, said_b: Said, targets: Floats, task: Task) -> Figure:
    n = len(targets)
    if task != "multi":
        return _figure(wilson(int((said_a == said_b).all(axis=1).sum()), n), n)
    known = ~np.isnan(targets)
    same, of = ((said_a == said_b) & known).sum(axis=1), known.sum(axis=1)
    return _figure(bootstrap(lambda weights: (weights @ same) / np.maximum(weights @ of, 1), n), n)


def _figure(interval: Interval, n: int) -> Figure:
    return Figure(interval.value, interval.low, interval.high, n, interval.method)
