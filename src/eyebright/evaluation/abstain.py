"""Selective prediction: who answers only when sure is right more often, and answers less.

An answer is the best label of a picture, its confidence that label's score (Geifman and El-Yaniv 2017,
arXiv:1705.08500). Scores (N, L) in 0..1, targets (N, L) of one label a picture.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.goals import DIGITS, Goal, Promise, aim
from eyebright.evaluation.intervals import Statistic, Weights
from eyebright.evaluation.metrics import hits
from eyebright.modelfile import Selective

Doubles = NDArray[np.float64]

ACCURACIES = (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
"""That are tried to be promised."""


class Curve(NamedTuple):
    """What is answered and how well, for falling thresholds; all (K,)."""

    threshold: Doubles
    coverage: Doubles
    """Share of pictures that are answered."""
    accuracy: Doubles
    """Share of answers that are right."""


def curve(scores: Floats, targets: Floats) -> Curve:
    """One point for each confidence that occurs."""
    confidence, right = np.max(scores, axis=1), hits(scores, targets)
    order = np.argsort(-confidence, kind="stable")
    step = np.flatnonzero(np.diff(confidence[order], append=-np.inf))
    return Curve(
        confidence[order][step].astype(np.float64),
        (step + 1) / len(order),
        np.cumsum(right[order])[step] / (step + 1),
    )


def area_under_risk(scores: Floats, targets: Floats, weights: Weights | None = None) -> Doubles:
    """(R,): the mean share of wrong answers over all coverages, 0..1 (AURC); less is better.

    It tells how well a model knows when it is right: with a random confidence it is 1 - top-1.
    """
    rows = np.ones((1, len(scores))) if weights is None else weights
    return risk(scores, targets)(rows)


def risk(scores: Floats, targets: Floats) -> Statistic:
    """The same as a statistic of weights, for many of them."""
    confidence, right = np.max(scores, axis=1), hits(scores, targets)
    order = np.argsort(-confidence, kind="stable")
    step = np.flatnonzero(np.diff(confidence[order], append=-np.inf))

    def statistic(weights: Weights) -> Doubles:
        counts = weights[:, order]
        answered = np.cumsum(counts, axis=1)[:, step]
        wrong = np.cumsum(counts * ~right[order], axis=1)[:, step]
        gained = np.diff(answered, axis=1, prepend=0)
        return np.asarray((wrong / np.maximum(answered, 1) * gained).sum(axis=1) / answered[:, -1])

    return statistic


def answerable(curve: Curve, accuracy: float) -> float:
    """The largest share of these pictures that can be answered with that accuracy, by looking at the truth."""
    return float(curve.coverage[curve.accuracy >= accuracy].max(initial=0.0))


def promises(scores: Floats, targets: Floats, proof_scores: Floats, proof_targets: Floats) -> tuple[Selective, ...]:
    """From which confidence on answers are right that often: chosen on the first pictures, proved on the second.

    Accuracies that cannot be proved are left out.
    """
    first = np.max(scores, axis=1), hits(scores, targets).astype(np.float64)
    second = np.max(proof_scores, axis=1), hits(proof_scores, proof_targets).astype(np.float64)
    found = []
    for accuracy in ACCURACIES:
        aimed = aim(Goal("precision", accuracy), *first, *second)
        if isinstance(aimed, Promise):
            threshold = max(aimed.threshold, 1 / scores.shape[1])  # no best score is lower
            coverage = float((second[0].round(DIGITS) >= threshold).mean())
            found.append(Selective(accuracy, threshold, round(coverage, 5), aimed.n))
    return tuple(found)
