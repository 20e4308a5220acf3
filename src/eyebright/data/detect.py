"""Which reader reads this? The format is seen from what lies there, unless a person states it."""

from collections.abc import Callable
from pathlib import Path

from eyebright.data import folders
from eyebright.data.dataset import Dataset
from eyebright.data.found import Found, dataset
from eyebright.data.source import Source
from eyebright.data.split import spelled
from eyebright.data.stores import Below, Tree, open_tree
from eyebright.errors import BadRequest
from eyebright.modelfile import Task

READERS: dict[str, Callable[[Source], Found]] = {
    "folders": folders.read,
}
"""Name, as `--reader` takes it -> what reads it."""


def read(path: Path, reader: str | None, task: Task | None, positive: str | None, crops: bool) -> Dataset:
    """See `Dataset.read`."""
    if reader is not None and reader not in READERS:
        raise BadRequest(f"there is no reader {reader!r}; known are {', '.join(READERS)}.")
    source = _source(path, crops)
    name = reader or _detected(source)
    found = READERS[name](source)
    found.remarks = source.remarks + found.remarks
    return dataset(found, path.name.split(".")[0] or path.name, str(path), name, task, positive)


def _source(path: Path, crops: bool) -> Source:
    if not path.exists():
        raise BadRequest(f"no such file or folder: {path}")
    tree = _top(open_tree(path))
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
    return "folders"
