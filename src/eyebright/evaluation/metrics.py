"""How good scores are, in one number each: top-k, balanced accuracy, average precision; all of them with intervals.

Scores (N, L) in 0..1 stand beside targets (N, L): 1 where a label holds, 0 where not, NaN where nobody checked, which
is left out. For `single` and `binary` one label of each row is 1. Weights (R, N) say how often each picture counts,
and give one number a row; without them every picture counts once.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.errors import BadRequest
from eyebright.evaluation.calibration import (
    Floats,
    calibration_test,
    expected_calibration_error,
    known_answers,
    losses,
    mean,
    squares,
)
from eyebright.evaluation.intervals import Interval, Weights, bootstrap, on_logit, uncertain, wilson
from eyebright.modelfile import Figure, Task

MAIN: dict[Task, str] = {"single": "top1", "binary": "ap", "multi": "map"}
"""The figure that decides."""
FEW = 5
"""Top-5 says nothing of a model with no more labels than this."""
WORK = 100_000_000
"""Scores that the intervals of one mAP may look at; with more pictures and labels there are fewer draws."""


def figures(scores: Floats, targets: Floats, task: Task) -> dict[str, Figure]:
    """The figures of a task, each with its 95% interval.

    `single`: top1, top5 (of more than 5 labels), balanced_accuracy, ece; `binary`: top1, balanced_accuracy, ap, ece;
    `multi`: map, map_micro, ece. What the pictures do not determine, such as the ap of a set without a positive, is
    left out. Raises BadRequest where there is no picture.
    """
    n = len(scores)
    if n == 0:
        raise BadRequest("There are no pictures to judge the model on; the split is empty.")
    found: dict[str, Interval] = {}
    if task == "multi":
        labels = np.flatnonzero(has_positives(targets))
        if len(labels):
            moved = [average_precision_influence(scores[:, at], targets[:, at]) for at in labels]
            value = float(mean_average_precision(scores, targets)[0])
            found["map"] = on_logit(value, np.mean(moved, axis=0), int((targets == 1).sum()))
            left_out = targets.shape[1] - len(labels)
            if left_out:
                method = f"{found['map'].method}; {left_out} labels without positives left out"
                found["map"] = found["map"]._replace(method=method)
            micro = float(micro_average_precision(scores, targets)[0])
            pairs = average_precision_influence(scores.ravel(), targets.ravel()).reshape(targets.shape)
            found["map_micro"] = on_logit(micro, pairs.sum(axis=1), int((targets == 1).sum()))
    else:
        found["top1"] = wilson(int(hits(scores, targets).sum()), n)
        if scores.shape[1] > FEW:
            found["top5"] = wilson(int(hits(scores, targets, FEW).sum()), n)
        fewest = int(min(count for count in targets.sum(axis=0) if count))
        balanced = bootstrap(lambda weights: balanced_accuracy(scores, targets, weights), n)
        found["balanced_accuracy"] = uncertain(balanced, fewest)
    if task == "binary" and has_positives(targets)[1]:
        found["ap"] = ranked(scores[:, 1], targets[:, 1])["ap"]
    if not np.isnan(targets).all():
        found["ece"] = expected_calibration_error(scores, targets, task)
    return {name: Figure(value.value, value.low, value.high, n, value.method) for name, value in found.items()}


def honesty(scores: Floats, targets: Floats, task: Task) -> dict[str, Figure]:
    """How well the scores themselves explain what is true: `nll` in nats, `brier`, and `calibration_p`.

    The last is the chance of gaps as large as these between scores and truth, if the scores meant what they say: under
    0.05 they do not. For `multi` it is left out: it is asked of one label at a time.
    """
    n = len(scores)
    if np.isnan(targets).all():
        return {}
    counts = known_answers(targets, task)
    each = {"nll": losses(scores, targets, task), "brier": squares(scores, targets)}
    found = {
        name: bootstrap(lambda weights, values=values: mean(values, counts, weights), n)  # type: ignore[misc]
        for name, values in each.items()
    }
    said = {name: Figure(one.value, one.low, one.high, n, one.method) for name, one in found.items()}
    if task != "multi":
        p = calibration_test(scores, targets, task)
        said["calibration_p"] = Figure(p, n=n, method="truth drawn 1000 times from the scores")
    return said


def hits(scores: Floats, targets: Floats, k: int = 1) -> NDArray[np.bool_]:
    """(N,): is the right label among the k best? Of equal scores the earlier label is better.

    >>> hits(np.array([[0.5, 0.3, 0.2]]), np.array([[0, 1, 0]]), k=2)
    array([ True])
    """
    right = targets.argmax(axis=1)
    if k == 1:
        return np.asarray(scores.argmax(axis=1) == right)
    own = np.take_along_axis(scores, right[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < right[:, None]
    return np.asarray(((scores > own) | ((scores == own) & earlier)).sum(axis=1) < k)


def balanced_accuracy(scores: Floats, targets: Floats, weights: Weights | None = None) -> NDArray[np.float64]:
    """(R,): top-1 of each label's pictures, averaged over the labels that have some."""
    counts = np.ones((1, len(scores))) if weights is None else weights
    label = targets.argmax(axis=1)
    order = np.argsort(label, kind="stable")
    starts = np.flatnonzero(np.diff(label[order], prepend=-1))
    of = np.add.reduceat(counts[:, order], starts, axis=1)
    right = np.add.reduceat((counts * hits(scores, targets))[:, order], starts, axis=1)
    return mean_of_known(right, of, axis=1)


