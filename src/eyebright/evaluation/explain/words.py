"""Where in a picture the evidence for a label lies, in words: nine parts of it, named as a person would."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.evaluation.explain.evidence import Box, Evidence, Explanation

NAMES = (
    *("upper left", "upper middle", "upper right"),
    *("left", "middle", "right"),
    *("lower left", "lower middle", "lower right"),
)
ENOUGH = 0.5
"""Places are named until they hold this share of the evidence ..."""
MOST = 3
"""... and if that needs more, it is all over the picture."""
WORTH_SAYING = 0.2
"""What speaks against a label is said from this share of what speaks for it."""
WHOLE = 0.995
"""A side that the model saw as good as all of."""


class Share(NamedTuple):
    """A ninth of a picture, and its share, 0..1, of the evidence in all of it."""

    place: str
    share: float


def shares(values: NDArray[np.floating], box: Box, size: tuple[int, int]) -> list[Share]:
    """Of a map (h, w) over a box of a picture, how much of what is over 0 lies in each ninth of it; the most first.

    Empty where nothing is over 0.

    >>> [(place, round(share, 2)) for place, share in shares(np.array([[1, 0], [3, -2]]), (0, 0, 6, 6), (6, 6))[:2]]
    [('lower left', 0.33), ('left', 0.22)]
    """
    left, top, right, bottom = box
    width, height = size
    rows = overlap(top / height, bottom / height, values.shape[0])
    columns = overlap(left / width, right / width, values.shape[1])
    found = rows @ np.maximum(values, 0).astype(np.float64) @ columns.T
    total = found.sum()
    if not total > 0:
        return []
    each = [Share(name, float(share)) for name, share in zip(NAMES, found.ravel() / total, strict=True)]
    return sorted((share for share in each if share.share > 0), key=lambda share: -share.share)


def overlap(start: float, end: float, count: int) -> NDArray[np.float64]:
    """(3, count): how much of each of `count` cells between `start` and `end` lies in each third of 0..1."""
    edges = np.linspace(start, end, count + 1)
    thirds = np.linspace(0, 1, 4)[:, None]
    shared = np.minimum(edges[1:], thirds[1:]) - np.maximum(edges[:-1], thirds[:-1])
    return np.asarray(np.maximum(shared, 0) * count / (end - start))


def sentence(evidence: Evidence, explanation: Explanation) -> str:
    """What speaks for a label, for whoever cannot see the map.

    "jacket 0.91: by what is in the upper middle (41% of what speaks for it) and the middle (33%)."
    """
    found = shares(evidence.map, explanation.box, explanation.size)
    against = shares(-evidence.map, explanation.box, explanation.size)
    label = f"{evidence.label.label} {evidence.score:.2f}"
    if evidence.against:
        label += f", rather than {evidence.against.label}"
    if not found:
        return f"{label}: nothing in the picture speaks for it."
    count = int(np.searchsorted(np.cumsum([share.share for share in found]), ENOUGH)) + 1
    if count > MOST:
        said = f"by what is all over the picture, most of it in {named(found[:1])}"
    else:
        said = f"by what is in {named(found[:count])}"
    if -np.minimum(evidence.map, 0).sum() >= WORTH_SAYING * np.maximum(evidence.map, 0).sum():
        said += f"; against it speaks what is in {named(against[:1], '')}"
    return f"{label}: {said}."


def named(places: Sequence[Share], of: str = " of what speaks for it") -> str:
    """
    >>> named([Share("middle", 0.5), Share("left", 0.25), Share("right", 0.13)])
    'the middle (50% of what speaks for it), the left (25%) and the right (13%)'
    """
    first, *rest = places
    parts = [f"the {first.place} ({first.share:.0%}{of})", *(f"the {place} ({share:.0%})" for place, share in rest)]
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def method(evidence: Evidence) -> str:
    """How the map came about, and how exact it is."""
    logit = f"{'the logit' if evidence.against is None else 'the difference of the logits'}, {evidence.logit:.2f}"
    rows, columns = evidence.map.shape
    if evidence.method == "occlusion":
        return (
            f"Occlusion: of {rows} x {columns} places, hiding one takes at most {evidence.map.max():.2f} off {logit}."
        )
    how = "exact" if evidence.exact else f"to within {max(evidence.off, 0.001):.1g}, as the head is in 8 bits"
    return f"Class activation map, {how}: the mean of its {rows} x {columns} places and the bias add up to {logit}."


def seen(explanation: Explanation) -> str:
    """How much of a picture the model saw of it.

    >>> seen(Explanation((400, 300), (50.0, 0.0, 350.0, 300.0), (), None))
    'The model saw the middle 75% of the width.'
    """
    left, top, right, bottom = explanation.box
    width, height = (right - left) / explanation.size[0], (bottom - top) / explanation.size[1]
    cut = [(share, side) for share, side in ((width, "width"), (height, "height")) if share < WHOLE]
    return (
        f"The model saw {' and '.join(f'the middle {share:.0%} of the {side}' for share, side in cut) or 'all of it'}."
    )


def sentences(explanation: Explanation) -> list[str]:
    """All of it, for a page or a terminal."""
    told = []
    for evidence in explanation.evidence:
        told += [sentence(evidence, explanation), method(evidence)]
    return [*told, seen(explanation)]
