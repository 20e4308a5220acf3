"""Does a model say the same of a video's neighboring frames? They show nearly the same, and nobody has to label them.

A change of what is said is either a change of what is seen or the model's own unrest; a person tells which by looking
at the times where it flips.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyebright.errors import BadPicture, BadRequest
from eyebright.evaluation.answers import TOGETHER
from eyebright.evaluation.calibration import Floats
from eyebright.modelfile import Figure, Metadata, ModelFile, Task
from eyebright.preprocessing import fit, shorter_side
from eyebright.recognize.statement import Row, Words
from eyebright.recognize.stream import in_order
from eyebright.recognize.video import Every, frames
from eyebright.runtime import Runtime

UNSURE, NOTHING = "unsure", "nothing"


class Track(NamedTuple):
    """What a model says of the frames of a video that were looked at, T of them."""

    times_s: tuple[float, ...]
    scores: NDArray[np.float32]
    """(T, L), 0..1."""


class Flip(NamedTuple):
    """From one frame to the next, something else is said."""

    time_s: float
    """Of the later frame."""
    before: str
    after: str


class Consistency(NamedTuple):
    """Of neighboring frames; there are no intervals, since the pairs of one video are not independent."""

    same_label: Figure
    """The share of pairs whose best label is the same, 0..1."""
    same_statement: Figure
    """The same of what `predict` would say."""
    distance: Figure
    """Total variation between the scores of a pair, 0..1: what share of the score moved to other labels. For `multi`
    it is that of each label's own yes and no, averaged over the labels."""
    flips: tuple[Flip, ...]
    """Where the statement changes."""


def track(model: ModelFile, runtime: Runtime, path: Path, every: Every, threads: int = 1) -> Track:
    """Show the sampled frames of a video to the model. Raises BadPicture, MissingExtra."""
    spec = model.metadata.input

    def some(seen: list[tuple[float, Image.Image]]) -> list[tuple[float, NDArray[np.float32]]]:
        (scores,) = runtime.run(np.stack([fit(frame, spec) for _, frame in seen]), ["scores"])
        return [(time_s, row) for (time_s, _), row in zip(seen, scores, strict=True)]

    try:
        rows = list(in_order(some, frames(path, every, shorter_side(spec), threads), threads, TOGETHER))
    except BadPicture as error:
        raise BadPicture(f"{path}: {error}") from None
    return Track(tuple(time_s for time_s, _ in rows), np.stack([row for _, row in rows]))


def statements(scores: NDArray[np.float32], metadata: Metadata) -> list[str]:
    """What is said of each row of scores (T, L): the most specific sure statement; of many labels those that are on."""
    words = Words(metadata)
    names = [node.label for node in words.hierarchy.nodes]
    rows = [Row("", scores=row) for row in scores]
    if metadata.task == "multi":
        labels = slice(len(metadata.labels))
        on = [np.flatnonzero(words.all_scores(row)[labels] >= words.needed[labels]) for row in rows]
        return [", ".join(names[at] for at in some) or NOTHING for some in on]
    said = [words.said(row)[0] for row in rows]
    return [names[statement.node] if statement else UNSURE for statement in said]


def consistency(scores: Floats, times_s: Sequence[float], said: Sequence[str], task: Task) -> Consistency:
    """Of scores (T, L) at T times with what was said at each. Raises BadRequest where there are no two frames.

    >>> calm = consistency(np.array([[0.9, 0.1], [0.8, 0.2]]), [0.0, 1.0], ["cat", "cat"], "single")
    >>> calm.same_label.value, round(calm.distance.value, 2), calm.flips
    (1.0, 0.1, ())
    """
    pairs = len(scores) - 1
    if pairs < 1:
        raise BadRequest("One frame has no neighbor to compare it with; look more often, as with --every 0.2s.")
    best = np.argmax(scores, axis=1)
    moved = np.abs(np.diff(np.asarray(scores, np.float64), axis=0))
    distance = moved.mean(axis=1) if task == "multi" else moved.sum(axis=1) / 2
    flips = tuple(
        Flip(time_s, *pair) for time_s, pair in zip(times_s[1:], pairwise(said), strict=True) if pair[0] != pair[1]
    )

    def figure(value: float) -> Figure:
        return Figure(float(value), n=pairs, method="pairs of neighboring frames of one video, no interval")

    return Consistency(
        figure((best[1:] == best[:-1]).mean()), figure(1 - len(flips) / pairs), figure(distance.mean()), flips
    )