def average_precision(scores: Floats, targets: Floats, weights: Weights | None = None) -> NDArray[np.float64]:
    """(R,): of one label, scores (N,) and targets (N,): the precision at each positive, averaged; NaN without one.

    The area under the steps of precision over recall, not interpolated; equal scores are one step.

    >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1]))
    array([0.83333333])
    """
    counts = np.ones((1, len(scores))) if weights is None else weights
    known = np.flatnonzero(~np.isnan(targets))
    order = known[np.argsort(-scores[known], kind="stable")]
    step = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # the last of each run of equal scores
    counts = counts[:, order]
    said = np.cumsum(counts, axis=1)[:, step]
    right = np.cumsum(counts * targets[order], axis=1)[:, step]
    precision = right / np.maximum(said, 1)
    gained = np.diff(right, axis=1, prepend=0)
    return mean_of_known((precision * gained).sum(axis=1, keepdims=True), right[:, -1:], axis=1)


def ranked(scores: Floats, targets: Floats) -> dict[str, Interval]:
    """`ap` and `auroc` of one label, scores (N,), targets (N,); no `ap` without positives, no `auroc` without both."""
    found = {}
    for name, statistic, influence in (
        ("ap", average_precision, average_precision_influence),
        ("auroc", area_under_roc, area_under_roc_influence),
    ):
        value = float(statistic(scores, targets)[0])
        if not np.isnan(value):
            positives, negatives = int((targets == 1).sum()), int((targets == 0).sum())
            fewest = positives if name == "ap" else min(positives, negatives)
            found[name] = on_logit(value, influence(scores, targets), fewest)
    return found


def average_precision_influence(scores: Floats, targets: Floats) -> NDArray[np.float64]:
    """(N,): the slope of average precision over the weight of each picture; 0 where nobody checked."""
    known, of, right, said = _steps(scores, targets)
    gained = np.diff(right, prepend=0)
    total = right[-1]
    value = (gained * right / said).sum() / total
    above = np.cumsum((gained / said)[::-1])[::-1]
    below = np.cumsum((gained * right / said**2)[::-1])[::-1]
    slope = np.zeros(len(scores))
    slope[known] = (targets[known] * ((right / said + above)[of] - value) - below[of]) / total
    return slope


def area_under_roc_influence(scores: Floats, targets: Floats) -> NDArray[np.float64]:
    """(N,): the slope of the area under ROC over the weight of each picture (DeLong et al. 1988)."""
    known, of, right, said = _steps(scores, targets)
    wrong = said - right
    positives, negatives = right[-1], wrong[-1]
    value = area_under_roc(scores, targets)[0]
    beaten = 1 - (wrong - np.diff(wrong, prepend=0) / 2) / negatives  # share of negatives under each score
    beating = (right - np.diff(right, prepend=0) / 2) / positives
    slope = np.zeros(len(scores))
    slope[known] = np.where(targets[known] == 1, (beaten[of] - value) / positives, (beating[of] - value) / negatives)
    return slope


