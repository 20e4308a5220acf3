"""Do scores mean what they say? Of all pictures with a score of 0.8, 80% should be what they were taken for.

One temperature T for all labels divides the logits: with T > 1 a model that is too sure becomes less so, and the order
of labels stays (Guo et al. 2017, arXiv:1706.04599). Targets (N, L) are 1, 0, or NaN where nobody checked.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation.intervals import Interval, Weights, Z
from eyebright.modelfile import Task

Floats = NDArray[np.floating[Any]]

COLDEST, HOTTEST = 1e-2, 1e4
STEPS = 60  # halvings of that range: more digits than a float32 has
BINS = 15
A_BIN = 10  # pictures at least: the noise of fewer cannot be told


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
    return float(log_loss(scores, targets, task)[0])


def log_loss(scores: Floats, targets: Floats, task: Task, weights: Weights | None = None) -> NDArray[np.float64]:
    """(R,): the same, for each row of weights."""
    return mean(losses(scores, targets, task), known_answers(targets, task), weights)


def losses(scores: Floats, targets: Floats, task: Task) -> NDArray[np.float64]:
    """(N,): what each picture adds to the negative log-likelihood."""
    p, truth = np.asarray(scores, np.float64), np.nan_to_num(targets)
    if task != "multi":
        return np.asarray(-np.log(np.maximum((p * truth).sum(axis=1), 1e-12)))
    loss = -np.log(np.maximum(np.where(truth > 0, p, 1 - p), 1e-12))
    return np.asarray((loss * ~np.isnan(targets)).sum(axis=1))


def known_answers(targets: Floats, task: Task) -> NDArray[np.float64]:
    """(N,): how many answers of a picture are judged: 1, or for `multi` those that somebody checked."""
    return np.ones(len(targets)) if task != "multi" else (~np.isnan(targets)).sum(axis=1).astype(np.float64)


def mean(
    values: NDArray[np.float64], counts: NDArray[np.float64], weights: Weights | None = None
) -> NDArray[np.float64]:
    """(R,): values (N,) of pictures over counts (N,), for each row of weights; NaN where nothing counts."""
    rows = np.ones((1, len(values))) if weights is None else weights
    total, of = rows @ values, rows @ counts
    return np.asarray(np.divide(total, of, out=np.full_like(total, np.nan), where=of > 0))


def expected_calibration_error(scores: Floats, targets: Floats, task: Task, bins: int = BINS) -> Interval:
    """How far scores are from the share of right answers, 0..1: the root of the mean square over bins of equal mass.

    An answer is the best label of a picture, or for `multi` any known pair of picture and label. Of each square the
    variance of its own noise is taken away (Kumar et al. 2019, arXiv:1909.10155): the plain mean of distances finds 3%
    to 6% in a few hundred answers of a perfectly calibrated model. The interval is that of a sum of squares of normal
    numbers; its lower end is 0 where perfect calibration is not excluded. Of few pictures there are fewer bins.
    """
    bins = max(min(bins, len(scores) // A_BIN), 1)
    found = reliability(scores, targets, task, bins)
    share = found.answers / max(found.answers.sum(), 1)
    square = found.gap**2 - found.variance
    mean = float((share * square).sum())
    spread = 2 * found.variance**2 + 4 * found.variance * np.maximum(square, 0)
    half = Z * float(np.sqrt((share**2 * spread).sum()))
    value, low, high = (math.sqrt(min(max(part, 0), 1)) for part in (mean, mean - half, mean + half))
    return Interval(value, low, high, f"root mean square over {bins} bins of equal mass, debiased, normal")


class Reliability(NamedTuple):
    """Answers in bins of equal mass, by rising confidence; all of shape (bins,), those without an answer left out."""

    answers: NDArray[np.float64]
    confidence: NDArray[np.float64]
    """Mean score."""
    right: NDArray[np.float64]
    """Share of answers that are right."""
    gap: NDArray[np.float64]
    """confidence - right."""
    variance: NDArray[np.float64]
    """Of the gap; the answers of one picture go together."""


def reliability(scores: Floats, targets: Floats, task: Task, bins: int = BINS) -> Reliability:
    """What a reliability diagram shows: do the answers of each confidence come true as often?"""
    picture, confidence, truth = answers(scores, targets, task)
    bin_of = bins_of(confidence, bins)
    count, said, right = (
        np.bincount(bin_of, weights, bins).astype(np.float64) for weights in (np.ones(len(truth)), confidence, truth)
    )
    some = np.maximum(count, 1)
    gap = (said - right) / some
    _, rows = np.unique(picture, return_inverse=True)
    off = np.zeros((int(rows.max(initial=-1)) + 1, bins))
    np.add.at(off, (rows, bin_of), confidence - truth - gap[bin_of])
    pictures = np.maximum((off != 0).sum(0), 2)
    variance = (off**2).sum(0) / some**2 * pictures / (pictures - 1)
    implied = np.bincount(bin_of, confidence * (1 - confidence), bins) / some**2
    variance = np.maximum(variance, implied)  # of answers that all came true, the first is 0
    used = count > 0
    return Reliability(count[used], (said / some)[used], (right / some)[used], gap[used], variance[used])


def bins_of(confidence: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """(A,): the bin of each answer, 0..bins - 1, of equal mass; equal scores share one."""
    if not len(confidence):
        return np.zeros(0, np.intp)
    edges = np.quantile(confidence, np.arange(1, bins) / bins)
    return np.searchsorted(edges, confidence, side="right")


def answers(
    scores: Floats, targets: Floats, task: Task
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """(A,) each: the picture of an answer, how sure it is (0..1), and whether it is right (1 or 0)."""
    if task == "multi":
        said, truth = np.asarray(scores, np.float64), targets
    else:
        best = np.argmax(scores, axis=1)[:, None]
        said = np.take_along_axis(np.asarray(scores, np.float64), best, axis=1)
        truth = np.take_along_axis(targets, best, axis=1)
    picture, label = np.nonzero(~np.isnan(truth))
    return picture, said[picture, label], truth[picture, label].astype(np.float64)


def calibration_test(scores: Floats, targets: Floats, task: Task, draws: int = 1000, seed: int = 0) -> float:
    """The p of "answers come true as often as they say": truth is drawn again from the scores themselves.

    The statistic is the mean square of the bins' gaps with their noise, which the draws have too. It holds for any
    number of answers, but takes those of one picture as independent: for `multi`, ask it of one label at a time.
    """
    _, confidence, truth = answers(scores, targets, task)
    if not len(confidence):
        return 1.0
    bin_of = bins_of(confidence, BINS)
    count = np.maximum(np.bincount(bin_of, minlength=BINS), 1)
    bins = np.zeros((len(confidence), BINS))
    bins[np.arange(len(confidence)), bin_of] = 1

    def statistic(off: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(((off @ bins) ** 2 / count).sum(-1))

    random = np.random.default_rng(seed)
    observed = float(statistic(confidence - truth))
    reached = 0
    at_once = max(10_000_000 // len(confidence), 1)
    for start in range(0, draws, at_once):
        drawn = random.random((min(at_once, draws - start), len(confidence))) < confidence
        reached += int((statistic(confidence - drawn) >= observed - 1e-12).sum())
    return (reached + 1) / (draws + 1)


def brier_score(scores: Floats, targets: Floats, task: Task, weights: Weights | None = None) -> NDArray[np.float64]:
    """(R,): the mean squared distance of scores from the truth (Brier 1950), 0..2; for `multi` of one answer, 0..1."""
    return mean(squares(scores, targets), known_answers(targets, task), weights)


def squares(scores: Floats, targets: Floats) -> NDArray[np.float64]:
    """(N,): what each picture adds to the Brier score."""
    return np.asarray((np.nan_to_num(np.asarray(scores, np.float64) - targets) ** 2).sum(axis=1))


def activate(logits: Floats, task: Task) -> NDArray[np.float64]:
    """Logits (N, L) -> scores (N, L) in 0..1: sigmoid for `multi`, softmax otherwise."""
    z = np.asarray(logits, np.float64)
    if task == "multi":
        return np.asarray(0.5 + 0.5 * np.tanh(z / 2))  # no overflow
    rising = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(rising / rising.sum(axis=1, keepdims=True))
