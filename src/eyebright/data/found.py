"""What a reader hands over, and how it becomes a `Dataset`: labels in order, the task, splits, and the checks for all.

Readers know a format and nothing else; here is what holds for every one of them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from eyebright.data import split
from eyebright.data.dataset import Box, Dataset, Item, Split, Store
from eyebright.errors import BadRequest
from eyebright.modelfile import Label, Task

_NEGATIVE = re.compile(r"(no|not|non|normal|other|negative|background|0)(\W|_|$)", re.I)
_DENIED = re.compile(r"(?:not|non|no)[ _-]?(.+)", re.I)


class Row(NamedTuple):
    """One picture as a format tells of it; labels by id."""

    name: str
    labels: tuple[str, ...]
    split: Split | None = None
    unknown: tuple[str, ...] = ()
    box: Box | None = None


@dataclass
class Found:
    """All that a reader found."""

    rows: list[Row]
    store: Store
    labels: Sequence[Label] = ()
    """Names and order, where the format has them; else ids are names, in the order of the alphabet."""
    multi: bool = False
    """Whether the format is one of several labels a picture, even where each has one."""
    remarks: list[str] = field(default_factory=list)


def dataset(found: Found, name: str, where: str, reader: str, task: Task | None, positive: str | None) -> Dataset:
    """Rows as a Dataset; `where` is what messages call it. Raises BadRequest where there is nothing to learn from."""
    rows, remarks = _merged(found, where), found.remarks
    if not rows:
        raise BadRequest(f"{where}: there are no pictures in it.")
    several = found.multi or any(len(row.labels) > 1 for row in rows)
    if not several and (without := sum(not row.labels for row in rows)):
        remarks.append(f"Pictures without a label, left out: {without:,}.")
        rows = [row for row in rows if row.labels]
    labels = _labels(found, rows)
    decided = _task(rows, labels, several, task, positive, where)
    if decided == "binary":
        labels = _negative_first(labels, positive, where)
    if len(labels) < 2 and not (decided == "multi" and any(not row.labels for row in rows)):
        only = f"one class only ({labels[0].label})" if labels else "no labels"
        raise BadRequest(f"{where}: {only}; to tell pictures apart, it takes two classes or more.")
    counted = Counter(label for row in rows for label in row.labels)
    given = [row.split for row in rows]
    splits, remark = split.fill([row.name for row in rows], given, max(counted.values(), default=0) > 1)
    remarks.extend([remark] if remark else [])
    if any(given):
        remarks.extend(_same_labels([(row, at) for row, at in zip(rows, splits, strict=True)], where))
    at = {label.id: index for index, label in enumerate(labels)}
    items = tuple(
        Item(row.name, _places(row.labels, at), into, _places(row.unknown, at), row.box)
        for row, into in zip(rows, splits, strict=True)
    )
    return Dataset(name, items, labels, decided, found.store, reader, tuple(remarks))


def listed(words: Iterable[str], most: int = 5) -> str:
    """A few of them for a sentence.

    >>> listed("abcdefgh", 3)
    'a, b, c and 5 more'
    """
    known = list(words)
    return ", ".join(known[:most]) + (f" and {len(known) - most:,} more" if len(known) > most else "")


def natural(word: str) -> tuple[int, int, str]:
    """Sorts numbers by size, then words.

    >>> sorted(["b", "10", "9", "a"], key=natural)
    ['9', '10', 'a', 'b']
    """
    number = word.isascii() and word.isdigit() and len(word) < 19
    return (0, int(word), word) if number else (1, 0, word)


def is_negative(label: str, other: str) -> bool:
    """Whether of two labels this one says that the other is not there.

    >>> is_negative("normal", "fire"), is_negative("not-fire", "fire"), is_negative("nofire", "fire")
    (True, True, True)
    >>> is_negative("noodles", "rice")
    False
    """
    denied = _DENIED.fullmatch(label)
    return bool(_NEGATIVE.match(label) or (denied and denied[1].lower() == other.lower()))


def _merged(found: Found, where: str) -> list[Row]:
    """A picture once: rows that speak of the same one are put together."""
    merged: dict[tuple[str, Box | None], Row] = {}
    again = 0
    for row in found.rows:
        key = (row.name, row.box)
        before = merged.get(key)
        if before is None:
            merged[key] = row
            continue
        again += 1
        if before.split != row.split:
            raise BadRequest(f"{where}: {row.name} is in two splits, {before.split} and {row.split}; keep one of them.")
        known = tuple(dict.fromkeys(before.labels + row.labels))
        unknown = tuple(dict.fromkeys(label for label in before.unknown + row.unknown if label not in known))
        merged[key] = before._replace(labels=known, unknown=unknown)
    if again:
        found.remarks.append(f"Rows that speak of a picture again, put together: {again:,}.")
    return list(merged.values())


def _labels(found: Found, rows: list[Row]) -> tuple[Label, ...]:
    used = {label for row in rows for label in row.labels}
    known = found.labels or [Label(id, id) for id in sorted(used, key=natural)]
    without = [label.label for label in known if label.id not in used]
    if without:
        found.remarks.append(f"Labels without a picture, left out: {listed(without)}.")
    return tuple(label for label in known if label.id in used)


def _task(
    rows: list[Row], labels: tuple[Label, ...], several: bool, task: Task | None, positive: str | None, where: str
) -> Task:
    if positive is not None and task in (None, "binary"):
        return "binary"
    if task == "single" or (task == "binary" and len(labels) == 2):
        for row in rows if several else ():
            if len(row.labels) != 1:
                told = listed(row.labels) or "no label"
                raise BadRequest(
                    f"{where}: {row.name} has {told}; one label a picture was asked for: try --task multi."
                )
        return task
    if task is not None:
        return task
    if several:
        return "multi"
    pair = [label.label for label in labels]
    return "binary" if len(pair) == 2 and is_negative(*pair) != is_negative(*pair[::-1]) else "single"


def _negative_first(labels: tuple[Label, ...], positive: str | None, where: str) -> tuple[Label, ...]:
    if len(labels) != 2:
        raise BadRequest(f"{where}: yes or no (binary) takes two labels; there are {len(labels)}: {_names(labels)}.")
    first, second = labels
    if positive is not None:
        if positive not in (first.id, first.label, second.id, second.label):
            raise BadRequest(f"{where}: there is no label {positive!r} for --positive; there are {_names(labels)}.")
        return labels if positive in (second.id, second.label) else (second, first)
    denies = is_negative(first.label, second.label), is_negative(second.label, first.label)
    if denies[0] == denies[1]:
        raise BadRequest(f"{where}: which of {_names(labels)} is looked for? Say it with --positive LABEL.")
    return labels if denies[0] else (second, first)


def _same_labels(rows: list[tuple[Row, Split]], where: str) -> list[str]:
    """A label that is judged was taught; remarks on those that are taught and never judged."""
    by: dict[Split, set[str]] = {}
    for row, into in rows:
        by.setdefault(into, set()).update(row.labels)
    taught = by.get("train")
    if taught is None:
        return []
    remarks = []
    for into, labels in by.items():
        if strange := sorted(labels - taught, key=natural):
            raise BadRequest(
                f"{where}: labels in {into} that train does not have: {listed(strange)}; add or rename them."
            )
        if missing := sorted(taught - labels, key=natural):
            remarks.append(f"Labels of train without a picture in {into}: {listed(missing)}.")
    return remarks


def _places(labels: tuple[str, ...], at: dict[str, int]) -> tuple[int, ...]:
    return tuple(sorted(at[label] for label in labels if label in at))


def _names(labels: Sequence[Label]) -> str:
    return listed(label.label for label in labels)
