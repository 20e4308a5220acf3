"""A threshold from a goal, such as a precision of 0.95, with a promise that can be checked.

A candidate is chosen on one part of the pictures and proved on another, which had no say in the choice: there an exact
binomial bound (Clopper and Pearson 1934) must reach the goal. So an attempt ends in a promise that does not hold in at
most 5% of all cases, whatever the scores are worth. Chosen is what catches most, weighed by its chance of being proved.
Where nothing can be proved, it is said how many more checked pictures should do.

Arrays are of one label: scores (N,) in 0..1, or -1 where another label is given in its place; truth (N,) 1, 0, or NaN
where nobody checked.
"""

import math
import re
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.errors import BadRequest
from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.intervals import Interval, at_least, bootstrap, log_choose, wilson

Doubles = NDArray[np.float64]
Kind = Literal["precision", "recall", "f1", "cost"]

DIGITS = 6
"""After the point, of scores and thresholds: `predict` compares no more."""
MANY = 10_000
"""Scores that need no smoothing."""
SURE = 0.95
"""Of a promise."""
CANDIDATES = 200
LIKELY = 0.9
"""The chance of being proved that a candidate should have, as far as can be told where it is chosen."""
ENOUGH = 0.8
"""The chance of a proof for which more pictures are asked."""
MOST_TIMES = 100
"""As many pictures as there are; if more were needed, the model is what has to become better."""
_GOALS = re.compile(r"(precision|recall)\s*>?=\s*([0-9.]+)(%?)|(f1)|cost\s+fp\s*=\s*([0-9.]+)[\s,]+fn\s*=\s*([0-9.]+)")


class Goal(NamedTuple):
    """What a threshold is for."""

    kind: Kind
    least: float = 0.0
    """Of precision or recall, 0..1."""
    fp: float = 1.0
    """What a picture costs that is wrongly given the label."""
    fn: float = 1.0
    """What one costs that is wrongly not given it."""

    def __str__(self) -> str:
        if self.kind == "cost":
            return f"cost fp={self.fp:g} fn={self.fn:g}"
        return self.kind if self.kind == "f1" else f"{self.kind}>={self.least:g}"


class Promise(NamedTuple):
    """A threshold, and what was seen of it on pictures that had no say in choosing it."""

    threshold: float
    reached: Interval
    """Of what the goal asks; a promise's `low` is its exact one-sided bound, at least the goal."""
    caught: Interval
    """Recall; where recall is the goal, precision."""
    n: int
    """Pictures that `reached` stands on."""


class Refusal(NamedTuple):
    """Why nothing can be promised."""

    sentence: str


def parse(text: str) -> Goal:
    """A goal as a person writes it. Raises BadRequest.

    >>> parse("precision>=0.95"), parse("cost fp=1 fn=20").fn
    (Goal(kind='precision', least=0.95, fp=1.0, fn=1.0), 20.0)
    """
    found = _GOALS.fullmatch(text.strip().lower())
    try:
        if found is None:
            raise ValueError
        kind, least, percent, f1, fp, fn = found.groups()
        if f1:
            return Goal("f1")
        if least:
            goal = Goal("recall" if kind == "recall" else "precision", float(least) / (100 if percent else 1))
            if not 0 < goal.least < 1:
                raise BadRequest(
                    f"A {kind} can be promised that lies between 0 and 1, both excluded; {text!r} asks for another."
                )
            return goal
        goal = Goal("cost", fp=float(fp), fn=float(fn))
        if not goal.fp > 0 < goal.fn:
            raise BadRequest(f"Both costs must be more than 0, or one answer would do for every picture: {text!r}.")
        return goal
    except ValueError:
        raise BadRequest(
            f"A goal is written precision>=0.95, recall>=0.9, f1, or cost fp=1 fn=20; {text!r} is none."
        ) from None


