"""Rows of a reader become a `Dataset`: labels in order, a task, splits, and the checks that hold for every format."""

import math
import unicodedata
from collections import Counter

from eyebright.data import split, tasks
from eyebright.data.dataset import Box, Dataset, Item, Split
from eyebright.data.found import Found, Row, listed, natural
from eyebright.errors import BadRequest
from eyebright.modelfile import Label, Task

_MAX_LABEL = 500
"""Characters; a model file takes no longer ones."""


def dataset(found: Found, name: str, where: str, reader: str, task: Task | None, positive: str | None) -> Dataset:
    """`where` is what messages call it. Raises BadRequest where there is nothing to learn from."""
    remarks = found.remarks
    rows = _merged(found, where)
    if not rows:
        raise BadRequest(f"{where}: there are no pictures with labels in it.")
    several = found.multi or any(len(row.labels) > 1 for row in rows)
    if not several and (without := sum(not row.labels for row in rows)):
        remarks.append(f"Pictures without a label, left out: {without:,}.")
        rows = [row for row in rows if row.labels]
    decided, rows, labels = tasks.settle(rows, _labels(found, rows, where), several, task, positive, where)
    counted = Counter(label for row in rows for label in row.labels)
    labels = _with_pictures(labels, counted, remarks)
    if len(labels) < 2 and not (decided == "multi" and labels and counted[labels[0].id] < len(rows)):
        only = f"there is one class only ({labels[0].label})" if labels else "there are no labels"
        raise BadRequest(f"{where}: {only}; to tell pictures apart takes two or more.")
    _check_strangers(rows, where)
    given = [row.split for row in rows]
    splits, remark = split.fill([row.name for row in rows], given, max(counted.values()) > 1)
    remarks.extend([remark] if remark else [])
    remarks.extend(_gaps(rows, splits))
    at = {label.id: index for index, label in enumerate(labels)}
    items = tuple(
        Item(row.name, _places(row.labels, at), into, _places(row.unknown, at), row.box)
        for row, into in zip(rows, splits, strict=True)
    )
    return Dataset(name, items, labels, decided, found.store, reader, tuple(remarks))


def _merged(found: Found, where: str) -> list[Row]:
    """A picture once: what several rows say of it is put together."""
    merged: dict[tuple[str, Box | None], Row] = {}
    again = 0
    for row in found.rows:
        if row.box and not all(map(math.isfinite, row.box)):
            raise BadRequest(f"{where}: {row.name} has a box whose sides are no numbers.")
        key = (row.name, row.box)
        before = merged.setdefault(key, row)
        if before is row:
            continue
        again += 1
        if before.split != row.split:
            raise BadRequest(f"{where}: {row.name} is in two splits, {before.split} and {row.split}; keep one of them.")
        known = tuple(dict.fromkeys(before.labels + row.labels))
        unknown = tuple(label for label in dict.fromkeys(before.unknown + row.unknown) if label not in known)
        merged[key] = before._replace(labels=known, unknown=unknown)
    if again:
        found.remarks.append(f"Rows that speak of a picture again, put together with the first: {again:,}.")
    return list(merged.values())


def _labels(found: Found, rows: list[Row], where: str) -> tuple[Label, ...]:
    known = found.labels or [Label(id, id) for id in sorted({id for row in rows for id in row.labels}, key=natural)]
    for label in known:
        for text in (label.id, label.label):
            if not 0 < len(text) <= _MAX_LABEL or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
                raise BadRequest(f"{where}: {text[:40]!r} is no name for a label; use up to {_MAX_LABEL} letters.")
    return tuple(known)


def _with_pictures(labels: tuple[Label, ...], counted: Counter[str], remarks: list[str]) -> tuple[Label, ...]:
    without = [label.label for label in labels if not counted[label.id]]
    if without:
        remarks.append(f"Labels without a picture, left out: {listed(without)}.")
    return tuple(label for label in labels if counted[label.id])


def _check_strangers(rows: list[Row], where: str) -> None:
    """What the data themselves set aside to judge by, they also teach. Raises BadRequest."""
    by = _by_split(rows, [row.split or "train" for row in rows])
    for into in by if "train" in by else ():
        if strange := sorted(by[into] - by["train"], key=natural):
            raise BadRequest(
                f"{where}: {into} has labels that train does not have: {listed(strange)}; add or rename them."
            )


def _gaps(rows: list[Row], splits: list[Split]) -> list[str]:
    """Remarks on labels that a split lacks."""
    by = _by_split(rows, splits)
    known = set().union(*by.values())
    lacking = {into: sorted(known - labels, key=natural) for into, labels in by.items()}
    return [f"Labels without a picture in {into}: {listed(labels)}." for into, labels in lacking.items() if labels]


def _by_split(rows: list[Row], splits: list[Split]) -> dict[Split, set[str]]:
    by: dict[Split, set[str]] = {}
    for row, into in zip(rows, splits, strict=True):
        by.setdefault(into, set()).update(row.labels)
    return by


def _places(labels: tuple[str, ...], at: dict[str, int]) -> tuple[int, ...]:
    return tuple(sorted(at[label] for label in labels if label in at))
