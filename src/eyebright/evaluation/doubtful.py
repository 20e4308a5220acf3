"""Doubtful labels as a person is shown them: the picture, both labels, and what the pictures most like it speak for."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.data import Dataset, Item
from eyebright.evaluation.mistakes import NONE, Places, Suspects
from eyebright.evaluation.nearest import cosines
from eyebright.modelfile import Label

Floats = NDArray[np.floating[Any]]

NEAR = 8
"""Pictures that a reason looks at."""


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


def _some(count: int) -> str:
    return str(count) if count else "none"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"
