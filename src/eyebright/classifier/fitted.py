"""What a fitted head is: arrays that say how an embedding x (D,) becomes logits (L,), or votes for labels.

Votes are shares in 0..1; their logarithm is the logit, log(p / (1 - p)) for `multi`. `traditional.py` fits heads,
`export/head.py` writes them into a model file.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Linear:
    """logits = weight x + bias."""

    weight: Floats  # (L, D)
    bias: Floats  # (L,)

    @property
    def num_features(self) -> int:
        return int(self.weight.shape[1])

    @property
    def num_labels(self) -> int:
        return len(self.bias)


@dataclass(frozen=True)
class Quadratic:
    """logits = square z^2 + weight z + bias, for z = x - center, around which float32 is exact enough."""

    center: Floats  # (D,)
    square: Floats  # (L, D)
    weight: Floats  # (L, D)
    bias: Floats  # (L,)

    @property
    def num_features(self) -> int:
        return len(self.center)

    @property
    def num_labels(self) -> int:
        return len(self.bias)


@dataclass(frozen=True)
class Kernel:
    """logits = weight exp(-gamma |z - points|^2) + bias, for z = (x - center) * scale."""

    center: Floats  # (D,)
    scale: Floats  # (D,)
    points: Floats  # (S, D)
    gamma: float
    weight: Floats  # (L, S)
    bias: Floats  # (L,)

    @property
    def num_features(self) -> int:
        return len(self.center)

    @property
    def num_labels(self) -> int:
        return len(self.bias)


@dataclass(frozen=True)
class Neighbors:
    """Votes: the mean of the targets of the k points in the most similar directions."""

    points: Floats  # (N, D), of length 1
    targets: Floats  # (N, L) in 0..1
    k: int

    @property
    def num_features(self) -> int:
        return int(self.points.shape[1])

    @property
    def num_labels(self) -> int:
        return int(self.targets.shape[1])


@dataclass(frozen=True)
class Trees:
    """Votes: the mean of those of the leaves that x comes to, one in each tree; M nodes in all.

    From a node to `left` where x[feature] <= threshold, else to `right`; a leaf leads to itself.
    """

    num_features: int
    roots: NDArray[np.int64]  # (T,)
    feature: NDArray[np.int64]  # (M,)
    threshold: Floats  # (M,)
    left: NDArray[np.int64]  # (M,)
    right: NDArray[np.int64]  # (M,)
    votes: Floats  # (M, L)
    depth: int

    @property
    def num_labels(self) -> int:
        return int(self.votes.shape[1])


Head = Linear | Quadratic | Kernel | Neighbors | Trees
