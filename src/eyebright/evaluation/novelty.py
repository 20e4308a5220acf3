"""How unlike a picture is to those that a model learned from: the share of its embedding outside their main directions.

A network spends its embedding on what its own pictures differ in; another picture also moves it elsewhere (the residual
of ViM, Wang et al. 2022, arXiv:2203.10807; here as a share, which does not grow with the length of the embedding).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.data import Dataset
from eyebright.data.split import place

Floats = NDArray[np.float32]

DIRECTIONS = 64
"""More separate a little better, and each takes a byte a feature in the model file."""
PICTURES = 1000
"""More to find them from change nothing."""
FEWEST = 20


class Familiar(NamedTuple):
    """Where the embeddings of the pictures lie that a model learned from."""

    mean: Floats  # (D,)
    directions: Floats  # (D, K), each of length 1, once `rounded` in whole numbers of `steps`

    @property
    def steps(self) -> Floats:
        """(K,)"""
        return np.asarray(np.maximum(np.abs(self.directions).max(axis=0), 1e-12) / 127, np.float32)

    def rounded(self) -> "Familiar":
        """With directions that 8 bits can hold."""
        return self._replace(directions=np.round(self.directions / self.steps) * self.steps)


def some(data: Dataset) -> Dataset:
    """As many of the pictures as it takes, always the same ones."""
    return data.only(sorted(data.items, key=lambda item: place(item.name))[:PICTURES])


def fit(embeddings: Floats) -> Familiar | None:
    """From embeddings (N, D) of pictures that it learned from, some of them; None where they are few or all alike."""
    embeddings = embeddings[:: max(-(-len(embeddings) // PICTURES), 1)]
    count, width = embeddings.shape
    if count < FEWEST:
        return None
    mean = embeddings.mean(axis=0, dtype=np.float64)
    centered = embeddings - mean
    if not centered.any():
        return None
    kept = max(min(DIRECTIONS, width // 4, count // 2), 1)
    if count < width:  # the smaller of two matrices with the same directions
        _, weights = np.linalg.eigh(centered @ centered.T)
        directions = centered.T @ weights[:, -kept:]
        directions /= np.linalg.norm(directions, axis=0)
    else:
        directions = np.linalg.eigh(centered.T @ centered)[1][:, -kept:]
    return Familiar(mean.astype(np.float32), np.ascontiguousarray(directions, np.float32)).rounded()


def novelty(embeddings: Floats, familiar: Familiar) -> Floats:
    """(N,): 0 for an embedding within the directions, 1 for one that has nothing of them."""
    centered = embeddings - familiar.mean
    whole = (centered**2).sum(axis=1)
    inside = ((centered @ familiar.directions) ** 2).sum(axis=1)
    return np.asarray((whole - inside) / np.maximum(whole, np.float32(1e-12)))
