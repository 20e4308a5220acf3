"""Pixels to what a model file expects: the only place that crops and resizes.

upright sRGB picture -> box (centered square, or all of it) -> antialiased resize -> (size, size, 3) uint8; the
normalization is inside the model file.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from eyebright.modelfile import Input

Pixels = npt.NDArray[np.uint8]

INTERPOLATIONS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}


def fit(picture: Image.Image, spec: "Input", size: int | None = None) -> Pixels:
    """An upright RGB picture as the model sees it: (size, size, 3) uint8, `size` from the model file by default."""
    size = size or spec.size
    box = crop_box(*picture.size, spec.crop)
    return np.asarray(picture.resize((size, size), INTERPOLATIONS[spec.interpolation], box=box))


def crop_box(width: int, height: int, crop: float) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of what is looked at, in pixels; see `Input.crop`.

    >>> crop_box(400, 300, 0.5)
    (125.0, 75.0, 275.0, 225.0)
    >>> crop_box(400, 300, 0)
    (0.0, 0.0, 400.0, 300.0)
    """
    if crop == 0:
        return 0.0, 0.0, float(width), float(height)
    side = crop * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def shorter_side(spec: "Input", size: int | None = None) -> int:
    """The shorter side, in pixels, of a picture whose box is just as large as the model's input."""
    return round((size or spec.size) / (spec.crop or 1))
