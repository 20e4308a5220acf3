"""Decoded pictures, ready for the network's hunger: each is decoded once and kept in a memory-mapped file.

For learning a picture is kept whole, stretched to a square (its true shape beside it), so that any crop of it can be
drawn later; for judging it is kept as the model file will see it.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyebright.data import Dataset, Item
from eyebright.errors import CannotWrite
from eyebright.modelfile import Input
from eyebright.preprocessing import Pixels, fit, shorter_side

T = TypeVar("T")
R = TypeVar("R")
Told = Callable[[int, int], None]
"""Called with (done, total) while it takes long."""
SPARE = 1.25
"""Pixels a side that are kept, for each that the network sees: a crop of two thirds of the area loses nothing."""


class Stretched(NamedTuple):
    """Whole pictures, pressed into squares."""

    pixels: Pixels  # (B, side, side, 3)
    shapes: NDArray[np.float32]  # (B,) width / height of the originals


class Pictures(Protocol):
    """The pictures of the training split by their place in it."""

    side: int

    def take(self, places: NDArray[np.int64]) -> Stretched: ...


class Kept:
    """All of them in a file, mapped into memory."""

    def __init__(self, pixels: Pixels, shapes: NDArray[np.float32]) -> None:
        self.pixels = pixels
        self.shapes = shapes
        self.side = pixels.shape[1]

    def take(self, places: NDArray[np.int64]) -> Stretched:
        return Stretched(self.pixels[places], self.shapes[places])


class Decoded:
    """Each decoded anew whenever it is asked for, where a file of them all would be too large."""

    def __init__(self, data: Dataset, side: int, threads: int) -> None:
        self.data = data
        self.side = side
        self.pool = ThreadPoolExecutor(threads)

    def take(self, places: NDArray[np.int64]) -> Stretched:
        found = list(self.pool.map(lambda place: stretched(self.data, self.data.items[place], self.side), places))
        return Stretched(np.stack([pixels for pixels, _ in found]), np.array([shape for _, shape in found], np.float32))


def stretched(data: Dataset, item: Item, side: int) -> tuple[Pixels, float]:
    """One picture as (side, side, 3), and its width / height."""
    picture = data.picture(item, side)
    square = picture.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(square), picture.width / picture.height


def kept_side(data: Dataset, size: int) -> int:
    """Pixels a side worth keeping for a network that sees `size`: no more than the pictures have."""
    some = data.items[:: max(len(data.items) // 50, 1)]
    sides = [min(data.picture(item, round(size * SPARE)).size) for item in some]
    return min(round(size * SPARE), max(size, int(np.median(sides))))


def for_learning(data: Dataset, side: int, file: Path, cache_mb: int, threads: int, told: Told) -> Pictures:
    """Pictures of `side` (`kept_side`): kept in `file` if they fit in `cache_mb`, else decoded again each time."""
    count = len(data.items)
    if count * side * side * 3 > cache_mb * 1e6:
        return Decoded(data, side, threads)
    pixels = _room(file, (count, side, side, 3))
    shapes = np.ones(count, np.float32)

    def keep(place: int) -> None:
        pixels[place], shapes[place] = stretched(data, data.items[place], side)

    for done, _ in enumerate(_spread(keep, range(count), threads), 1):
        told(done, count)
    return Kept(pixels, shapes)


def for_judging(data: Dataset, spec: Input, size: int, file: Path, threads: int, told: Told) -> Pixels:
    """(N, size, size, 3): every picture as a model file of this input sees it."""
    pixels = _room(file, (len(data.items), size, size, 3))
    shorter = shorter_side(spec, size)

    def keep(place: int) -> None:
        pixels[place] = fit(data.picture(data.items[place], shorter), spec, size)

    for done, _ in enumerate(_spread(keep, range(len(data.items)), threads), 1):
        told(done, len(data.items))
    return pixels


def _room(file: Path, shape: tuple[int, ...]) -> Pixels:
    """A new array in a file; the disk is asked for all of it now, so that it cannot run full in the middle."""
    size = int(np.prod(shape))
    try:
        with open(file, "wb") as opened:
            if hasattr(os, "posix_fallocate") and size:
                os.posix_fallocate(opened.fileno(), 0, size)
            else:
                opened.truncate(size)
        return np.memmap(file, np.uint8, "r+", shape=shape) if size else np.zeros(shape, np.uint8)
    except OSError as error:
        file.unlink(missing_ok=True)
        why = (error.strerror or str(error)).lower()
        raise CannotWrite(
            f"{file} cannot be written: {why} ({size / 1e6:,.0f} MB are needed); a smaller cache_mb decodes each time."
        ) from None


def _spread(work: Callable[[T], R], items: Sequence[T], threads: int) -> Iterator[R]:
    """`work` on each item, in order, by several threads; the first failure stops it."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
