"""Which pictures a step learns from, and their preparation while the step before is under way.

Both follow from the seed and the number of the step alone: nothing is remembered between steps, so a run continues at
any step as if it had never stopped, and several processes share a batch without speaking to each other.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyebright.training.augment import augment, blend, draw
from eyebright.training.pixels import Pictures
from eyebright.training.recipe import Recipe

AHEAD = 2  # batches that are prepared before they are asked for
GRAIN = 32  # sizes on the way to the full one are multiples of this many pixels


class Batch(NamedTuple):
    step: int
    images: Tensor  # (B, H, W, 3) float32 in 0..255
    targets: Tensor  # (B, L) float32: shares of labels; NaN: nobody checked
    taught: Tensor | None = None  # (B, L) float32: a teacher's scores of these very images


class Batches:
    """The batches of one process out of `world`; each has its part of every batch."""

    def __init__(
        self,
        pictures: Pictures,
        targets: NDArray[np.float32],
        recipe: Recipe,
        size: int,
        steps: int,
        rank: int = 0,
        world: int = 1,
        teacher: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.pictures = pictures
        self.targets = targets
        self.recipe = recipe
        self.size = size
        self.steps = steps
        self.rank = rank
        self.world = world
        self.teacher = teacher
        self.order = Order(recipe.seed, rareness(targets) if recipe.balance == "sampling" else None, len(targets))

    def since(self, step: int) -> Iterator[Batch]:
        """The batches of this step and all after it."""
        with ThreadPoolExecutor(1) as pool:
            coming: list[Future[Batch]] = []
            try:
                for at in range(step, self.steps):
                    coming.append(pool.submit(self.batch, at))
                    if len(coming) > AHEAD:
                        yield coming.pop(0).result()
                while coming:
                    yield coming.pop(0).result()
            finally:
                for batch in coming:
                    batch.cancel()

    def batch(self, step: int) -> Batch:
        """One batch, whenever it is asked for."""
        recipe, own = self.recipe, self.recipe.batch // self.world
        places = self.order.places(step, recipe.batch)
        draws = draw(np.random.default_rng((recipe.seed, step)), recipe.batch, recipe)
        places, draws = places[self.rank * own :][:own], draws.part(self.rank * own, own)
        images = augment(self.pictures.take(places), draws, recipe, self.size_at(step))
        images, targets = blend(images, torch.from_numpy(self.targets[places]), draws)
        return Batch(step, images, targets, self.teacher(images) if self.teacher else None)

    def size_at(self, step: int) -> int:
        """Pixels a side at a step: from a share of the size at the start to all of it in the last quarter."""
        full, share = round(self.size * self.recipe.learn_scale), self.recipe.progressive
        if share == 1:
            return full
        grown = min(step / max(0.75 * self.steps, 1), 1.0)
        return min(full, max(GRAIN, round(full * (share + (1 - share) * grown) / GRAIN) * GRAIN))


class Order:
    """An endless row of places: every picture once in each pass, shuffled anew; or drawn by weight."""

    def __init__(self, seed: int, weights: NDArray[np.float64] | None, count: int) -> None:
        self.seed = seed
        self.weights = weights
        self.count = count
        self.pass_number = lru_cache(4)(self._pass)

    def places(self, step: int, batch: int) -> NDArray[np.int64]:
        """(batch,): what this step learns from."""
        at = np.arange(step * batch, (step + 1) * batch)
        return np.array([self.pass_number(int(p))[place] for p, place in zip(*divmod(at, self.count), strict=True)])

    def _pass(self, number: int) -> NDArray[np.int64]:
        random = np.random.default_rng((self.seed, number, 1))
        if self.weights is None:
            return random.permutation(self.count)
        return random.choice(self.count, self.count, p=self.weights)


def rareness(targets: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) that sum to 1: a picture's rarest label decides how often it is drawn."""
    positive = np.nan_to_num(targets) > 0
    frequency = np.maximum(positive.sum(0), 1)
    weights = np.where(positive, 1 / frequency, 0).max(1)
    weights[weights == 0] = 1 / max(len(targets), 1)
    return np.asarray(weights / weights.sum())
