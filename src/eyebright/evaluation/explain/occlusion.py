"""Occlusion (Zeiler and Fergus 2014, arXiv:1311.2901): what goes from a logit where a square hides a place.

It asks nothing of a network but its answers, and many of them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from eyebright.preprocessing import Pixels
from eyebright.runtime import Runtime

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

PLACES = 14
"""Squares a side that are hidden, one after another."""
SQUARE = 1 / 4
"""The side of a square as a share of the input's. On 16 pictures of two models whose class activation maps are known,
the highest place came nearest to theirs with it; smaller squares agreed less, larger ones blurred."""
TOGETHER = 4  # pictures that the model sees at once


def hidden(pixels: Pixels, runtime: Runtime, output: str, threads: int, told: Callable[[int, int], None]) -> Floats:
    """(S, S, 3) -> (p, p, L): an output of the model with a square around each of p x p places in the mean color.

    p is PLACES, or S where that is less; `told` hears how many of how many are done.
    """
    places = min(PLACES, len(pixels))
    whole = [(row, column) for row in range(places) for column in range(places)]
    parts = [whole[start : start + TOGETHER] for start in range(0, len(whole), TOGETHER)]

    def some(part: Sequence[tuple[int, int]]) -> Floats:
        return runtime.run(np.stack([without(pixels, *place, places) for place in part]), [output])[0]

    rows = []
    pool = ThreadPoolExecutor(threads)
    try:
        for number, found in enumerate(pool.map(some, parts), 1):
            rows.append(found)
            told(min(number * TOGETHER, len(whole)), len(whole))
    finally:
        pool.shutdown(cancel_futures=True)
    return np.concatenate(rows).reshape(places, places, -1)


def without(pixels: Pixels, row: int, column: int, places: int) -> Pixels:
    """The picture with a square of its mean color around one of places x places places."""
    side = len(pixels)
    half = max(side * SQUARE, 1) / 2
    changed = pixels.copy()
    rows, columns = (
        slice(max(round(middle - half), 0), round(middle + half))
        for middle in ((row + 0.5) * side / places, (column + 0.5) * side / places)
    )
    changed[rows, columns] = pixels.mean((0, 1)).round()
    return changed


def shared(drops: NDArray[np.floating]) -> Doubles:
    """(p, p) -> (p, p): a place has the mean of what all squares took that cover it.

    So the middle of a thing stands out, which many squares cover, and not each square that touches it.
    """
    middles = (np.arange(len(drops)) + 0.5) / len(drops)
    covers = (np.abs(middles[:, None] - middles) <= SQUARE / 2).astype(np.float64)
    covers /= covers.sum(1, keepdims=True)
    return np.asarray(covers @ drops @ covers.T)
