"""The pictures of a data set that a model finds most like a given one: those whose embeddings point the same way."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.data import Item
from eyebright.evaluation.answers import Answers
from eyebright.modelfile import Label

Floats = NDArray[np.floating[Any]]


class Near(NamedTuple):
    """A picture, the labels that it has, and how like it is: the cosine of both embeddings, -1..1."""

    item: Item
    labels: tuple[str, ...]
    similarity: float


def nearest(embedding: Floats, answers: Answers, labels: Sequence[Label], count: int = 5) -> list[Near]:
    """The pictures most like one whose embedding (D,) is given, the most first.

    `answers` were asked for `embedding`; `labels` are those of their data set.
    """
    alike = cosines(answers.outputs["embedding"], embedding)
    best = np.argsort(-alike, kind="stable")[:count]
    items = [answers.items[at] for at in best]
    return [
        Near(item, tuple(labels[place].label for place in item.labels), float(alike[at]))
        for item, at in zip(items, best, strict=True)
    ]


def cosines(rows: Floats, one: Floats) -> NDArray[np.float64]:
    """(N, D) and (D,) -> (N,), -1..1; 0 where a row is nothing but zeros.

    >>> cosines(np.array([[0.0, 2.0], [3.0, 0.0], [0.0, 0.0]]), np.array([5.0, 0.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    products = (rows @ one).astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1).astype(np.float64) * float(np.linalg.norm(one))
    return np.asarray(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0).clip(-1, 1))
