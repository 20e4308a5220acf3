"""How wrong mistakes are: whether the answer is right at each level of the label hierarchy, from the top down."""

from typing import NamedTuple

import numpy as np

from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.intervals import wilson
from eyebright.labels import Hierarchy
from eyebright.modelfile import Figure


class Level(NamedTuple):
    """One level: `groups` are told apart on it."""

    depth: int
    """1 is the top."""
    groups: int
    right: Figure
    """How often the best label stands under the same group as the right one."""


def levels(scores: Floats, targets: Floats, hierarchy: Hierarchy) -> list[Level]:
    """Every level above the labels themselves, for scores (N, L) and targets (N, L) of one label a picture.

    A label that has fewer groups above it stands for itself further down. Empty where there is no hierarchy.
    """
    paths = [[*reversed(hierarchy.ancestors(label)), label] for label in range(scores.shape[1])]
    said, true = np.argmax(scores, axis=1), np.argmax(targets, axis=1)
    found = []
    for depth in range(1, max(map(len, paths))):
        group = np.array([path[min(depth, len(path)) - 1] for path in paths])
        share = wilson(int((group[said] == group[true]).sum()), len(said))
        figure = Figure(share.value, share.low, share.high, len(said), share.method)
        found.append(Level(depth, len(set(group.tolist())), figure))
    return found


def related(scores: Floats, targets: Floats, hierarchy: Hierarchy) -> tuple[int, int]:
    """Of the mistakes, how many name a label with the same parent; and how many mistakes there are."""
    said, true = np.argmax(scores, axis=1), np.argmax(targets, axis=1)
    parent = np.array([next(iter(hierarchy.ancestors(label)), -1 - label) for label in range(scores.shape[1])])
    wrong = said != true
    return int((parent[said] == parent[true])[wrong].sum()), int(wrong.sum())