def aim(goal: Goal, scores: Floats, truth: Floats, proof_scores: Floats, proof_truth: Floats) -> Promise | Refusal:
    """Choose a threshold on the first part and prove it on the second."""
    scores, truth = known(scores, truth)
    proof_scores, proof_truth = known(proof_scores, proof_truth)
    for part in (truth, proof_truth):
        for what, count in (("positives", part.sum()), ("negatives", len(part) - part.sum())):
            if not count and (what == "positives" or goal.kind != "recall"):
                return Refusal(f"not enough data: no {what} in a part of {len(part):,} checked pictures.")
    cuts = Cuts.of(scores, truth)
    if not len(cuts.said):
        return Refusal("the model never gives this label its best score, so no threshold can say it.")
    if goal.kind == "f1":
        best = np.argmax(2 * cuts.right / (cuts.said + truth.sum()))
        return seen(goal, float(cuts.threshold[best]), proof_scores, proof_truth)
    if goal.kind == "cost":
        costs = goal.fp * (cuts.said - cuts.right) + goal.fn * (truth.sum() - cuts.right)
        return seen(goal, float(cuts.threshold[np.argmin(costs)]), proof_scores, proof_truth)
    worth = (cuts.right if goal.kind == "recall" else cuts.right + 0.5) / (cuts.said + 1)
    if goal.kind == "precision":
        worth = cuts.right / truth.sum()
    chance = chances(goal, cuts, scores, truth, proof_truth)
    likely = chance >= min(LIKELY, chance.max())
    found = seen(goal, float(cuts.threshold[np.argmax(likely * worth)]), proof_scores, proof_truth)
    return found if found.reached.low >= goal.least else Refusal(refused(goal, cuts, truth, proof_truth))


def seen(goal: Goal, threshold: float, scores: Floats, truth: Floats) -> Promise:
    """What a threshold does on known pictures that had no say in it."""
    given = scores >= threshold
    right, said, true = int((given * truth).sum()), int(given.sum()), int(truth.sum())
    recall = wilson(right, true)
    if goal.kind == "precision":
        return Promise(threshold, one_sided(right, said), recall, said)
    precision = wilson(right, said) if said else Interval(1.0, 0.0, 1.0, "nothing was said")
    if goal.kind == "recall":
        return Promise(threshold, one_sided(right, true), precision, true)
    if goal.kind == "cost":
        each = goal.fp * given * (1 - truth) + goal.fn * ~given * truth
        return Promise(threshold, bootstrap(lambda weights: weights @ each / len(each), len(each)), recall, len(each))

    def f1(weights: Doubles) -> Doubles:
        both = weights @ (given + truth)
        return np.divide(2 * (weights @ (given * truth)), both, out=np.zeros_like(both), where=both > 0)

    return Promise(threshold, bootstrap(f1, len(truth)), recall, len(truth))


def one_sided(right: int, n: int) -> Interval:
    """A share and what it is at least, with 95% confidence."""
    share = right / n if n else 0.0
    return Interval(share, at_least(right, n, SURE), 1.0, "exact binomial, one-sided")


class Cuts(NamedTuple):
    """Thresholds, from high to low, and what they do where they are chosen; all (K,)."""

    threshold: Doubles
    said: NDArray[np.int64]
    right: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Floats, truth: Floats) -> "Cuts":
        """Between each two scores that differ; of very many, some with evenly spread counts."""
        order = np.argsort(-scores, kind="stable")
        falling = np.asarray(scores[order], np.float64)
        step = np.flatnonzero(np.diff(falling, append=-np.inf))
        step = step[falling[step] > 0]
        if len(step) > CANDIDATES:
            step = step[np.unique(np.linspace(0, len(step) - 1, CANDIDATES).astype(int))]
        below = np.maximum(np.append(falling, 0.0)[step + 1], 0)
        right = np.cumsum(truth[order])[step]
        return cls(((falling[step] + below) / 2).round(DIGITS), step + 1, right.astype(np.int64))


def chances(goal: Goal, cuts: Cuts, scores: Doubles, truth: Doubles, proof: Doubles) -> Doubles:
    """(K,): how likely each cut is to be proved, as far as can be told where it is chosen.

    Of what it did there, `right` of `said`, follows a Beta of how good it is (Jeffreys 1946), and from that how often
    it is right in as many answers as are to be expected. Both counts are smoothed over the logits: of a few positives,
    the lowest is not the lowest that there is. Of the proving pictures only `proof` is known, their truth (M,).
    """
    right = smoothed(cuts.threshold, scores[truth == 1])
    wrong = smoothed(cuts.threshold, scores[truth == 0])
    true, false = truth.sum(), len(truth) - truth.sum()
    if goal.kind == "recall":
        evidence = np.full(len(right), true)
        share, answers = right / true, np.full(len(right), proof.sum())
    else:
        evidence = right + wrong
        there = right * proof.sum() / true, wrong * (len(proof) - proof.sum()) / max(false, 1)
        answers = there[0] + there[1]
        share = there[0] / np.maximum(answers, 1e-9)
    found = np.zeros(len(right))
    for at in range(len(right)):
        m = round(float(answers[at]))
        need = needed(m, goal.least)
        if need <= m:
            good = float(min(share[at], 1) * evidence[at])
            likely = log_beta_binomial(m, good + 0.5, max(float(evidence[at]) - good, 0) + 0.5)
            found[at] = np.exp(likely)[need:].sum()
    return found


