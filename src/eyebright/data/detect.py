"""Which reader reads this? The format is seen from what lies there, unless a person states it."""

import os
from collections.abc import Callable
from pathlib import Path

from eyebright.data import cifar, coco, folders, idx, imagenet, openimages, tables, voc
from eyebright.data.archives import PACKED, open_archive
from eyebright.data.assemble import dataset
from eyebright.data.dataset import Dataset, Store
from eyebright.data.found import Found
from eyebright.data.source import Source
from eyebright.data.split import spelled
from eyebright.data.stores import Below, Folder, Tree
from eyebright.errors import BadRequest
from eyebright.modelfile import Task

READERS: dict[str, Callable[[Source], Found]] = {
    "cifar": cifar.read,
    "idx": idx.read,
    "voc": voc.read,
    "openimages": openimages.read,
    "coco": coco.read,
    "csv": tables.read_csv,
    "jsonl": tables.read_jsonl,
    "imagenet": imagenet.read,
    "folders": folders.read,
}
"""Name, as `--reader` takes it -> what reads it."""

BOXES = ("coco", "voc")
"""Those that know where in a picture a thing is."""

SIGNS: dict[str, Callable[[Source], bool]] = {
    "cifar": cifar.suits,
    "idx": idx.suits,
    "voc": voc.suits,
    "openimages": openimages.suits,
    "coco": coco.suits,
    "csv": tables.suits_csv,
    "jsonl": tables.suits_jsonl,
    "imagenet": imagenet.suits,
}
"""By what a format is known, the surest first; what has no sign is read as folders."""


def read(path: Path, reader: str | None, task: Task | None, positive: str | None, crops: bool) -> Dataset:
    """See `Dataset.read`."""
    if reader is not None and reader not in READERS:
        raise BadRequest(f"there is no reader {reader!r}; known are {', '.join(READERS)}.")
    source = _source(path, crops)
    name = reader or _detected(source)
    if crops and name not in BOXES:
        raise BadRequest(f"{path}: read as {name}, which has no boxes to crop; {' and '.join(BOXES)} have.")
    found = READERS[name](source)
    found.remarks = source.remarks + found.remarks
    return dataset(found, _called(path), str(path), name, task, positive)


def pictures_in(path: Path) -> tuple[Store, list[str]]:
    """Where the pictures of a folder or archive lie, and their names, whatever its folders mean. Raises BadRequest."""
    source = _source(path, False)
    return source.tree, [source.focus] if source.focus else source.pictures()


def _called(path: Path) -> str:
    """The name of the data set: that of its folder, or of its file without ending."""
    name = path.resolve().name
    ending = next((ending for ending in PACKED if name.lower().endswith(ending)), path.suffix)
    return name if path.is_dir() else name[: len(name) - len(ending)] or name


def _source(path: Path, crops: bool) -> Source:
    if not os.path.exists(path):
        raise BadRequest(f"no such file or folder: {path}")
    if not path.is_dir() and not path.is_file():
        raise BadRequest(f"{path}: neither a file nor a folder.")  # to open a pipe would be to wait
    tree = Folder(path) if path.is_dir() else open_archive(path)
    if tree is None:
        return Source(Folder(path.parent), str(path), path.name, crops)
    tree = _top(tree)
    if not tree.names:
        raise BadRequest(f"{path}: there are no files in it.")
    return Source(tree, str(path), None, crops)


def _top(tree: Tree) -> Tree:
    """Past folders that hold all the rest, unless their name is that of a split."""
    while tree.names:
        first = tree.names[0].partition("/")
        if not first[1] or spelled(first[0]) or not tree.names[-1].startswith(first[0] + "/"):
            break
        tree = Below(tree, first[0] + "/")
    return tree


def _detected(source: Source) -> str:
    for name, suits in SIGNS.items():
        if suits(source):
            return name
    if source.focus is not None:
        raise BadRequest(f"{source.where}: no reader knows this file; there are {', '.join(READERS)} (--reader).")
    flat = not any("/" in name and source.is_picture(name) for name in source.tree.names)
    return "csv" if flat and source.files(*tables.CSV) else "folders"
