"""Which pictures teach, which choose, which judge.

A picture's place follows from its name alone: others that come or go never move it.
"""

import hashlib
import re
from collections.abc import Sequence

from eyebright.data.dataset import Split

SPELLED: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "t10k"), "test"),
}
"""How the three are written in folders and tables, in small letters."""
SHARE = 0.2
"""Of pictures that are set aside, for each purpose that the data do not serve themselves."""


def spelled(word: str) -> Split | None:
    """The split that a word means.

    >>> spelled("Val"), spelled("dress")
    ('validation', None)
    """
    return SPELLED.get(word.strip().lower())


def named_split(path: str) -> Split | None:
    """The split that a word in the name of a file states, or that its folder is called by.

    >>> named_split("annotations/instances_val2017.json"), named_split("train/labels.json"), named_split("cats.csv")
    ('validation', 'train', None)
    """
    words = re.split(r"[^a-z0-9]+|(?<=[a-z])(?=\d{4})", path.rpartition("/")[2].lower())
    return next((split for word in words if (split := spelled(word))), None) or folder_split(path)


def folder_split(path: str) -> Split | None:
    """The split that the nearest of its folders is called by; what the file itself is called says nothing.

    >>> folder_split("data/val/n02917067/bullet train.jpg")
    'validation'
    """
    folders = path.split("/")[-2::-1]
    return next((split for folder in folders if (split := spelled(folder))), None)


def place(name: str) -> float:
    """Where a picture stands, 0..1: evenly spread, the same on every machine.

    >>> round(place("cat.jpg"), 3)
    0.041
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def fill(names: Sequence[str], given: Sequence[Split | None], teachable: bool) -> tuple[list[Split], str | None]:
    """The split of each picture, and a sentence on what was chosen here.

    What the data state stays. Without any statement a fifth of all validates and a fifth tests; with training pictures
    and none to validate on, a fifth of the training pictures does. Where nothing is stated and there is nothing to
    learn from (`teachable` is False: no label has two pictures), all of them test.
    """
    stated = {split for split in given if split}
    if not stated and not teachable:
        return ["test"] * len(names), "No label has two pictures: all are for testing."
    splits: list[Split] = []
    for name, split in zip(names, given, strict=True):
        if not stated:
            at = place(name)
            splits.append("validation" if at < SHARE else "test" if at < 2 * SHARE else "train")
        elif split in ("train", None) and "validation" not in stated and place(name) < SHARE:
            splits.append("validation")
        else:
            splits.append(split or "train")
    if not stated:
        return splits, "The data state no splits: a fifth validates and a fifth tests, chosen by a hash of the name."
    if "validation" not in stated and "train" in splits:
        return splits, "The data state no validation split: a fifth of train is it, chosen by a hash of the name."
    return splits, None
