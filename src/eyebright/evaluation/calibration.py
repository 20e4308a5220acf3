"""Do scores mean what they say? Of all pictures with a score of 0.8, 80% should be what they were taken for.

One temperature T for all labels divides the logits: with T > 1 a model that is too sure becomes less so, and the order
of labels stays (Guo et al. 2017, arXiv:1706.04599). Targets (N, L) are 1, 0, or NaN where nobody checked.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation.intervals import Interval, Weights, bootstrap
from eyebright.modelfile import Task

Floats = NDArray[np.floating[Any]]

COLDEST, HOTTEST = 1e-2, 1e4
STEPS = 60  # halvings of that range: more digits than a float32 has
BINS = 15


def fit_temperature(logits: Floats, targets: Floats, task: Task) -> float:
    """The temperature at which logits (N, L) explain the targets best (least negative log-likelihood).

    The loss is convex in 1 / T, so its slope is followed to its one zero. One imagined answer, of any label alike,
    stands beside the real ones: without it the best temperature of a model that makes no mistake would be 0 (Platt
    1999 corrects his targets in the same way).
    """
    z, known = np.asarray(logits, np.float64), ~np.isnan(targets)
    n = known.sum() if task == "multi" else len(z)
    even = 0.5 if task == "multi" else 1 / z.shape[1]
    wanted = np.where(known, (np.nan_to_num(targets) * n + even) / (n + 1), 0.0)
    low, high = np.log(COLDEST), np.log(HOTTEST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        said = activate(z / np.exp(middle), task)
        too_sure = np.sum((said - wanted) * z, where=known) > 0  # the slope over 1 / T
        low, high = (middle, high) if too_sure else (low, middle)
    return float(np.exp((low + high) / 2))


def negative_log_likelihood(scores: Floats, targets: Floats, task: Task) -> float:
    """Of a picture (`single`, `binary`) or of one known answer (`multi`), in nats; a score of 0 counts as 1e-12."""
    p, known = np.asarray(scores, np.float64), ~np.isnan(targets)
    right = np.log(np.maximum(p, 1e-12)) * np.nan_to_num(targets)
    if task != "multi":
        return float(-right.sum() / len(p))
    wrong = np.log(np.maximum(1 - p, 1e-12)) * (1 - np.nan_to_num(targets))
    return float(-np.mean(right + wrong, where=known))


def expected_calibration_error(scores: Floats, targets: Floats, task: Task, bins: int = BINS) -> Interval:
    """The mean distance between score and share of right answers over bins of equally many answers, 0..1.

    An answer is the best label of a picture, or for `multi` any known pair of picture and label. The bins stay when
    pictures are drawn again.
    """
    gaps, answers = calibration_gaps(scores, targets, task, bins)

    def error(weights: Weights) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.abs(weights @ gaps).sum(1) / np.maximum(weights @ answers, 1)
        return total

    interval = bootstrap(error, len(scores))
    return interval._replace(method=f"{bins} bins of equal mass, {interval.method}")


def calibration_gaps(
    scores: Floats, targets: Floats, task: Task, bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, bins): the sum of score - truth of a picture's answers in each bin; (N,): how many answers it has."""
    if task == "multi":
        said, truth = np.asarray(scores, np.float64), targets
    else:
        best = np.argmax(scores, axis=1)[:, None]
        said = np.take_along_axis(np.asarray(scores, np.float64), best, axis=1)
        truth = np.take_along_axis(targets, best, axis=1)
    picture, label = np.nonzero(~np.isnan(truth))
    confidence = said[picture, label]
    edges = np.quantile(confidence, np.arange(1, bins) / bins)
    bin_of = np.searchsorted(edges, confidence, side="right")  # equal scores share a bin
    gaps = np.zeros((len(scores), bins))
    np.add.at(gaps, (picture, bin_of), confidence - truth[picture, label])
    return gaps, np.bincount(picture, minlength=len(scores)).astype(np.float64)


def activate(logits: Floats, task: Task) -> NDArray[np.float64]:
    """Logits (N, L) -> scores (N, L) in 0..1: sigmoid for `multi`, softmax otherwise."""
    z = np.asarray(logits, np.float64)
    if task == "multi":
        return np.asarray(0.5 + 0.5 * np.tanh(z / 2))  # no overflow
    rising = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(rising / rising.sum(axis=1, keepdims=True))
