"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), as their page offers them: the binary version and the python version.

Binary: records of one label (CIFAR-100: a coarse and a fine one) and 3,072 bytes, the red plane first. Python: pickles
of the same numbers, read without running anything (pickles.py).
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.data import pickles
from eyebright.data.dataset import Split
from eyebright.data.found import Found, Row
from eyebright.data.source import Source, beside
from eyebright.data.stores import Pixels
from eyebright.errors import BadRequest
from eyebright.modelfile import Label

_SIDE = 32
_BYTES = 3 * _SIDE * _SIDE
_TEN = re.compile(r"(^|/)(data_batch_\d+|test_batch)(\.bin)?$")
_HUNDRED = re.compile(r"(^|/)(train|test)(\.bin)?$")


class _Batch(NamedTuple):
    pixels: NDArray[np.uint8]  # (N, 3072), planes
    labels: list[int]


def suits(source: Source) -> bool:
    """Whether batches are there under the names that CIFAR gave them."""
    return bool(_files(source))


def read(source: Source) -> Found:
    """Fine labels of CIFAR-100; names of classes from the files that come with them, numbers where they are missing."""
    files = _files(source)
    if not files:
        raise BadRequest(f"{source.where}: there are no CIFAR batches in it (data_batch_1, data_batch_1.bin ...).")
    arrays: dict[str, NDArray[np.uint8]] = {}
    rows: list[Row] = []
    for name in files:
        batch = _binary(source, name) if name.endswith(".bin") else _python(source, name)
        arrays[name] = batch.pixels.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)  # (N, 32, 32, 3)
        split: Split = "test" if "test" in name.rpartition("/")[2] else "train"
        rows.extend(Row(f"{name}#{number}", (str(label),), split) for number, label in enumerate(batch.labels))
    names = _names(source, files[0])
    count = max((int(row.labels[0]) + 1 for row in rows), default=0)
    if names and count > len(names):
        raise BadRequest(f"{source.place(files[0])}: there is a label {count - 1} and {len(names)} names of classes.")
    labels = [Label(str(at), names[at] if names else str(at)) for at in range(len(names) or count)]
    return Found(rows, Pixels(arrays), labels)


def _files(source: Source) -> list[str]:
    names = [source.focus] if source.focus else source.tree.names
    ten = [name for name in names if _TEN.search(name)]
    return ten or [name for name in names if _HUNDRED.search(name) and _is_batch(source, name)]


def _is_batch(source: Source, name: str) -> bool:
    """Much is called train; a pickle has a first byte of its own."""
    return name.endswith(".bin") or source.tree.head(name)[:1] == b"\x80"


def _binary(source: Source, name: str) -> _Batch:
    data = source.content(name)
    before = 1 if _TEN.search(name) else 2  # bytes of labels; the last one is the fine label
    if not data or len(data) % (before + _BYTES):
        raise BadRequest(
            f"{source.place(name)}: {len(data):,} bytes are no whole number of records of {before + _BYTES:,} bytes; "
            "copy the file again."
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, before + _BYTES)
    return _Batch(records[:, before:], records[:, before - 1].tolist())


def _python(source: Source, name: str) -> _Batch:
    place = source.place(name)
    found = _plain(source, name)
    try:
        pixels = pickles.array(found.get("data"))
    except ValueError as error:
        raise BadRequest(f"{place}: its data: {error}.") from None
    labels = found.get("fine_labels", found.get("labels"))
    if pixels.ndim != 2 or pixels.shape[1] != _BYTES:
        raise BadRequest(f"{place}: its data are {pixels.shape}; (N, {_BYTES}) were expected.")
    if (
        not isinstance(labels, list)
        or len(labels) != len(pixels)
        or not all(type(label) is int and 0 <= label < 256 for label in labels)
    ):
        raise BadRequest(f"{place}: it has no label for each of its {len(pixels):,} pictures.")
    return _Batch(pixels, labels)


def _plain(source: Source, name: str) -> dict[str, Any]:
    try:
        found = pickles.loads(source.content(name))
    except ValueError as error:
        raise BadRequest(f"{source.place(name)}: not read as a CIFAR batch: {error}.") from None
    if not isinstance(found, dict):
        raise BadRequest(f"{source.place(name)}: not a CIFAR batch.")
    return {_text(key): value for key, value in found.items()}


def _names(source: Source, batch: str) -> list[str]:
    """Names of classes, from batches.meta(.txt), fine_label_names.txt or meta beside a batch; empty where none is."""
    for path in _beside(source, batch, "batches.meta.txt", "fine_label_names.txt"):
        return [line.strip() for line in source.text(path).splitlines() if line.strip()]
    for path in _beside(source, batch, "batches.meta", "meta"):
        found = _plain(source, path)
        names = found.get("fine_label_names", found.get("label_names"))
        if not isinstance(names, list) or not all(isinstance(name, (str, bytes)) and name for name in names):
            raise BadRequest(f"{source.place(path)}: it has no names of classes.")
        return [_text(name) for name in names]
    return []


def _beside(source: Source, name: str, *others: str) -> Iterator[str]:
    folder = beside(name)
    paths = (f"{folder}/{other}" if folder else other for other in others)
    return (path for path in paths if source.tree.has(path))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
