"""Whether two models differ by more than chance, asked on the same pictures.

What both find easy or hard cancels out, so far fewer pictures tell two models apart than two intervals side by side
would need. Every difference is B - A.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.intervals import AT_ONCE, DRAWS, Interval, Weights, Z, bootstrap_each, mcnemar, wilson

Measure = Callable[[Floats, Floats, Weights], NDArray[np.float64]]
"""Answers (N, ...), targets (N, L) and weights (R, N) -> (R, K)."""


def gains(
    measure: Measure, a: Floats, b: Floats, targets: Floats, draws: int = DRAWS, seed: int = 0
) -> list[tuple[Interval, float]]:
    """What B has more of each of K measures: with its interval over samples of pictures, and p.

    p is the share of random swaps (for each picture it is drawn whose answer is whose) that part the two as far; it
    holds for few pictures too. A value that the pictures do not determine is NaN.
    """
    n = len(targets)

    def difference(weights: Weights) -> NDArray[np.float64]:
        return measure(b, targets, weights) - measure(a, targets, weights)

    intervals = bootstrap_each(difference, n, draws, seed)
    observed = np.abs([interval.value for interval in intervals])
    answers, truth = np.concatenate([a, b]), np.concatenate([targets, targets])
    random = np.random.default_rng(seed)
    reached = np.zeros(len(intervals))
    rows = max(AT_ONCE // (2 * n), 1)
    for done in range(0, draws, rows):
        of_a = random.integers(2, size=(min(rows, draws - done), n)).astype(np.float64)
        first, second = np.hstack([of_a, 1 - of_a]), np.hstack([1 - of_a, of_a])
        apart = measure(answers, truth, second) - measure(answers, truth, first)
        reached += (np.abs(apart) >= observed - 1e-9).sum(axis=0)
    return [
        (interval._replace(method=f"paired {interval.method}; p: {draws} random swaps of their answers"), p)
        for interval, p in zip(intervals, ((reached + 1) / (draws + 1)).tolist(), strict=True)
    ]


def share_gain(a: ArrayLike, b: ArrayLike, z: float = Z) -> tuple[Interval, float]:
    """The share of hits (N,) of B less that of A, with Newcombe's interval (1998, method 10) and McNemar's exact p.

    The interval is made of Wilson's two and of how far the hits go together; so it is right for few pictures, and says
    something where both are right on all of them. `z`: of a normal distribution, for another confidence than 95%.

    >>> [round(bound, 3) for bound in share_gain([1] * 20, [1] * 20)[0][:3]]
    [0.0, -0.161, 0.161]
    """
    first, second = np.asarray(a, bool), np.asarray(b, bool)
    n = len(first)
    before, after = wilson(int(first.sum()), n, z), wilson(int(second.sum()), n, z)
    together = _correlation(first, second)

    def reach(up: float, down: float) -> float:
        return math.sqrt(max(up**2 - 2 * together * up * down + down**2, 0))

    value = after.value - before.value
    low = value - reach(after.value - after.low, before.high - before.value)
    high = value + reach(after.high - after.value, before.value - before.low)
    return Interval(value, max(low, -1.0), min(high, 1.0), "Newcombe, paired; p: McNemar, exact"), mcnemar(a, b)


def adjusted(p: Sequence[float]) -> list[float]:
    """p of many questions, such that of those under 0.05 at most one in 20 is expected there by chance.

    Benjamini and Hochberg 1995.

    >>> [round(one, 3) for one in adjusted([0.01, 0.04, 0.03, 0.5])]
    [0.04, 0.053, 0.053, 0.5]
    """
    order = np.argsort(p)[::-1]
    rank = np.arange(len(p), 0, -1)
    found = np.empty(len(p))
    found[order] = np.minimum(np.minimum.accumulate(np.asarray(p)[order] * len(p) / rank), 1)
    return list(map(float, found))


def _correlation(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Of two rows of hits, a little less than what they show, as Newcombe has it; 0 where one of them never varies."""
    n = len(first)
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    hits, others = int(first.sum()), int(second.sum())
    product = both * neither - (hits - both) * (others - both)
    scale = math.sqrt(hits * (n - hits) * others * (n - others))
    return (max(product - n / 2, 0) if product > 0 else product) / scale if scale else 0.0