def smoothed(thresholds: Doubles, scores: Doubles) -> Doubles:
    """(K,): how many of the scores (N,) lie over each threshold, each of them spread out (Silverman 1986)."""
    if not 0 < len(scores) < MANY:
        return np.asarray(len(scores) - np.searchsorted(np.sort(scores), thresholds), np.float64)
    z, at = logit(scores), logit(thresholds)
    low, high = np.quantile(z, [0.25, 0.75])
    width = max(0.9 * min(float(z.std()), float(high - low) / 1.34) * len(z) ** -0.2, 1e-3)
    far = (z[None] - at[:, None]) / width
    spread: Doubles = 1 / (1 + np.exp(-np.clip(1.702 * far, -60, 60)))
    return np.asarray(spread.sum(1))  # near the normal's, to 1%


def logit(scores: Doubles) -> Doubles:
    inside = np.clip(scores, 1e-7, 1 - 1e-7)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def log_beta_binomial(m: int, a: float, b: float) -> Doubles:
    """(m + 1,): the logarithm of how likely 0..m of m are right, where how good it is follows Beta(a, b)."""
    x = np.arange(m + 1)
    rising = np.concatenate([[0.0], np.cumsum(np.log(a + np.arange(m)))])  # log of a (a + 1) ... (a + x - 1)
    falling = np.concatenate([[0.0], np.cumsum(np.log(b + np.arange(m)))])
    return np.asarray(log_choose(m) + rising[x] + falling[m - x] - np.log(a + b + np.arange(m)).sum())


@lru_cache(4096)
def needed(n: int, least: float) -> int:  # called for the same few thousand again and again
    """How many of n must be right to prove at least that share; n + 1 where all of them would not do.

    >>> needed(58, 0.95), needed(59, 0.95), needed(93, 0.95)
    (59, 59, 92)
    """
    x = np.arange(n + 1)
    tail = np.exp(log_choose(n) + x * math.log(least) + (n - x) * math.log1p(-least))[::-1].cumsum()
    return n + 1 - int(np.searchsorted(tail, 1 - SURE, side="right"))


def refused(goal: Goal, cuts: Cuts, truth: Floats, proof: Floats) -> str:
    """Why a goal cannot be promised, and what would help."""
    positives = int(proof.sum())
    best = at_least(positives, positives, SURE)
    thing = "positive" if positives == 1 else "positives"
    start = f"not enough data: {positives:,} {thing} can show at best {goal.kind} >= {best:.2f}"
    if best >= goal.least:
        start = f"{goal.kind} >= {goal.least:g} could not be proved on {positives:,} {thing}"
    said = cuts.said if goal.kind == "precision" else np.full(len(cuts.said), int(truth.sum()))
    likely = (cuts.right + 0.5) / (said + 1)
    times = 1.0
    while times <= MOST_TIMES:
        for share, k in zip(likely.tolist(), said.tolist(), strict=True):
            if share > goal.least and will_do(share, max(round(k * times * len(proof) / len(truth)), 1), goal.least):
                if times == 1.0:
                    return f"{start}; other pictures might have shown it."
                more = math.ceil((times - 1) * (truth.sum() + positives))
                return f"{start}; about {two_digits(more):,} more checked positives should do."
        times *= 1.1
    if goal.kind == "recall":
        return f"{start}; no threshold of this model can be counted on for it."
    return f"{start}; even its surest answers are not that often right ({likely.max():.2f}): no threshold helps."


def will_do(share: float, n: int, least: float) -> bool:
    """Would n answers, of which that share is right, mostly prove it?"""
    x = np.arange(n + 1)
    tail = np.exp(log_choose(n) + x * math.log(share) + (n - x) * math.log1p(-share))
    return bool(tail[needed(n, least) :].sum() >= ENOUGH)


def two_digits(number: int) -> int:
    """More would pretend.

    >>> two_digits(1437), two_digits(7)
    (1400, 7)
    """
    unit: int = 10 ** max(len(str(number)) - 2, 0)
    return -(-number // unit) * unit if number % unit * 2 >= unit else number // unit * unit


def known(scores: Floats, truth: Floats) -> tuple[Doubles, Doubles]:
    """What somebody checked, with scores as they are compared when a model is used."""
    checked = ~np.isnan(truth)
    return np.asarray(scores[checked], np.float64).round(DIGITS), np.asarray(truth[checked], np.float64)
