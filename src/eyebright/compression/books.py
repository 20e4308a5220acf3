"""Tensors of shared weights while they learn: centers, and which of them each weight takes.

Letters: K centers.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import Tensor

from eyebright.compression.pack import entropy_bits
from eyebright.compression.share import cheaper, shareable
from eyebright.errors import BadRequest

HALVINGS = 10
Index = NDArray[np.int64]
Floats = NDArray[Any]


class Book(NamedTuple):
    """A tensor of shared weights while it learns."""

    centers: Tensor
    """(K,) rising; one that is 0 stays 0."""
    which: Tensor
    """int64, which center each weight takes."""
    before: Tensor
    """The weights before they were shared."""
    root: float
    """The root mean square of the weights as the graph holds them."""
    price: float
    """What a bit costs in squared error as the graph holds them, at a price of 1 (share.py)."""
    whole: bool
    """int8: centers are whole numbers."""

    def values(self) -> Tensor:
        """(K,) centers as they are held."""
        centers = self.centers.detach()
        return centers.round().clamp(-127, 127) if self.whole else centers

    def held(self) -> Tensor:
        """The weights as they are."""
        return self.values()[self.which]


class Choice:
    """What is the cheapest center at a price of a bit, where each costs as many bits as it is rare."""

    def __init__(self, book: Book, price: float) -> None:
        self.values = book.values().numpy().astype(np.float64)
        counts = np.bincount(book.which.numpy().ravel(), minlength=len(self.values))
        (some,) = np.nonzero(counts)
        self.some = some[np.unique(self.values[some], return_index=True)[1]]
        self.bits = np.log2(counts.sum() / counts[self.some])
        self.price = price * book.price

    def __call__(self, weights: Floats, factor: float = 1.0) -> Index:
        """Places of centers for weights of which each errs `factor` times as cheaply."""
        some = self.values[self.some]
        left, _, limits = cheaper(some, self.bits, self.price * factor)
        return self.some[np.searchsorted(some, left)[np.searchsorted(limits, weights)]]


def books_of(graph: ModelProto, before: ModelProto) -> dict[str, Book]:
    """The shared tensors by name, with the weights that they had in the model `before`."""
    unshared = {name: weight.values for name, weight in shareable(before).items()}
    books: dict[str, Book] = {}
    for name, weight in shareable(graph).items():
        values, which = np.unique(weight.values, return_inverse=True)
        if len(values) > 256 or name not in unshared:
            continue
        square = float(np.mean(np.square(weight.scale, dtype=np.float64)))
        root = float(np.sqrt(np.mean(np.square(weight.values, dtype=np.float64)))) or 1.0
        books[name] = Book(
            torch.tensor(values.astype(np.float32), requires_grad=True),
            torch.from_numpy(which.reshape(weight.values.shape)),
            torch.from_numpy(unshared[name].astype(np.float32)),
            root,
            root * math.sqrt(square) / square,
            weight.values.dtype == np.int8,
        )
    if not books:
        raise BadRequest("no weight in this model is shared, so there is nothing that could learn.")
    return books


def price_for(books: Mapping[str, Book]) -> float:
    """The least price of a bit at which weights that choose their center alone take no more than they do."""
    most_bits = sum(entropy_bits(np.bincount(book.which.numpy().ravel())) for book in books.values())

    def bits(price: float) -> float:
        chosen = (Choice(book, price)(book.before.numpy()) for book in books.values())
        return sum(entropy_bits(np.bincount(which.ravel())) for which in chosen)

    low, high = -7.0, 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if bits(10**middle) <= most_bits else (middle, high)
    return float(10**high)
