"""Which labels are taken for each other: the commonest pairs, and groups of labels that are mixed up."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]  # (L, L): rows what is true, columns what was said

OFTEN = 0.05
"""Labels of a group are on average taken for each other so often, both ways together."""


class Pair(NamedTuple):
    """`times` of `of` pictures of one label were taken for another."""

    true: int
    said: int
    times: int
    of: int


def pairs(table: Counts, most: int) -> list[Pair]:
    """The commonest mistakes, at most so many."""
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    totals = table.sum(axis=1)
    found = []
    for at in np.argsort(-wrong, axis=None, kind="stable")[:most].tolist():
        true, said = divmod(at, len(table))
        if wrong[true, said]:
            found.append(Pair(true, said, int(wrong[true, said]), int(totals[true])))
    return found


def groups(table: Counts, often: float = OFTEN) -> list[list[int]]:
    """All labels in groups that are mixed up among themselves, related groups side by side.

    Average linkage (Sokal and Michener 1958): the two groups whose labels are most often taken for each other become
    one, again and again; what stays under `often` is related but no group any more.
    """
    rate = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    alike = rate + rate.T
    np.fill_diagonal(alike, -1)
    inside = [[label] for label in range(len(table))]
    trees: list[list[list[int]]] = [[members] for members in inside]
    sizes = np.ones(len(table))
    for _ in range(len(table) - 1):
        first, second = divmod(int(np.argmax(alike)), len(table))
        if alike[first, second] >= often:
            trees[first] = [[label for group in (*trees[first], *trees[second]) for label in group]]
        else:
            trees[first] = trees[first] + trees[second]
        weights = sizes[first], sizes[second]
        merged = (weights[0] * alike[first] + weights[1] * alike[second]) / sum(weights)
        alike[first], alike[:, first] = merged, merged
        alike[first, first] = -1
        alike[second], alike[:, second] = -1, -1
        sizes[first] += sizes[second]
        trees[second] = []
    return next(tree for tree in trees if tree)
