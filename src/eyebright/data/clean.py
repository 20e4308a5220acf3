"""A list of a data set without the pictures that an audit leaves out, for the CSV reader: file, label, split.

Of copies one stays, that of the test split before that of validation before that of train; where their labels conflict,
none. Files are named relative to the list, which therefore lies in their folder or above it. Those of an archive are
named as in the archive: unpack it beside the list.
"""

import csv
import io
import os
from pathlib import Path
from typing import Any

from eyebright.data.audit import Audit
from eyebright.data.dataset import Dataset
from eyebright.data.stores import Pixels
from eyebright.errors import BadRequest
from eyebright.recognize.sources import name_of


def above(dataset: Dataset, path: Path) -> str:
    """What stands before each name in a list at `path`: nothing, or a folder with a slash at its end.

    Raises BadRequest where a list cannot name the pictures.
    """
    store: Any = dataset.store
    if isinstance(store, Pixels):
        raise BadRequest(f"{dataset.name} holds many pictures in a file, which a list cannot name one by one.")
    if odd := next((item.name for item in dataset.items if not _is_text(item.name)), None):
        raise BadRequest(f"{dataset.name}: the name {name_of(odd)} is no UTF-8 text; rename the file to list it.")
    if any(item.box for item in dataset.items):
        raise BadRequest(f"{dataset.name} was read as parts of pictures, which a list cannot name.")
    folder: str = getattr(store, "folder", "")
    if not store.path.is_dir():
        return folder
    relative = os.path.relpath(store.path.resolve() / folder, path.resolve().parent).replace(os.sep, "/")
    if relative.startswith("..") or os.path.isabs(relative):
        raise BadRequest(f"{path}: a list lies in the folder of its pictures or above it; write it to {store.path}.")
    return "" if relative == "." else relative + "/"


def listing(audit: Audit, path: Path) -> str:
    """The list as CSV, to be written at `path`. Raises BadRequest as `above` does."""
    return listed(audit.dataset.only(audit.clean), path)


def listed(dataset: Dataset, path: Path) -> str:
    """All items of a data set as such a list, to be written at `path`. Raises BadRequest as `above` does."""
    before = above(dataset, path)
    unknown = any(item.unknown for item in dataset.items)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "labels" if dataset.task == "multi" else "label", "split", *["unknown"] * unknown])
    for item in dataset.items:
        labels, unchecked = (";".join(dataset.labels[at].id for at in places) for places in (item.labels, item.unknown))
        table.writerow([before + item.name, labels, item.split, *[unchecked] * unknown])
    return text.getvalue()


def _is_text(name: str) -> bool:
    """Whether a list in UTF-8 can hold a name; other bytes come from the file system as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
