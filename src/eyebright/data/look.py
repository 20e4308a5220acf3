"""One look at each picture of a data set: all that an audit asks of it, from one reading and one small decode."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyebright import phash
from eyebright.data.dataset import Dataset, Item
from eyebright.errors import BadPicture
from eyebright.images import header
from eyebright.recognize.stream import in_order

SIDE = 64
"""Pixels a side at which pictures are measured, stretched to a square."""
COLORS_SIDE = 16
"""Pixels a side of `Look.colors`."""

_AT_ONCE = 16
_GRAY = 6
"""Red, green and blue of a gray picture differ by no more, of 255: compression leaves a little."""
_BLANK = 3.0
"""The spread of brightness, of 255, of a picture that shows nothing."""
_MODEL, _TAKEN, _EXIF = 0x0110, 0x9003, 0x8769
_WORD = 60


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one item; where `problem` is set, only that."""

    item: Item
    problem: str = ""
    """Why it could not be read, a sentence."""
    identity: bytes = b""
    """Equal for equal bytes (and box): 16 bytes."""
    gray32: NDArray[np.uint8] | None = None
    """(32, 32): what `phash` works on."""
    colors: NDArray[np.uint8] | None = None
    """(16, 16, 3)"""
    width: int = 0
    height: int = 0
    """Pixels of the upright picture, or of its box."""
    format: str = ""
    """As `images.FORMATS` or Pillow name it, in capitals; PIXELS where the format stores no files."""
    size_bytes: int = 0
    brightness: float = 0.0
    """Mean of gray, 0..1."""
    contrast: float = 0.0
    """Standard deviation of gray, 0..0.5."""
    saturation: float = 0.0
    """Mean of (largest - smallest) of red, green and blue, 0..1."""
    sharpness: float = 0.0
    """Mean difference of neighbors, at 64 pixels a side, for its contrast."""
    gray: bool = False
    blank: bool = False
    camera: str = ""
    """Model from EXIF."""
    day: str = ""
    """On which it was taken, from EXIF, as 2026-11-30."""


def looks(dataset: Dataset, progress: Callable[[int], None] | None = None) -> list[Look]:
    """All items, in their order, on all cores; `progress` is told how many are done."""
    found: list[Look] = []
    for done, seen in enumerate(_looks(dataset), 1):
        found.append(seen)
        if progress:
            progress(done)
    return found


def _looks(dataset: Dataset) -> Iterator[Look]:
    def some(items: list[Item]) -> list[Look]:
        return [look(dataset, item) for item in items]

    return in_order(some, dataset.items, os.cpu_count() or 1, _AT_ONCE)


def look(dataset: Dataset, item: Item) -> Look:
    """One item. What cannot be read comes back with a problem, never as an exception."""
    try:
        content = dataset.store.read(item.name)
        held = replace(dataset, items=(), store=_Held(content))  # the rest of this function reads no more
        picture = held.picture(item, shorter=SIDE)
        digest = held.identity(item)
        facts = _of_file(content, item, picture) if isinstance(content, bytes) else _of_pixels(content)
    except BadPicture as error:
        return Look(item, str(error).removeprefix(f"{item.name}: "))
    return Look(item, identity=bytes.fromhex(digest)[:16], **facts, **_measured(picture))


@dataclass(frozen=True)
class _Held:
    """A store of one picture, which was read already."""

    content: bytes | NDArray[np.uint8]

    def read(self, name: str) -> bytes | NDArray[np.uint8]:
        return self.content


def _of_pixels(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    return {"width": pixels.shape[1], "height": pixels.shape[0], "format": "PIXELS", "size_bytes": pixels.size}


def _of_file(content: bytes, item: Item, picture: Image.Image) -> dict[str, Any]:
    stated = header(content)
    width, height = stated.size
    if item.box:
        width, height = picture.size  # what has a box is decoded whole
    elif (width < height) != (picture.width < picture.height):
        width, height = height, width  # the camera was held upright
    camera, day = _taken(stated)
    return {
        "width": width,
        "height": height,
        "format": str(stated.format),
        "size_bytes": len(content),
        "camera": camera,
        "day": day,
    }


def _taken(stated: Image.Image) -> tuple[str, str]:
    """Camera and day from EXIF, each empty where it is not said or broken."""
    if "exif" not in stated.info and stated.format != "TIFF":
        return "", ""  # Pillow would decode a whole PNG to look behind its pixels
    try:
        exif = stated.getexif()
        camera, taken = str(exif.get(_MODEL, "")), str(exif.get_ifd(_EXIF).get(_TAKEN, ""))
    except Exception:  # broken EXIF is common and says nothing about the pixels
        return "", ""
    day = taken[:10].replace(":", "-")
    stated_day = len(day) == 10 and day[:4].isdigit() and day > "0001"  # cameras without a clock say 0000:00:00
    return " ".join(camera.replace("\0", " ").split())[:_WORD], day if stated_day else ""


def _measured(picture: Image.Image) -> dict[str, Any]:
    square = picture.resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels = np.asarray(square)  # (64, 64, 3)
    gray = np.asarray(square.convert("L"), np.float32)
    chroma = pixels.max(2).astype(np.float32) - pixels.min(2)
    contrast = float(gray.std())
    steps = float(np.abs(np.diff(gray, axis=0)).mean() + np.abs(np.diff(gray, axis=1)).mean()) / 2
    part = SIDE // COLORS_SIDE
    colors = pixels.reshape(COLORS_SIDE, part, COLORS_SIDE, part, 3).mean((1, 3))
    return {
        "gray32": phash.gray(square).round().astype(np.uint8),
        "colors": colors.round().astype(np.uint8),
        "brightness": float(gray.mean()) / 255,
        "contrast": contrast / 255,
        "saturation": float(chroma.mean()) / 255,
        "sharpness": steps / max(contrast, 1.0),
        "gray": float(np.quantile(chroma, 0.99)) <= _GRAY,
        "blank": contrast < _BLANK and float(pixels.reshape(-1, 3).std(0).max()) < _BLANK,
    }
