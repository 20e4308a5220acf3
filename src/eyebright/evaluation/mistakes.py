"""Which labels are probably wrong: what was said of a picture, beside what a model says that never saw it.

scores (N, L), targets (N, L) as given -> estimate (how many labels are wrong) -> suspects, the most doubtful first

With one label a picture, a share of all labels is taken to be wrong, each put in the place of any other alike; where
labels are many, a share of those that hold is missing and a share of those that do not was given. How large these
shares are, and at which temperature the scores speak of the truth rather than of the given labels, is estimated from
all pictures together; Bayes' rule then says how likely each given label is wrong. What nobody checked (NaN) is left
out.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.data import Dataset, Item
from eyebright.evaluation.calibration import activate
from eyebright.evaluation.nearest import cosines
from eyebright.modelfile import Label, Task

Floats = NDArray[np.floating[Any]]
Places = NDArray[np.intp]

NONE = -1
"""In the place of a label: none."""
NEAR = 8
"""Pictures that a reason looks at."""
SURE = 0.5
"""More likely wrong than right."""
TEMPERATURES = np.geomspace(1 / 4, 4, 57)
IMAGINED, WRONG = 20, 0.05
"""So many labels, this share of them wrong, stand beside the real ones when shares are estimated: few pictures tell
little, and without them a share of 0 would explain everything away."""
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
    """Whether it is more likely wrong than right."""


def suspects(scores: Floats, targets: Floats, task: Task) -> Suspects:
    """All given labels by how doubtful they are; `scores` (N, L) in 0..1 come from models that did not see the picture.

    `targets` (N, L) are 1, 0, or for `multi` NaN where nobody checked.
    """
    doubt = doubts(scores, targets, task)
    if task == "multi":
        picture, label = np.nonzero(~np.isnan(targets))
        held = targets[picture, label] > 0
        given, proposed = np.where(held, label, NONE), np.where(held, NONE, label)
        doubt = doubt[picture, label]
    else:
        picture, given = np.arange(len(scores)), np.argmax(targets, axis=1)
        others = np.where(targets > 0, -np.inf, scores)
        proposed = np.argmax(others, axis=1)
    order = np.argsort(-doubt, kind="stable")
    doubt = doubt[order]
    return Suspects(picture[order], given[order], proposed[order], doubt, doubt > SURE)


def doubts(scores: Floats, targets: Floats, task: Task) -> NDArray[np.float64]:
    """How likely each given label is wrong, 0..1: (N,), or for `multi` (N, L) with NaN where nobody checked."""
    noise = estimate(scores, targets, task)
    return _doubts(_claims(scores, targets, task, noise.temperature), targets, noise.wrong, task)


def estimate(scores: Floats, targets: Floats, task: Task) -> Noise:
    """The temperature and the shares of wrong labels that explain the given labels best.

    For each temperature the shares follow by expectation and maximization (Dempster et al. 1977).
    """
    best: tuple[float, Noise] | None = None
    wrong: tuple[float, ...] = (WRONG, WRONG) if task == "multi" else (WRONG,)
    for temperature in TEMPERATURES:
        claims = _claims(scores, targets, task, temperature)
        shares = wrong
        for _ in range(STEPS):
            shares = _shares(_doubts(claims, targets, shares, task), targets, task)
        right, false = _chances(claims, targets, shares, task)
        told = float(np.nansum(np.log(np.maximum(right + false, LEAST))))
        told += sum(IMAGINED * (WRONG * np.log(share) + (1 - WRONG) * np.log1p(-share)) for share in shares)
        if best is None or told > best[0]:
            best = told, Noise(float(temperature), shares)
    assert best is not None
    return best[1]


class Case(NamedTuple):
    """A doubtful label as a person is shown it."""

    item: Item
    given: int
    """Its place in the data set's labels; NONE for one of many that was not given."""
    proposed: int
    """The label to give in its place; NONE for one of many that should not have been given."""
    doubt: float
    """How likely it is wrong, 0..1."""
    flagged: bool
    reason: str
    """What the nearest pictures speak for."""
    near: tuple[Item, ...]
    """Those, the most like it first; none of their labels is flagged."""


def cases(found: Suspects, data: Dataset, embeddings: Floats, count: int | None = None) -> list[Case]:
    """The `count` most doubtful labels, or all that are flagged; embeddings (N, D) are those of `data`."""
    count = int(found.flagged.sum()) if count is None else count
    targets, names = data.targets(), [label.label for label in data.labels]
    pictures = found.picture[:count]
    near = neighbors(embeddings, pictures.tolist(), agreed(found, len(data.items)))
    return [
        Case(
            data.items[picture],
            int(given),
            int(proposed),
            float(doubt),
            bool(flagged),
            reason(int(given), int(proposed), rows, targets, names),
            tuple(data.items[at] for at in rows),
        )
        for picture, given, proposed, doubt, flagged, rows in zip(*(part[:count] for part in found), near, strict=True)
    ]


