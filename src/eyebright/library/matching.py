"""Which part of a found photo is like what was looked for: each cell of its last feature map, beside the query.

An embedding is the mean of the cells of a feature map, so each cell can be compared with it as if it were a picture.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright import images
from eyebright.errors import BadRequest
from eyebright.library.raw import picture_data
from eyebright.library.vectors import unit
from eyebright.preprocessing import crop_box, fit, shorter_side
from eyebright.recognize import Recognizer

STRONG = 0.5
"""Cells belong to the part from here on, between the mean of all (0) and the best one (1)."""
Floats = NDArray[np.float32]


class Part(NamedTuple):
    """A part of a photo, in shares of its width and height."""

    left: float
    top: float
    width: float
    height: float
    score: float
    """The cosine of its best cell with the query."""


def part(recognizer: Recognizer, query: Floats, path: str) -> Part:
    """The part of a photo that is most like a query (D,). Raises BadPicture, BadRequest where a model cannot say."""
    if "features" not in recognizer.runtime.outputs:
        raise BadRequest(f"{recognizer.metadata.name} gives no features, so it cannot say which part is alike.")
    spec = recognizer.metadata.input
    picture = images.decode(picture_data(path), shorter_side(spec, recognizer.size))
    (features,) = recognizer.runtime.run(fit(picture, spec, recognizer.size)[None], ["features"])
    if features.shape[1] != len(query):
        raise BadRequest(f"The features of {recognizer.metadata.name} are not what its embedding is made of.")
    cells = features[0] / np.maximum(np.linalg.norm(features[0], axis=0), 1e-12)
    near = np.tensordot(unit(query), cells, 1)
    left, top, right, bottom = crop_box(*picture.size, spec.crop)
    x, y, w, h = bounds(near)
    across, down = (right - left) / picture.width, (bottom - top) / picture.height
    return Part(
        left / picture.width + x * across, top / picture.height + y * down, w * across, h * down, float(near.max())
    )


def bounds(near: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """The box around the strong cells of a map (h, w) that hang together with the best one: left, top, width, height.

    >>> bounds(np.array([[0, 0, 0, 9], [0, 8, 9, 0], [0, 0, 0, 0]]))
    (0.25, 0.0, 0.75, 0.6666666666666666)
    """
    rows, columns = near.shape
    strong = near >= near.mean() + STRONG * (near.max() - near.mean())
    waiting = [divmod(int(near.argmax()), columns)]
    met = set(waiting)
    while waiting:
        row, column = waiting.pop()
        around = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} - met
        more = [(r, c) for r, c in around if 0 <= r < rows and 0 <= c < columns and strong[r, c]]
        met.update(more)
        waiting += more
    top, left = (min(cell[axis] for cell in met) for axis in (0, 1))
    bottom, right = (max(cell[axis] for cell in met) + 1 for axis in (0, 1))
    return left / columns, top / rows, (right - left) / columns, (bottom - top) / rows
