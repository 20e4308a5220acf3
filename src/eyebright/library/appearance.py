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
    pixels = np.asarray(small.convert("YCbCr"), np.float32)
    gray = pixels[..., 0]
    half = gray.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
    parts = colors(pixels) / np.sqrt(2), textures(gray) / 2, textures(half) / 2
    return np.concatenate(parts, dtype=np.float16)


def colors(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 3) -> (144,) of length 1; each pixel counts for the eight places around its color."""
    low, high = np.array(_REACH, np.float32).T
    last = np.array(_LEVELS, np.float32) - 1
    at = np.clip((pixels.reshape(-1, 3) - low) / (high - low), 0, 1 - 1e-6) * last
    floor = at.astype(np.intp)
    up = (at - floor).T
    down = 1 - up
    place = floor[:, 0] * _STEPS[0] + floor[:, 1] * _STEPS[1] + floor[:, 2]
    sides = np.stack([first * second for first in (down[0], up[0]) for second in (down[1], up[1])])
    weight = np.stack([sides * down[2], sides * up[2]], 1)  # (4, 2, pixels), as _CORNERS
    shares = np.bincount((place + _CORNERS[:, None]).ravel(), weight.ravel(), int(np.prod(_LEVELS)))
    return np.sqrt(shares / len(at)).astype(np.float32)


def textures(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) -> (19,) of length 1: pixels without an edge, then those with one by contrast and direction."""
    across = gray[1:-1, 2:] - gray[1:-1, :-2]
    down = gray[2:, 1:-1] - gray[:-2, 1:-1]
    contrast = np.digitize(np.hypot(across, down), _EDGES)
    angle = (np.arctan2(down, across) % np.pi / np.pi * _ANGLES).astype(np.intp) % _ANGLES
    place = np.where(contrast > 0, 1 + (contrast - 1) * _ANGLES + angle, 0)
    shares = np.bincount(place.ravel(), minlength=1 + len(_EDGES) * _ANGLES).astype(np.float32)
    return np.sqrt(shares / place.size)
