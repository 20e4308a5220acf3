"""ImageNet (Russakovsky et al. 2015): classes by WordNet id, and the list that says what is in the validation pictures.

A picture's class is the id that its folder is called by, or that its own name begins with. Validation pictures that lie
together have theirs in LOC_val_solution.csv, or in the development kit: the n-th line of
ILSVRC2012_validation_ground_truth.txt is the number of the n-th picture's class, and meta.mat has the ids of numbers.
"""

import re

from eyebright.data import matfile
from eyebright.data.found import Found, Row
from eyebright.data.source import ENDINGS, Source, stem
from eyebright.data.split import folder_split
from eyebright.errors import BadRequest
from eyebright.labels import imagenet
from eyebright.modelfile import Label

_WNID = re.compile(r"n\d{8}(?!\d)")
_VALIDATION = re.compile(r"ILSVRC2012_val_\d{8}")
_TEST = re.compile(r"ILSVRC2012_test_\d{8}")  # what is in them is known to the organizers alone
_KIT = "ILSVRC2012_validation_ground_truth.txt"
_TABLE = "LOC_val_solution.csv"
_ENOUGH = 100
"""Pictures that are looked at to know the format."""


def suits(source: Source) -> bool:
    """Whether pictures are sorted or named by WordNet ids, or are named as the validation pictures."""
    pictures = (name for name in source.tree.names if name.lower().endswith(ENDINGS))
    first = [name for name, _ in zip(pictures, range(_ENOUGH), strict=False)] if source.focus is None else []
    return bool(first) and all(
        _wnid(name) or _VALIDATION.match(stem(name)) or _TEST.match(stem(name)) for name in first
    )


def read(source: Source) -> Found:
    """Ids become the names that Eyebright has for the 1000 classes; other ids stay as they are."""
    truth: dict[str, str] | None = None
    rows: list[Row] = []
    nameless = 0
    for name in source.pictures():
        wnid = _wnid(name)
        if wnid is None and _VALIDATION.match(stem(name)):
            truth = _truth(source) if truth is None else truth
            wnid = truth.get(stem(name))
        if wnid is None:
            nameless += 1
            continue
        split = "validation" if _VALIDATION.match(stem(name)) else folder_split(name)
        rows.append(Row(name, (wnid,), split))
    if nameless:
        source.remarks.append(f"Pictures without a WordNet id, left out: {nameless:,}.")
    used = {row.labels[0] for row in rows}
    known, _ = imagenet()
    others = used - {label.id for label in known}
    labels = [Label(label.id, label.label) for label in known if label.id in used]
    return Found(rows, source.tree, labels + [Label(wnid, wnid) for wnid in sorted(others)])


def _wnid(name: str) -> str | None:
    """Of the nearest folder that is called by one, else of the picture's own name."""
    *folders, file = name.split("/")
    for folder in reversed(folders):
        if _WNID.fullmatch(folder):
            return folder
    found = _WNID.match(file)
    return found[0] if found else None


def _truth(source: Source) -> dict[str, str]:
    """Stem of a validation picture -> WordNet id."""
    for table in _called(source, _TABLE):
        lines = source.text(table).splitlines()[1:]
        return {image: said.split(" ")[0] for image, _, said in (line.partition(",") for line in lines) if said}
    for kit in _called(source, _KIT):
        ids = _numbers(source)
        try:
            wnids = [ids[int(line)] for line in source.text(kit).split()]
        except (ValueError, KeyError) as error:
            raise BadRequest(f"{source.place(kit)}: {error} is no number of a class in meta.mat.") from None
        return {f"ILSVRC2012_val_{number:08}": wnid for number, wnid in enumerate(wnids, 1)}
    raise BadRequest(
        f"{source.where}: nothing says what is in the validation pictures; put {_KIT} and meta.mat, or {_TABLE}, in "
        "the same folder, or sort the pictures into folders by WordNet id."
    )


def _numbers(source: Source) -> dict[int, str]:
    """Number of a class -> WordNet id, from meta.mat of the development kit."""
    for path in _called(source, "meta.mat"):
        try:
            synsets = matfile.table(source.content(path), "synsets")
            pairs = zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)
            return {int(number): str(wnid) for number, wnid in pairs}
        except (ValueError, KeyError, TypeError) as error:
            raise BadRequest(f"{source.place(path)}: not the meta.mat of the development kit ({error}).") from None
    raise BadRequest(f"{source.where}: meta.mat of the development kit is missing; put it beside {_KIT}.")


def _called(source: Source, file: str) -> list[str]:
    return [name for name in source.tree.names if name.rpartition("/")[2] == file]
