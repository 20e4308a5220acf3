"""From which score on a label is said: the threshold with the best F1 on pictures that were not trained on.

F1 is the harmonic mean of precision and recall; a user's goal, such as a recall, may take its place.
"""

from typing import NamedTuple

import numpy as np

from eyebright.evaluation.calibration import Floats
from eyebright.modelfile import Task


class Cut(NamedTuple):
    """Say the label where score >= `threshold`."""

    threshold: float
    f1: float
    positives: int
    known: int
    """Pictures of which somebody said whether the label holds: with few positives a threshold is a guess."""


def cuts(scores: Floats, targets: Floats, task: Task) -> tuple[Cut | None, ...]:
    """The best cut of each label, for scores (N, L) and targets (N, L), 1, 0 or NaN where nobody checked.

    None where it has no positive or no negative picture, for all labels of `single`, and for the negative one of
    `binary`.
    """
    wanted = {"single": 0, "binary": 1, "multi": scores.shape[1]}[task]
    first = scores.shape[1] - wanted
    return tuple(best_f1(scores[:, at], targets[:, at]) if at >= first else None for at in range(scores.shape[1]))


def best_f1(scores: Floats, targets: Floats) -> Cut | None:
    """The best cut of one label, scores (N,) and targets (N,): in the middle between the two scores that it parts.

    Of equally good ones the highest. None where there is no positive or no negative picture.

    >>> best_f1(np.array([0.9, 0.75, 0.25, 0.1]), np.array([1, 1, 0, np.nan]))
    Cut(threshold=0.5, f1=1.0, positives=2, known=3)
    """
    known = np.flatnonzero(~np.isnan(targets))
    order = known[np.argsort(-scores[known], kind="stable")]
    falling, truth = np.asarray(scores[order], np.float64), targets[order]
    positives = int(truth.sum())
    if not 0 < positives < len(truth):
        return None
    step = np.flatnonzero(np.diff(falling, append=-np.inf))  # the last of each run of equal scores
    f1 = 2 * np.cumsum(truth)[step] / (step + 1 + positives)
    best = int(np.argmax(f1))
    below = falling[step[best] + 1] if step[best] + 1 < len(falling) else 0.0
    return Cut(float(falling[step[best]] + below) / 2, float(f1[best]), positives, len(truth))
