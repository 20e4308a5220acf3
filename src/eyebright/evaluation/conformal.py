"""Sets of labels that hold the right one with a stated chance, whatever the scores are worth (conformal prediction).

How badly the right label fitted n pictures that nothing was learned from tells how badly it will fit the next one: with
the k-th smallest of these numbers as the limit, k = (n + 1) * coverage rounded up, the set holds it with a chance of at
least the coverage (Vovk et al. 2005). recognize/silence.py says what fits badly.
"""

import math

import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.intervals import bootstrap, wilson
from eyebright.modelfile import Figure, Sets
from eyebright.recognize.silence import members, nonconformity

PENALTY, FREE = 0.01, 5
"""As in the paper on ImageNet; with few labels it matters little."""
COVERAGES = (*(round(0.5 + 0.01 * step, 2) for step in range(50)), 0.995, 0.999)


def measure(scores: Floats, targets: Floats) -> Sets | None:
    """The limits of all coverages that n pictures can show, from scores (N, L) and targets (N, L) of one label each."""
    n = len(scores)
    shape = Sets(PENALTY, FREE, (0.5,), (0.0,), n)
    fits = np.sort((nonconformity(scores, shape) * targets).sum(axis=1))
    ranks = [math.ceil((n + 1) * coverage - 1e-9) for coverage in COVERAGES]
    known = [(coverage, float(fits[rank - 1])) for coverage, rank in zip(COVERAGES, ranks, strict=True) if rank <= n]
    if not known:
        return None
    coverages, limits = zip(*known, strict=True)
    # a limit that is rounded down would leave out the very label that it was measured on
    return Sets(PENALTY, FREE, coverages, tuple(math.ceil(limit * 1e7) / 1e7 for limit in limits), n)


def figures(scores: Floats, targets: Floats, sets: Sets, limit: float) -> dict[str, Figure]:
    """What sets do on other pictures: `set_coverage`, how often they hold the right label, and `set_size`."""
    inside = members(scores, sets, limit)
    held, sizes = (inside * targets).sum(axis=1), inside.sum(axis=1).astype(np.float64)
    n = len(scores)
    coverage, size = wilson(int(held.sum()), n), bootstrap(lambda weights: weights @ sizes / n, n)
    return {
        "set_coverage": Figure(coverage.value, coverage.low, coverage.high, n, coverage.method),
        "set_size": Figure(size.value, size.low, size.high, n, size.method),
    }


def by_label(scores: Floats, targets: Floats, sets: Sets, limit: float) -> list[Figure | None]:
    """Of each label's own pictures, how many sets hold it: a coverage of 0.9 in all may be 0.7 of a rare label."""
    held = members(scores, sets, limit) * targets
    found: list[Figure | None] = []
    for right, true in zip(
        held.sum(axis=0).astype(int).tolist(), targets.sum(axis=0).astype(int).tolist(), strict=True
    ):
        share = wilson(right, true) if true else None
        found.append(Figure(share.value, share.low, share.high, true, share.method) if share else None)
    return found


def band(n: int, m: int, coverage: float, draws: int = 20000, seed: int = 0) -> NDArray[np.float64]:
    """(2,): where the coverage of m pictures lies in 95% of cases, with limits from n others and no equal scores."""
    random = np.random.default_rng(seed)
    rank = math.ceil((n + 1) * coverage - 1e-9)
    held = random.binomial(m, random.beta(rank, n + 1 - rank, draws)) / m
    return np.asarray(np.quantile(held, [0.025, 0.975]))
