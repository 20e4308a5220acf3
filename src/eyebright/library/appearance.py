"""How a picture looks, whatever it shows: its colors and its textures, for finding pictures of one style.

picture -> (32, 32) YCbCr -> colors: a soft histogram of brightness and two colors -> 144 numbers
                          -> textures: how strong edges are and where they point, at two scales -> 38 numbers

Square roots of shares, so that a product of two looks compares distributions (Hellinger, Bhattacharyya 1943). No
network is asked: looks of any two pictures can be compared, whichever model saw them.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
"""Pixels a side of what is described."""
SIZE = 182
"""Numbers of a look."""
_LEVELS = (4, 6, 6)
"""Places for brightness and for the two colors."""
_REACH = (0.0, 255.0), (48.0, 208.0), (48.0, 208.0)
"""Of values that get places of their own; what lies beyond falls into the last one."""
_STEPS = 36, 6, 1
"""How far apart neighbors of each kind stand in the histogram."""
_CORNERS = np.array([0, 1, 6, 7, 36, 37, 42, 43])
_EDGES = 8.0, 24.0, 64.0
"""Contrasts that part no edge from weak, plain and strong ones, in levels of brightness over two pixels."""
_ANGLES = 6


def look(picture: Image.Image) -> NDArray[np.float16]:
    """An upright picture as (182,) numbers of length 1."""
    whole = picture if picture.mode == "RGB" else picture.convert("RGB")
    small = whole.resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small.convert("YCbCr"))
    gray = pixels[..., 0].astype(np.float32)
    half = gray.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
    parts = colors(pixels) / np.sqrt(2), textures(gray) / 2, textures(half) / 2
    return np.concatenate(parts, dtype=np.float16)


def colors(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) -> (144,) of length 1; each pixel counts for the eight places around its color."""
    flat = pixels.reshape(-1, 3)
    place = np.zeros(len(flat), np.intp)
    weights = np.ones((1, len(flat)), np.float32)
    for kind in range(3):
        value = flat[:, kind]
        place += _FLOORS[kind, value]
        part = _PARTS[kind, value]
        weights = (weights[:, None] * np.stack((1 - part, part))).reshape(-1, len(flat))
    shares = np.bincount((place + _CORNERS[:, None]).ravel(), weights.ravel(), int(np.prod(_LEVELS)))
    return np.sqrt(shares / len(flat)).astype(np.float32)


def places() -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """(3, 256) each: of every value its place in the histogram, and how far it is on the way to the next one."""
    low, high = np.array(_REACH, np.float32).T[:, :, None]
    last = np.array(_LEVELS, np.float32)[:, None] - 1
    at = np.clip((np.arange(256, dtype=np.float32) - low) / (high - low), 0, 1 - 1e-6) * last
    return at.astype(np.intp) * np.array(_STEPS)[:, None], at - np.floor(at)


def textures(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) -> (19,) of length 1: pixels without an edge, then those with one by contrast and direction."""
    across = gray[1:-1, 2:] - gray[1:-1, :-2]
    down = gray[2:, 1:-1] - gray[:-2, 1:-1]
    contrast = np.digitize(np.hypot(across, down), _EDGES)
    angle = (np.arctan2(down, across) % np.pi / np.pi * _ANGLES).astype(np.intp) % _ANGLES
    place = np.where(contrast > 0, 1 + (contrast - 1) * _ANGLES + angle, 0)
    shares = np.bincount(place.ravel(), minlength=1 + len(_EDGES) * _ANGLES).astype(np.float32)
    return np.sqrt(shares / place.size)


_FLOORS, _PARTS = places()
