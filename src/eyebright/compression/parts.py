"""Three sets of pictures with no file in common: to make a smaller model with, to choose by, and to report on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eyebright.data import Dataset
from eyebright.data.dataset import SPLITS, Item, Split, Store
from eyebright.data.split import place
from eyebright.errors import BadPicture, BadRequest
from eyebright.training.events import Said, Tell

SHOWN = 3
ALL = "some must calibrate (train), others choose (validation), and others again report (test)."


def parts(data: Dataset, needed: Sequence[Split] = SPLITS) -> Dataset:
    """The data with all three splits. Without a test split, half of the validation pictures report instead.

    Raises BadRequest where one that is needed is empty, or where a picture is in two of them.
    """
    if not any(item.split == "test" for item in data.items):
        data = data.only([halved(item) for item in data.items])
    for split in needed:
        if not any(item.split == split for item in data.items):
            raise BadRequest(f"{data.name} has no {split} pictures; {ALL if len(needed) > 1 else 'some must report.'}")
    disjoint(data)
    return data


def readable(data: Dataset, tell: Tell) -> Dataset:
    """The data without pictures that cannot be decoded, each of which is named."""
    good = []
    for item in data.items:
        try:
            data.picture(item, 32)
            good.append(item)
        except BadPicture as error:
            tell(Said(f"Left out: {error}"))
    return data.only(good)


def without_copies(data: Dataset, tell: Tell) -> Dataset:
    """The data without pictures that cannot be decoded, and without what is in a later split too."""
    data = readable(data, tell)
    last: dict[str, Split] = {}
    for item in data.items:
        identity = data.identity(item)
        last[identity] = max(last.get(identity, item.split), item.split, key=SPLITS.index)
    kept = [item for item in data.items if item.split == last[data.identity(item)]]
    if len(kept) < len(data.items):
        tell(Said(f"{len(data.items) - len(kept):,} pictures are in two splits: they stay in the later one."))
    return data.only(kept)


def halved(item: Item) -> Item:
    if item.split == "validation" and place(f"report {item.name}") >= 0.5:
        return replace(item, split="test")
    return item


def disjoint(data: Dataset) -> None:
    """Raise BadRequest where one picture, whatever its name, is in two splits."""
    where: dict[str, Item] = {}
    twice = []
    for item in data.items:
        before = where.setdefault(data.identity(item), item)
        if before.split != item.split:
            twice.append(f"{before.name} = {item.name}")
    if twice:
        more = f" and {len(twice) - SHOWN:,} more" if len(twice) > SHOWN else ""
        raise BadRequest(
            f"{len(twice):,} pictures would calibrate or choose and report too ({'; '.join(twice[:SHOWN])}{more}): "
            "take them out of one of the sets."
        )


def together(sets: Sequence[tuple[Dataset, Split]]) -> Dataset:
    """Data sets of the same labels as the splits of one."""
    first = sets[0][0]
    for data, _ in sets[1:]:
        if [label.id for label in data.labels] != [label.id for label in first.labels]:
            raise BadRequest(f"{data.name} has other labels than {first.name}.")
    items = [
        replace(item, name=f"{at}/{item.name}", split=split)
        for at, (data, split) in enumerate(sets)
        for item in data.items
    ]
    name = " and ".join(dict.fromkeys(data.name for data, _ in sets))
    return replace(first, name=name, items=tuple(items), store=Stores([data.store for data, _ in sets]))


class Stores:
    """Several stores as one: `0/name` is `name` in the first."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = stores

    def read(self, name: str) -> bytes | NDArray[np.uint8]:
        at, _, inner = name.partition("/")
        return self.stores[int(at)].read(inner)
