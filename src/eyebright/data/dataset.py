"""A data set: pictures, what a person said is in them, and which of them are for what.

Readers (folders.py, tables.py, coco.py ...) make one from a format; everything downstream knows only this.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyebright.errors import BadPicture
from eyebright.images import decode
from eyebright.modelfile import Label, Task

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Box = tuple[float, float, float, float]


class Store(Protocol):
    """Where pictures lie: a folder, an archive, an array. Reading is safe from several threads at once."""

    def read(self, name: str) -> bytes | NDArray[np.uint8]:
        """One picture: the bytes of a file, or (H, W, 3) or (H, W) uint8 pixels. Raises BadPicture."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """One picture, or a part of one."""

    name: str
    """Where it is in the store: a path with `/`, or file#number for formats that hold many pictures in a file."""
    labels: tuple[int, ...]
    """Places in `Dataset.labels` of what is in it, ascending."""
    split: Split
    unknown: tuple[int, ...] = ()
    """Places of labels that nobody checked; neither the loss nor a metric looks at them. Only in `multi`."""
    box: Box | None = None
    """The part that counts: left, top, right, bottom in pixels of the upright picture; None for all of it."""


@dataclass(frozen=True)
class Dataset:
    """Items with their labels. `labels` of a binary set are two, the negative one first."""

    name: str
    items: tuple[Item, ...]
    labels: tuple[Label, ...]
    task: Task
    store: Store
    reader: str = ""
    """The format that was read, as `--reader` names it."""
    remarks: tuple[str, ...] = ()
    """What a person should know of how it was read, a sentence each."""

    @staticmethod
    def read(
        path: str | Path,
        reader: str | None = None,
        task: Task | None = None,
        positive: str | None = None,
        crops: bool = False,
    ) -> "Dataset":
        """Read a folder, table, annotation file or archive; the format is detected unless `reader` states it.

        Raises BadRequest with one sentence where it is none that Eyebright knows, or holds nothing to learn from.
        """
        from eyebright.data.detect import read

        return read(Path(path), reader, task, positive, crops)

    def part(self, split: Split) -> "Dataset":
        """The items of one split, as a data set with the same labels."""
        return replace(self, items=tuple(item for item in self.items if item.split == split))

    def only(self, items: Sequence[Item]) -> "Dataset":
        """The same data set with other items."""
        return replace(self, items=tuple(items))

    def targets(self) -> NDArray[np.float32]:
        """(N, L): 1 where the label holds, 0 where not, NaN where nobody checked."""
        targets = np.zeros((len(self.items), len(self.labels)), np.float32)
        for row, item in zip(targets, self.items, strict=True):
            row[list(item.unknown)] = np.nan
            row[list(item.labels)] = 1
        return targets

    def picture(self, item: Item, shorter: int | None = None) -> Image.Image:
        """An upright sRGB picture, cut to the item's box; BadPicture names the item.

        `shorter` is the shorter side, in pixels, that the caller will use: a larger picture may come back reduced.
        """
        try:
            content = self.store.read(item.name)
            if not isinstance(content, bytes):
                whole = Image.fromarray(content).convert("RGB")
            else:
                whole = decode(content, None if item.box else shorter)
            if item.box is None:
                return whole
            left, top, right, bottom = item.box
            box = (
                max(int(left), 0),
                max(int(top), 0),
                min(-int(-right), whole.width),
                min(-int(-bottom), whole.height),
            )
            if box[0] >= box[2] or box[1] >= box[3]:
                raise BadPicture("the box lies outside the picture.")
            return whole.crop(box)
        except BadPicture as error:
            raise BadPicture(f"{item.name}: {error}") from None

    def identity(self, item: Item) -> str:
        """A hash of the picture's bytes (and box): the same picture under another name has the same one."""
        content = self.store.read(item.name)
        digest = hashlib.sha256(content if isinstance(content, bytes) else np.ascontiguousarray(content).tobytes())
        if item.box:
            digest.update(repr(tuple(float(side) for side in item.box)).encode())
        return digest.hexdigest()

    @cached_property
    def content_hash(self) -> str:
        """Of names, labels and splits, whatever their order; not of the pixels."""
        rows = sorted(
            repr((item.name, [self.labels[at].id for at in item.labels], item.split, item.unknown, item.box))
            for item in self.items
        )
        return hashlib.sha256("\n".join((self.task, *(label.id for label in self.labels), *rows)).encode()).hexdigest()

    def counts(self) -> dict[Split, Counter[str]]:
        """Of each split that has items: how many have each label, by label id."""
        found: dict[Split, Counter[str]] = {}
        for split in SPLITS:
            items = [item for item in self.items if item.split == split]
            if items:
                found[split] = Counter(self.labels[at].id for item in items for at in item.labels)
        return found
