"""Where it fails: the same figure for parts of the pictures, such as a camera, a country or dark pictures.

A table names a `file` in each row and anything else in other columns; each value of a column is a slice, and a column
of many numbers is cut into quarters.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.data import Item
from eyebright.errors import BadRequest
from eyebright.evaluation.intervals import Interval, bootstrap
from eyebright.modelfile import Figure

MOST_BYTES = 64_000_000
FEW = 12
"""Different values of a column of numbers that are still values and no quarters."""
SMALLEST = 5
"""Pictures of a slice that is worth a figure."""
MOST = 200
"""Slices of a column."""

Rows = NDArray[np.bool_]


class Slice(NamedTuple):
    """A part of the pictures with its figure, and how far that is from the rest's."""

    column: str
    value: str
    figure: Figure
    rest: Interval
    """Figure of the slice less that of all other pictures."""


def read(path: Path, items: Sequence[Item]) -> dict[str, list[str]]:
    """Column -> its value for each item, "" where the table does not name it. Raises BadRequest."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadRequest(f"{path} is larger than {MOST_BYTES:,} bytes, which is no table of pictures.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is not text in UTF-8"
        raise BadRequest(f"{path} cannot be read: {why}.") from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        rows = list(reader)
    except csv.Error as error:
        raise BadRequest(f"{path} is no CSV table: {error}.") from None
    columns = [name for name in reader.fieldnames or () if name and name != "file"]
    if "file" not in (reader.fieldnames or ()) or not columns:
        raise BadRequest(f"{path} needs a column `file` and at least one other, in its first line.")
    by_name = {row["file"]: row for row in rows if row["file"]}
    tails = Counter(tail for name in by_name for tail in _tails(name))
    by_tail = {tail: row for name, row in by_name.items() for tail in _tails(name) if tails[tail] == 1}
    alone = Counter(item.name.rpartition("/")[2] for item in items)

    def row_of(name: str) -> dict[str, str]:
        """By its path, or the end of it; by the bare name where no other picture has it."""
        for tail in (name, *_tails(name)):
            if tail in by_name and ("/" in tail or alone[tail] == 1):
                return by_name[tail]
        bare = name.rpartition("/")[2]
        return by_tail.get(name) or (by_tail.get(bare, {}) if alone[bare] == 1 else {})

    found = [row_of(item.name) for item in items]
    if not any(found):
        raise BadRequest(f"{path} names none of the pictures that are judged, such as {items[0].name}.")
    columns_found = {column: [str(row.get(column) or "").strip() for row in found] for column in columns}
    parts(columns_found)  # whether they can be slices, before any picture is looked at
    return columns_found


def _tails(name: str) -> list[str]:
    """The ends of a path, the longest first, without itself.

    >>> _tails("test/red/0.png")
    ['red/0.png', '0.png']
    """
    folders = name.split("/")
    return ["/".join(folders[start:]) for start in range(1, len(folders))]


def parts(columns: dict[str, list[str]]) -> list[tuple[str, str, Rows]]:
    """Column, value and the pictures that have it."""
    found = []
    for column, values in columns.items():
        known = [value for value in values if value]
        numbers = _numbers(known)
        if numbers is not None and len(set(known)) > FEW:
            each = np.array([float(value) if value else np.nan for value in values])
            edges = np.unique(np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1]))
            for number, (low, high) in enumerate(pairwise(edges.tolist())):
                last = number == len(edges) - 2
                found.append(
                    (column, f"{low:g} to {high:g}", (each >= low) & ((each <= high) if last else (each < high)))
                )
            continue
        if len(set(known)) > MOST:
            raise BadRequest(
                f"The column {column} of the slices has {len(set(known)):,} different values; {MOST} at most."
            )
        for value in sorted(set(known)):
            found.append((column, value, np.array([one == value for one in values])))
    return found


def judged(
    columns: dict[str, list[str]], figure: Callable[[Rows], Figure | None], each: NDArray[np.float64] | None
) -> list[Slice]:
    """The slices, worst first. `figure` judges some of the pictures; `each` (N,) is what it is the mean of, if so."""
    found = []
    for column, value, inside in parts(columns):
        if inside.sum() < SMALLEST or (~inside).sum() < SMALLEST:
            continue
        here, rest = figure(inside), figure(~inside)
        if here is None or rest is None:
            continue
        if each is not None:
            apart = difference(each, inside)
        else:
            apart = Interval(here.value - rest.value, float("nan"), float("nan"), "")
        found.append(Slice(column, value, here, apart))
    return sorted(found, key=lambda one: one.figure.value)


def difference(each: NDArray[np.float64], inside: Rows) -> Interval:
    """The mean of `each` inside less that outside."""

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        means = [
            (weights[:, part] @ each[part]) / np.maximum(weights[:, part].sum(axis=1), 1) for part in (inside, ~inside)
        ]
        return np.asarray(means[0] - means[1])

    return bootstrap(statistic, len(each))


def _numbers(values: Sequence[str]) -> NDArray[np.float64] | None:
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError:
        return None
    return numbers if len(numbers) and np.isfinite(numbers).all() else None