def _steps(
    scores: Floats, targets: Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Known pictures, the step of each (equal scores share one, the highest first), and right and said up to a step."""
    known = np.flatnonzero(~np.isnan(targets))
    order = np.argsort(-scores[known], kind="stable")
    step = np.flatnonzero(np.diff(scores[known][order], append=-np.inf))
    of = np.empty(len(known), np.intp)
    of[order] = np.searchsorted(step, np.arange(len(known)))
    return known, of, np.cumsum(targets[known][order].astype(np.float64))[step], (step + 1).astype(np.float64)


def mean_average_precision(scores: Floats, targets: Floats, weights: Weights | None = None) -> NDArray[np.float64]:
    """(R,): average precision, averaged over the labels that have a positive."""
    labels = np.flatnonzero(has_positives(targets))
    each = np.stack([average_precision(scores[:, at], targets[:, at], weights) for at in labels], axis=1)  # (R, L)
    return mean_of_known(np.nan_to_num(each), (~np.isnan(each)).astype(np.float64), axis=1)


def micro_average_precision(scores: Floats, targets: Floats, weights: Weights | None = None) -> NDArray[np.float64]:
    """(R,): average precision of all known pairs of picture and label in one row, so that common labels count more."""
    counts = np.ones((1, len(scores))) if weights is None else weights
    labels = scores.shape[1]
    return average_precision(scores.ravel(), targets.ravel(), np.repeat(counts, labels, axis=1))


def area_under_roc(scores: Floats, targets: Floats, weights: Weights | None = None) -> NDArray[np.float64]:
    """(R,): of one label, scores (N,) and targets (N,): how often a positive scores above a negative; ties are half.

    NaN where there are no positives or no negatives.

    >>> area_under_roc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([1, 1, 0, 0]))
    array([0.875])
    """
    counts = np.ones((1, len(scores))) if weights is None else weights
    known = np.flatnonzero(~np.isnan(targets))
    order = known[np.argsort(-scores[known], kind="stable")]
    step = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    counts = counts[:, order]
    right = np.cumsum(counts * targets[order], axis=1)[:, step]
    wrong = np.cumsum(counts * (1 - targets[order]), axis=1)[:, step]
    height = right - np.diff(right, axis=1, prepend=0) / 2  # half of the ties
    area = (np.diff(wrong, axis=1, prepend=0) * height).sum(axis=1, keepdims=True)
    return mean_of_known(area, right[:, -1:] * wrong[:, -1:], axis=1)


def confusion(scores: Floats, targets: Floats) -> NDArray[np.int64]:
    """(L, L): how many pictures of the row's label were taken for the column's.

    >>> confusion(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), np.array([[1, 0], [0, 1], [0, 1]]))
    array([[1, 0],
           [1, 1]])
    """
    count = scores.shape[1]
    pairs = np.argmax(targets, axis=1) * count + np.argmax(scores, axis=1)
    return np.bincount(pairs, minlength=count * count).reshape(count, count)


class Counts(NamedTuple):
    """Of each label (R, L): pictures that have it and were given it, that have it, that were given it."""

    right: NDArray[np.float64]
    true: NDArray[np.float64]
    said: NDArray[np.float64]


def counts(given: NDArray[np.bool_], targets: Floats, weights: Weights | None = None) -> Counts:
    """How often labels were given (N, L) rightly; what nobody checked is in none of the three."""
    rows = np.ones((1, len(targets))) if weights is None else weights
    known = ~np.isnan(targets)
    true = np.nan_to_num(targets)
    return Counts(rows @ (given * true), rows @ true, rows @ (given & known).astype(np.float64))


def f1(given: NDArray[np.bool_], targets: Floats, weights: Weights | None = None) -> NDArray[np.float64]:
    """(R, L): the harmonic mean of each label's precision and recall; NaN where it is neither true nor given."""
    found = counts(given, targets, weights)
    both = found.true + found.said
    return np.divide(2 * found.right, both, out=np.full_like(both, np.nan), where=both > 0)


def has_positives(targets: Floats) -> NDArray[np.bool_]:
    """(L,): is there a picture of the label?"""
    return np.asarray((targets == 1).any(axis=0))


def mean_of_known(parts: NDArray[np.float64], wholes: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """The mean of part / whole along an axis, over those whose whole is not 0; NaN where there is none."""
    known = wholes > 0
    shares = np.divide(parts, wholes, out=np.zeros_like(parts, np.float64), where=known)
    n = known.sum(axis=axis)
    return np.asarray(np.divide(shares.sum(axis=axis), n, out=np.full(n.shape, np.nan), where=n > 0))
