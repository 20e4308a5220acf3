"""Pictures that a network learns from without their labels: some teach, others judge."""

from collections.abc import Sequence

import numpy as np

from eyebright.data import Dataset
from eyebright.data.dataset import Item
from eyebright.errors import BadRequest
from eyebright.modelfile import Input
from eyebright.preprocessing import INTERPOLATIONS, Pixels

BATCH = 16
FEWEST = 16
JUDGING = 128
"""Pictures that do not teach but tell whether it helped; a tenth, where there are few."""
SMALLEST = 0.6
"""Side of a crop, as a share of the shorter side; they are of all sizes from this to 1."""
Teaches = tuple[Dataset, Item]


def divided(pictures: Sequence[Teaches]) -> tuple[list[Teaches], list[Teaches]]:
    """Those that teach, and those that judge."""
    if len(pictures) < FEWEST:
        raise BadRequest(f"{len(pictures)} pictures are too few to learn from; give {FEWEST} at least, or thousands.")
    judging = min(JUDGING, max(len(pictures) // 10, 1))
    order = np.random.default_rng(0).permutation(len(pictures)).tolist()
    return [pictures[at] for at in order[judging:]], [pictures[at] for at in order[:judging]]


def crops(pictures: Sequence[Teaches], spec: Input, random: np.random.Generator, count: int = BATCH) -> Pixels:
    """(count, size, size, 3): random parts of random pictures, half of them mirrored."""
    found = []
    for at in random.integers(len(pictures), size=count).tolist():
        data, item = pictures[at]
        picture = data.picture(item, round(spec.size / SMALLEST))
        share = random.uniform(SMALLEST, 1)
        sides = picture.size if spec.crop == 0 else (min(picture.size),) * 2
        width, height = (share * side for side in sides)
        left, top = random.uniform(0, picture.width - width), random.uniform(0, picture.height - height)
        box = left, top, left + width, top + height
        pixels = np.asarray(picture.resize((spec.size, spec.size), INTERPOLATIONS[spec.interpolation], box=box))
        found.append(pixels[:, ::-1] if random.integers(2) else pixels)
    return np.stack(found)
