"""Which file of one picture is to be kept: the one in color, with the most detail that is really there.

A picture that was blown up has many pixels and nothing new in them. All are brought to the size of the largest, and how
steep their brightness is there says what they hold; of a larger one more is asked, as compression adds some of its own.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from eyebright.library.comparison import File
from eyebright.library.metadata import from_name

SIZE = 1.03
"""How many times as long a side must be, for a size to be another one."""
BLURRED = 0.5
"""Share of the most detail below which a picture was blown up, or lost its detail otherwise."""
GAIN, FINER = 0.4, 0.88
"""Detail must grow with this power of a side, or the smaller picture holds as much; and the share that is as good.

Tuned on the first half of a sample of ImageNet, checked on the second and on photos of fires."""
NOISE = 4.0
"""Detail that compression alone may make: in a smooth picture it says nothing."""
COLORED = 1.0
"""Spread of what is not gray, of 255, from which on a picture is in color."""
WINDOW = 2048
"""Pixels a side of the middle part that is looked at, at most: it bounds time and memory."""
_TILES, _TEXTURED = 16, 0.9
"""Tiles a side, and the share of them that may be plainer than the one that counts: no mark on a few others does."""


class Look(NamedTuple):
    """What is seen of a picture, for this choice."""

    colored: bool
    detail: float
    """At the size of the largest picture."""
    fine: float
    """That detail, less half of what is there at half the size, too: sharpening raises both."""


class Known(NamedTuple):
    """What is known of the files beside themselves."""

    sizes: Mapping[int, int]
    """Bytes of each photo, the same for exact copies: they are compressed alike."""
    looks: Mapping[int, Look] = {}
    """By photo; nothing where all are one photo."""
    plain: Mapping[int, int] = {}
    """Of each photo, how many others differ from it in size, compression and edges only."""

    def colored(self, file: File) -> float:
        return bool(file.photo in self.looks and self.looks[file.photo].colored)

    def detail(self, file: File) -> float:
        return self.looks[file.photo].detail if file.photo in self.looks else 0.0

    def fine(self, file: File) -> float:
        return self.looks[file.photo].fine if file.photo in self.looks else 0.0


def look(picture: Image.Image, longer: float) -> Look:
    """A whole picture, as it would be with that longer side."""
    small = np.asarray(picture.resize((64, 64), Image.Resampling.BOX), np.float32)
    tints = small - small.mean(2, keepdims=True)
    gray = picture.convert("L").convert("F")
    found = detail(gray, longer)
    return Look(bool(tints.std((0, 1)).max() >= COLORED), found, found / detail(gray, longer / 2) ** 0.5)


def detail(gray: Image.Image, longer: float) -> float:
    """How much the brightness of a pixel differs from that around it, in the richer tiles of its middle part."""
    scale = longer / max(gray.size)
    size = [min(max(round(side * scale), _TILES + 2), WINDOW) for side in gray.size]
    edges = [max(side - shown / scale, 0) / 2 for side, shown in zip(gray.size, size, strict=True)]
    box = edges[0], edges[1], gray.width - edges[0], gray.height - edges[1]
    shown = np.asarray(gray.resize((size[0], size[1]), Image.Resampling.LANCZOS, box))
    around = shown[:-2, 1:-1] + shown[2:, 1:-1] + shown[1:-1, :-2] + shown[1:-1, 2:]
    found = np.abs(4 * shown[1:-1, 1:-1] - around)
    h, w = (side // _TILES for side in found.shape)
    tiles = found[: h * _TILES, : w * _TILES].reshape(_TILES, h, _TILES, w).mean((1, 3))
    return float(np.quantile(tiles, _TEXTURED) + NOISE)


def _size(file: File, files: Sequence[File], known: Known) -> float:
    """Fine detail for its size; all files of one size are as good as the least compressed one."""
    side = max(file.pixels, 1) ** 0.5
    share = max(side / max(max(one.pixels for one in files), 1) ** 0.5, 0.5)  # a thumbnail wins nothing by being small
    alike = [one for one in files if side / SIZE < one.pixels**0.5 < side * SIZE]
    least = max(alike, key=lambda one: (known.sizes[one.photo], one.path), default=file)
    return float(known.fine(least) / share**GAIN)


Worth = Callable[[File, Sequence[File], Known], float]
DETAIL, LARGEST = "the sharpest, {0.width} x {0.height}", "the largest, {0.width} x {0.height}"
REASONS: tuple[tuple[str, float, Worth], ...] = (
    ("in color, {0.width} x {0.height}", 1, lambda file, files, known: known.colored(file)),
    (DETAIL, BLURRED, lambda file, files, known: known.detail(file)),
    (DETAIL, FINER, _size),
    (
        "the one that says when and by what it was taken",
        1,
        lambda file, files, known: bool(file.camera) + bool(file.taken),
    ),
    ("the one with words of its own", 1, lambda file, files, known: len(file.words) + file.sidecar),
    ("the one that most are like", 0.7, lambda file, files, known: known.plain.get(file.photo, 0)),
    ("the least compressed, {0.size:,} bytes", 0.97, lambda file, files, known: known.sizes[file.photo]),
    (LARGEST, 0.97, lambda file, files, known: file.pixels),
    (
        "its name says when it was taken",
        1,
        lambda file, files, known: from_name(os.path.basename(file.path)) is not None,
    ),
    ("the shortest name", 1, lambda file, files, known: -len(os.path.basename(file.path))),
)
"""Why a file is the one to keep, the first that tells it from others: in words, which share of the best is as good, and
what must be high."""


def best(files: Sequence[File], known: Known) -> tuple[File, str]:
    """The one to keep, and what speaks for it."""
    left, why, lost = list(files), "the first by name", list[File]()
    for reason, share, worth in REASONS:
        values = [worth(file, left, known) for file in left]
        chosen = [file for file, value in zip(left, values, strict=True) if value >= share * max(values)]
        if len(chosen) < len(left) and not lost:
            why, lost = reason, [file for file in left if file not in chosen]
        left = chosen
    first = min(left, key=lambda file: file.path)
    if why == DETAIL and all(file.pixels < first.pixels for file in lost):
        why = LARGEST
    return first, why.format(first)
