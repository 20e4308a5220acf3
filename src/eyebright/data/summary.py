"""What a person wants to know of a data set first: how much of what, in which split, at which size."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from eyebright.data.dataset import SPLITS, Dataset, Item
from eyebright.data.split import place
from eyebright.errors import BadPicture
from eyebright.images import header, upright_size

SAMPLE = 300
"""Pictures whose header is read for the sizes."""


@dataclass(frozen=True)
class Sizes:
    """Of the shorter and the longer side, in pixels: smallest, median, largest; over a sample."""

    shorter: tuple[int, int, int]
    longer: tuple[int, int, int]
    sampled: int


def sample(dataset: Dataset, most: int = SAMPLE) -> list[Item]:
    """Items spread over the set; the same ones every time."""
    return sorted(dataset.items, key=lambda item: place(item.name))[:most]


def measured(dataset: Dataset, items: list[Item]) -> Iterator[tuple[int, int] | BadPicture]:
    """Width and height of each item as it will be seen, or why there are none."""
    for item in items:
        try:
            if item.box:
                left, top, right, bottom = item.box
                yield round(right - left), round(bottom - top)
                continue
            content = dataset.store.read(item.name)
            yield upright_size(header(content)) if isinstance(content, bytes) else (content.shape[1], content.shape[0])
        except BadPicture as error:
            yield BadPicture(f"{item.name}: {error}")


def sizes(found: list[tuple[int, int]]) -> Sizes | None:
    """Of the sides of a sample; None where nothing could be measured.

    >>> sizes([(10, 20), (40, 30), (5, 5)])
    Sizes(shorter=(5, 10, 30), longer=(5, 20, 40), sampled=3)
    """
    if not found:
        return None
    sides = [sorted(pair) for pair in found]
    shorter, longer = ([pair[at] for pair in sides] for at in (0, 1))
    return Sizes(
        (min(shorter), int(median(shorter)), max(shorter)), (min(longer), int(median(longer)), max(longer)), len(found)
    )


def as_json(dataset: Dataset, seen: Sizes | None, remarks: list[str]) -> dict[str, Any]:
    """All of it, as `eyebright data show --format json` prints it."""
    counts = dataset.counts()
    return {
        "name": dataset.name,
        "reader": dataset.reader,
        "task": dataset.task,
        "pictures": len(dataset.items),
        "splits": {split: sum(item.split == split for item in dataset.items) for split in SPLITS},
        "labels": [
            {"id": label.id, "label": label.label, "counts": {split: counts[split][label.id] for split in counts}}
            for label in dataset.labels
        ],
        "sizes": seen and {"shorter": seen.shorter, "longer": seen.longer, "sampled": seen.sampled},
        "content_hash": dataset.content_hash,
        "remarks": remarks,
    }
