"""Bursts, and which shot of one is the best: the sharpest, unless light or dark swallowed parts of it."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from PIL import Image

from eyebright.library.database import Library
from eyebright.library.stacks import bursts, nearness, there

SIDE = 512
"""Pixels of the longer side at which shots are compared."""
_TILES, _SHARPEST = 8, 0.25
"""Tiles a side, and the share of them that counts: what stands behind a subject may be blurred."""
_DARK, _LIGHT = 3, 252
"""Brightness, of 255, beyond which nothing is seen."""


def all_bursts(library: Library) -> list[list[int]]:
    """Photos of each burst of the library that is there, in their order; none of a pair that a person parted."""
    parted = {frozenset(pair) for pair in library.rows("SELECT one, other FROM pair WHERE NOT same")}
    members = {
        one.photo: one for (folder,) in library.rows("SELECT path FROM folder") for one in there(library, folder)
    }
    found: dict[int, list[int]] = defaultdict(list)
    for first, other in bursts(list(members.values()), nearness(library)):
        if frozenset((first.identity, other.identity)) not in parted:
            found[first.photo].append(other.photo)
    return [[first, *others] for first, others in found.items()]


def best(shots: Sequence[Image.Image]) -> tuple[int, str]:
    """Which of some shots of one thing is the best, and why."""
    sharp, seen = np.array([(sharpness(shot), exposed(shot)) for shot in shots]).T
    chosen = int(np.argmax(sharp * seen))
    if chosen == np.argmax(sharp):
        return chosen, "the sharpest shot"
    return chosen, "the sharpest shot that is well exposed"


def sharpness(picture: Image.Image) -> float:
    """How steep the edges of its sharpest tiles are, for their contrast."""
    scale = SIDE / max(picture.size)
    size = max(round(picture.width * scale), _TILES), max(round(picture.height * scale), _TILES)
    gray = np.asarray(picture.convert("L").resize(size, Image.Resampling.BOX), np.float32)
    h, w = (side // _TILES for side in gray.shape)
    tiles = gray[: h * _TILES, : w * _TILES].reshape(_TILES, h, _TILES, w).swapaxes(1, 2)
    steep = np.abs(np.diff(tiles, axis=2)).mean((2, 3)) + np.abs(np.diff(tiles, axis=3)).mean((2, 3))
    return float(np.quantile(steep, 1 - _SHARPEST / 2) / max(gray.std(), 1.0))


def exposed(picture: Image.Image) -> float:
    """Share of its pixels that are neither black nor white, 0..1."""
    gray = np.asarray(picture.convert("L"))
    return float(((gray >= _DARK) & (gray <= _LIGHT)).mean())
