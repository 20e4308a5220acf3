"""Did a changed model lose more than its owner allowed? Asked on the same pictures, with a bound and not a hope.

proved            the one-sided 95% bound of the paired difference is within what is allowed
not contradicted  the estimate is, but these pictures are too few to prove it
refused           the estimate is not

The main figure of the task is judged (top-1, average precision, mAP), and so is each label that enough pictures have,
by its recall, or where labels are many by its average precision.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.errors import BadRequest
from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.intervals import DRAWS, Interval, Weights, bootstrap_each, wilson
from eyebright.evaluation.metrics import MAIN, WORK, average_precision, has_positives, hits, mean_of_known
from eyebright.evaluation.paired import share_gain
from eyebright.modelfile import Label, Task

JUDGED = 100
"""Pictures of a label from which on it is judged by itself."""
ONE_SIDED = 1.644854
"""Of a normal distribution, 95% lie under so many deviations."""
MOST = 100_000_000  # pictures that it makes sense to ask for
Word = Literal["proved", "not contradicted", "refused"]
Given = NDArray[np.bool_]


class Allowed(NamedTuple):
    """How much may be lost, as shares: 0.005 is half a percentage point."""

    whole: float = 0.005
    label: float = 0.03


class Drop(NamedTuple):
    """What one figure lost or gained."""

    before: float
    change: Interval
    """B - A, 95%."""
    bound: float
    """The change is more than this, 95% sure and one-sided."""
    pictures: int
    allowed: float

    @property
    def word(self) -> Word:
        if self.change.value < -self.allowed - 1e-12:
            return "refused"
        return "proved" if self.bound >= -self.allowed else "not contradicted"

    @property
    def needed(self) -> int | None:
        """About how many pictures would prove it, if all went on as here; None where none would."""
        room = self.change.value + self.allowed
        wanted = self.pictures * ((self.change.value - self.bound) / room) ** 2 if room > 0 else np.inf
        return None if wanted > MOST else max(int(np.ceil(wanted)), 1)


class Verdict(NamedTuple):
    """A changed model beside the one that it comes from."""

    measure: str
    """top1, ap or map."""
    whole: Drop
    labels: dict[int, Drop]
    """By column: recall, or average precision where labels are many; those with at least JUDGED pictures."""
    listed: tuple[int, ...]
    """Columns of labels with fewer pictures, which were not judged."""

    @property
    def word(self) -> Word:
        words = {self.whole.word, *(drop.word for drop in self.labels.values())}
        return next(word for word in WORST_FIRST if word in words)


WORST_FIRST: tuple[Word, ...] = ("refused", "not contradicted", "proved")


def verdict(
    a: Floats, b: Floats, targets: Floats, task: Task, allowed: Allowed, said: tuple[Given, Given] | None = None
) -> Verdict:
    """Judge scores (N, L) of a changed model, `b`, beside those of the one that it comes from, `a`.

    `said` are the labels (N, L) that both give; without it the labels of yes or no are not judged. Raises BadRequest
    where these pictures cannot judge anything.
    """
    if not len(targets):
        raise BadRequest("There are no pictures to judge by.")
    counts = (targets == 1).sum(axis=0)
    present = np.flatnonzero(has_positives(targets)).tolist()
    judged = [at for at in present if counts[at] >= JUDGED]
    if task == "single":
        right_a, right_b = hits(a, targets), hits(b, targets)
        whole = of_shares(right_a, right_b, allowed.whole)
        labels = {at: of_shares(right_a[rows], right_b[rows], allowed.label) for at, rows in rows_of(targets, judged)}
        return Verdict(MAIN[task], whole, labels, tuple(at for at in present if at not in labels))
    ranked = [at for at in present if task == "multi" or at == 1]
    if not ranked:
        raise BadRequest("No label is on any of these pictures, so they cannot judge anything.")
    mean, *each = of_ranks(a, b, targets, ranked)
    whole = Drop(*mean, len(targets), allowed.whole)
    if task == "multi":
        drops = dict(zip(ranked, each, strict=True))
        labels = {at: Drop(*drops[at], int(counts[at]), allowed.label) for at in judged}
    else:
        labels = {
            at: of_shares(said[0][rows, at], said[1][rows, at], allowed.label)
            for at, rows in rows_of(targets, judged)
            if said
        }
    listed = [at for at in present if at not in labels and (said or task == "multi")]
    return Verdict(MAIN[task], whole, labels, tuple(listed))


def rows_of(targets: Floats, labels: Sequence[int]) -> list[tuple[int, NDArray[np.bool_]]]:
    return [(at, targets[:, at] == 1) for at in labels]


def of_shares(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], allowed: float) -> Drop:
    """Of hits (N,) of both."""
    change, _ = share_gain(right_a, right_b)
    (bounded, _) = share_gain(right_a, right_b, ONE_SIDED)
    return Drop(float(np.mean(right_a)), change, bounded.low, len(right_a), allowed)


def of_ranks(a: Floats, b: Floats, targets: Floats, labels: Sequence[int]) -> list[tuple[float, Interval, float]]:
    """Mean average precision over `labels`, and that of each: before, B - A, its one-sided bound.

    A bootstrap that was never moved is not certain: the bound is never nearer to the change than Wilson's for a share
    that was seen on none of as many pictures as have the labels.
    """

    def precisions(scores: Floats, weights: Weights) -> NDArray[np.float64]:
        each = np.stack([average_precision(scores[:, at], targets[:, at], weights) for at in labels], axis=1)
        mean = mean_of_known(np.nan_to_num(each), (~np.isnan(each)).astype(np.float64), axis=1)
        return np.column_stack([mean, each])

    def change(weights: Weights) -> NDArray[np.float64]:
        return precisions(b, weights) - precisions(a, weights)

    n = len(targets)
    draws = min(max(WORK // (n * len(labels)), 100), DRAWS)
    before = precisions(a, np.ones((1, n)))[0].tolist()
    both = bootstrap_each(change, n, draws)
    drawn = [found.low for found in bootstrap_each(change, n, draws, between=(5.0, 95.0))]
    counts = (targets[:, labels] == 1).sum(axis=0).tolist()
    bounds = [
        min(low, found.value - wilson(0, count, ONE_SIDED).high)
        for low, found, count in zip(drawn, both, [sum(counts), *counts], strict=True)
    ]
    return list(zip(before, both, bounds, strict=True))


def sentence(found: Verdict, labels: Sequence[Label]) -> str:
    """The verdict in words, with what it rests on."""
    whole = found.whole
    after = whole.before + whole.change.value
    said = (
        f"{found.word}: {found.measure} {whole.before:.3f} before, {after:.3f} after on {whole.pictures:,} pictures; "
        f"{points(whole.change.value)} points, at worst {points(whole.bound)} (95% sure), {points(-whole.allowed)} "
        "allowed."
    )
    lost = [labels[at].label for at, drop in found.labels.items() if drop.word == "refused"]
    if lost:
        said += f" Lost by more than {100 * next(iter(found.labels.values())).allowed:g} points: {', '.join(lost)}."
    open_ones = [labels[at].label for at, drop in found.labels.items() if drop.word == "not contradicted"]
    if found.word == "not contradicted":
        if whole.word == "not contradicted" and whole.needed:
            said += f" About {whole.needed:,} pictures would prove it."
        elif whole.word == "not contradicted":
            said += " No number of such pictures would prove it: the loss is all that is allowed."
        if open_ones:
            said += f" Too few of {', '.join(open_ones)} to prove it of them."
    return said


def points(share: float) -> str:
    """A share as percentage points.

    >>> points(0.0125), points(-0.005), points(0.0)
    ('+1.25', '-0.50', '0.00')
    """
    value = round(100 * share, 2)
    return f"{value:+.2f}" if value else "0.00"
