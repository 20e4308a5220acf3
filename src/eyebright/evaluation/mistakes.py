"""Which labels are probably wrong: what was said of a picture, beside what a model says that never saw it.

scores (N, L), targets (N, L) as given -> estimate (how many labels are wrong) -> suspects, the most doubtful first

With one label a picture, a share of all labels is taken to be wrong: most in the place of any other alike, some in
that of one that is often mixed up with it. Where labels are many, a share of those that hold is missing, and a share
of those that do not was given. How large these shares are, and at which temperature the scores speak of the truth
rather than of the given labels, is estimated from all pictures together; Bayes' rule then says how likely each given
label is wrong. What nobody checked (NaN) is left out.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation.calibration import activate
from eyebright.modelfile import Task

Floats = NDArray[np.floating[Any]]
Places = NDArray[np.intp]

NONE = -1
"""In the place of a label: none."""
LOOK = 0.1
"""A label that is wrong with this chance is worth a look."""
ALIKE = 0.3
"""Of wrong labels, the share that is taken to be one that is easily mixed up with the right one."""
WRONG, IMAGINED = 0.05, 0.1
"""The share of wrong labels before any is seen, and how much that counts: as a tenth of the labels. Without it none
would be wrong at all where scores leave room for every mistake."""
TEMPERATURES = np.geomspace(1 / 4, 4, 57)
STEPS = 40
LEAST = 1e-12


class Noise(NamedTuple):
    """How the given labels came about."""

    temperature: float
    """Divides the logits of the scores."""
    wrong: tuple[float, ...]
    """0..1: the share of wrong labels; of many labels the share of those that hold that is missing, and the share of
    those that do not hold that was given all the same."""


class Suspects(NamedTuple):
    """(S,) each: every label that was given (of many labels: or was not), the most doubtful first."""

    picture: Places
    """Its row."""
    given: Places
    """The label; NONE for one of many that was not given."""
    proposed: Places
    """The label to give in its place; NONE for one of many that should not have been given."""
    doubt: NDArray[np.float64]
    """How likely it is wrong, 0..1."""
    flagged: NDArray[np.bool_]
    """Whether it is worth a look: doubt >= LOOK."""


def suspects(scores: Floats, targets: Floats, task: Task) -> Suspects:
    """All given labels by how doubtful they are; `scores` (N, L) in 0..1 come from models that did not see the picture.

    `targets` (N, L) are 1, 0, or for `multi` NaN where nobody checked.
    """
    right, false = _chances(scores, targets, task)
    if task == "multi":
        picture, label = np.nonzero(~np.isnan(targets))
        held = targets[picture, label] > 0
        given, proposed = np.where(held, label, NONE), np.where(held, NONE, label)
        right, false = right[picture, label], false[picture, label]
    else:
        picture, given = np.arange(len(scores)), np.argmax(targets, axis=1)
        others = np.where(targets > 0, -np.inf, scores)
        proposed = np.argmax(others, axis=1)
    doubt = _share_of(false, right)
    order = np.lexsort((_share_of(right, false), -doubt))  # next to 1 only what is left of it tells two apart
    doubt = doubt[order]
    return Suspects(picture[order], given[order], proposed[order], doubt, doubt >= LOOK)


def doubts(scores: Floats, targets: Floats, task: Task) -> NDArray[np.float64]:
    """How likely each given label is wrong, 0..1: (N,), or for `multi` (N, L) with NaN where nobody checked."""
    right, false = _chances(scores, targets, task)
    return _share_of(false, right)


def estimate(scores: Floats, targets: Floats, task: Task) -> Noise:
    """The temperature and the shares of wrong labels that explain the given labels best.

    For each temperature the shares follow by expectation and maximization (Dempster et al. 1977).
    """
    best: tuple[float, Noise] | None = None
    for temperature, claims in zip(TEMPERATURES, _claims(scores, targets, task, TEMPERATURES), strict=True):
        shares = claims.expected()
        for _ in range(STEPS):
            right, false = claims.chances(shares)
            shares = claims.shares(_share_of(false, right))
        told = claims.likelihood(shares)
        if best is None or told > best[0]:
            best = told, Noise(float(temperature), shares)
    assert best is not None
    return best[1]


def _chances(scores: Floats, targets: Floats, task: Task) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How likely each label was to be given rightly, and wrongly."""
    noise = estimate(scores, targets, task)
    return next(_claims(scores, targets, task, [noise.temperature])).chances(noise.wrong)