def words(case: Case, labels: Sequence[Label]) -> tuple[str, str]:
    """The given label and the proposed one, for a person; of many labels, "no hat" is where a hat is not."""
    if case.given == NONE:
        return f"no {labels[case.proposed].label}", labels[case.proposed].label
    given = labels[case.given].label
    return given, f"no {given}" if case.proposed == NONE else labels[case.proposed].label


def agreed(found: Suspects, count: int) -> NDArray[np.bool_]:
    """(N,): the pictures of `count` none of whose labels is flagged."""
    calm = np.ones(count, bool)
    calm[found.picture[found.flagged]] = False
    return calm


def neighbors(embeddings: Floats, pictures: Sequence[int], calm: NDArray[np.bool_], count: int = NEAR) -> list[Places]:
    """Of each picture the rows most like it by the cosine of embeddings (N, D), the most like first.

    Only rows that are `calm` (N,) count, and never the picture itself or one that looks just the same.
    """
    found = []
    for picture in pictures:
        alike = np.where(calm, cosines(embeddings, embeddings[picture]), -np.inf)
        alike[picture] = -np.inf
        alike[(embeddings == embeddings[picture]).all(axis=1)] = -np.inf
        best = np.argsort(-alike, kind="stable")[:count]
        found.append(best[np.isfinite(alike[best])])
    return found


def reason(given: int, proposed: int, near: Places, targets: Floats, names: Sequence[str]) -> str:
    """What the nearest pictures speak for, as a sentence without a stop.

    >>> targets = np.array([[1, 0], [0, 1], [0, 1], [0, 1]])
    >>> reason(0, 1, np.array([1, 2, 3]), targets, ["shirt", "dress"])
    '3 of its 3 nearest pictures are dress, none shirt'
    """
    if not len(near):
        return "no other picture to compare with"
    total = len(near)
    has = {label: int((targets[near, label] > 0).sum()) for label in (given, proposed) if label != NONE}
    if given == NONE or proposed == NONE:
        (label,) = has
        known = int((~np.isnan(targets[near, label])).sum())
        return f"{_some(has[label])} of its {known} nearest pictures {_have(has[label])} {names[label]}"
    return (
        f"{_some(has[proposed])} of its {total} nearest pictures {_are(has[proposed])} {names[proposed]}, "
        f"{_some(has[given])} {names[given]}"
    )


def _claims(scores: Floats, targets: Floats, task: Task, temperature: float) -> NDArray[np.float64]:
    """What the scores say at a temperature: of the given label (N,), or for `multi` of every label (N, L)."""
    p = np.clip(np.asarray(scores, np.float64), LEAST, 1 - LEAST if task == "multi" else 1)
    if task == "multi":
        return activate((np.log(p) - np.log1p(-p)) / temperature, task)
    return np.asarray((activate(np.log(p) / temperature, task) * targets).sum(axis=1))


def _chances(
    claims: NDArray[np.float64], targets: Floats, shares: tuple[float, ...], task: Task
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How likely a label is given and right, and given and wrong."""
    if task != "multi":
        (share,) = shares
        return (1 - share) * claims, share * (1 - claims) / (targets.shape[1] - 1)
    missing, surplus = shares
    right = np.where(targets > 0, (1 - missing) * claims, (1 - surplus) * (1 - claims))
    false = np.where(targets > 0, surplus * (1 - claims), missing * claims)
    unknown = np.isnan(targets)
    return np.where(unknown, np.nan, right), np.where(unknown, np.nan, false)


def _doubts(claims: NDArray[np.float64], targets: Floats, shares: tuple[float, ...], task: Task) -> NDArray[np.float64]:
    right, false = _chances(claims, targets, shares, task)
    return np.asarray(false / np.maximum(right + false, LEAST))


def _shares(doubt: NDArray[np.float64], targets: Floats, task: Task) -> tuple[float, ...]:
    """The shares of wrong labels that such doubts add up to."""
    if task != "multi":
        return ((float(doubt.sum()) + IMAGINED * WRONG) / (len(doubt) + IMAGINED),)
    given, withheld = targets > 0, targets == 0
    surplus, missing = float(doubt[given].sum()), float(doubt[withheld].sum())
    hold = float((1 - doubt[given]).sum()) + missing
    hold_not = float((1 - doubt[withheld]).sum()) + surplus
    return (missing + IMAGINED * WRONG) / (hold + IMAGINED), (surplus + IMAGINED * WRONG) / (hold_not + IMAGINED)


def _some(count: int) -> str:
    return str(count) if count else "none"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"