def _share_of(part: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(part / np.maximum(part + rest, LEAST))


def _claims(scores: Floats, targets: Floats, task: Task, temperatures: Iterable[float]) -> "Iterator[_Claims]":
    """What the scores say at each of some temperatures."""
    p = np.clip(np.asarray(scores, np.float64), LEAST, 1 - LEAST if task == "multi" else 1)
    if task == "multi":
        given = np.where(np.isnan(targets), np.nan, (targets > 0).astype(np.float64))
        for temperature in temperatures:
            claimed = activate((np.log(p) - np.log1p(-p)) / temperature, task)
            yield _Many(given, np.where(targets > 0, claimed, 1 - claimed))
        return
    label = np.argmax(targets, axis=1)
    put = _put(p)[:, label].T
    for temperature in temperatures:
        claimed = activate(np.log(p) / temperature, task)
        yield _One(claimed[np.arange(len(p)), label], (claimed * put).sum(axis=1))


def _put(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """(L, L): how often the second label stands where the first is right, of all wrong ones; rows sum to 1.

    Two labels are mixed up as often as scores (N, L) give both of them to one picture.
    """
    count = p.shape[1]
    mixed = p.T @ p
    np.fill_diagonal(mixed, 0)
    mixed /= np.maximum(mixed.sum(axis=1, keepdims=True), LEAST)
    return np.asarray(ALIKE * mixed + (1 - ALIKE) * (1 - np.eye(count)) / (count - 1))


class _One(NamedTuple):
    """One label a picture, (N,) each: how likely the given label is the right one, and how likely another one is, of
    which it would have taken the place."""

    right: NDArray[np.float64]
    other: NDArray[np.float64]

    def expected(self) -> tuple[float, ...]:
        return (WRONG,)

    def chances(self, shares: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return (1 - shares[0]) * self.right, shares[0] * self.other

    def shares(self, doubt: NDArray[np.float64]) -> tuple[float, ...]:
        return (_share(float(doubt.sum()), len(doubt), WRONG),)

    def likelihood(self, shares: tuple[float, ...]) -> float:
        told = float(np.log(np.maximum(sum(self.chances(shares)), LEAST)).sum())
        return told + _belief(shares[0], len(self.right), WRONG)


class _Many(NamedTuple):
    """Many labels a picture, (N, L) each: whether a label was given (1, 0, NaN), and how likely that is right."""

    given: NDArray[np.float64]
    right: NDArray[np.float64]

    def expected(self) -> tuple[float, ...]:
        """5% of the labels that hold are missing, and 5% of the given ones do not hold."""
        given, withheld = np.nansum(self.given), np.nansum(1 - self.given)
        return WRONG, min(WRONG * float(given) / max(float(withheld), 1), WRONG)

    def shares(self, doubt: NDArray[np.float64]) -> tuple[float, ...]:
        surplus, missing = np.nansum(doubt * self.given), np.nansum(doubt * (1 - self.given))
        hold = np.nansum(self.given) - surplus + missing
        hold_not = np.nansum(1 - self.given) - missing + surplus
        before = self.expected()
        return _share(float(missing), float(hold), before[0]), _share(float(surplus), float(hold_not), before[1])

    def likelihood(self, shares: tuple[float, ...]) -> float:
        right, false = self.chances(shares)
        counts = np.nansum(self.given), np.nansum(1 - self.given)
        beliefs = (_belief(*each) for each in zip(shares, map(float, counts), self.expected(), strict=True))
        return float(np.nansum(np.log(np.maximum(right + false, LEAST)))) + sum(beliefs)

    def chances(self, shares: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        missing, surplus = shares
        held = self.given > 0
        right = np.where(held, 1 - missing, 1 - surplus) * self.right
        false = np.where(held, surplus, missing) * (1 - self.right)
        unknown = np.isnan(self.given)
        return np.where(unknown, np.nan, right), np.where(unknown, np.nan, false)


_Claims = _One | _Many


def _share(wrong: float, of: float, before: float) -> float:
    """The share of wrong labels where so many of some are, and so large a share was expected."""
    return (wrong + before * IMAGINED * of) / max(of * (1 + IMAGINED), LEAST) if of else before


def _belief(share: float, of: float, before: float) -> float:
    """The logarithm of how well a share suits what was expected."""
    return float(IMAGINED * of * (before * np.log(max(share, LEAST)) + (1 - before) * np.log1p(-min(share, 1 - LEAST))))
