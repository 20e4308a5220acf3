"""What a person said of doubtful labels: a CSV table, and the data set that follows from it.

    file,given,proposed,doubt,verdict
    train/shirt/8a1.jpg,shirt,longsleeve,0.997,yes

A verdict is yes (the proposed label is right), no (the given one is), another label, drop (the picture is to go), or
empty: nothing was said yet. Where labels are many, a row is about one of them: `proposed` is empty where it was given
and should not be, `given` where it is missing. Of several rows on one question the last with a verdict counts.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from eyebright.data.dataset import Dataset, Item
from eyebright.data.found import listed
from eyebright.errors import BadRequest
from eyebright.recognize.sources import name_of

COLUMNS = ("file", "given", "proposed", "doubt", "verdict")
WORDS = {"yes": "yes", "y": "yes", "no": "no", "n": "no", "drop": "drop", "d": "drop"}
"""As they may be written; they mean this also where a label is called so."""
MAX_BYTES = 100_000_000
"""Of a table."""


class Question(NamedTuple):
    """A picture and a label that is in doubt; "" for none."""

    file: str
    given: str
    proposed: str


def names(data: Dataset) -> list[str]:
    """What tables call each label: by its name, or where that is not the only one of its kind by its id."""
    words = [label.label for label in data.labels]
    ids = {label.id for label in data.labels}
    return [
        label.label
        if words.count(label.label) == 1 and (label.label == label.id or label.label not in ids)
        else label.id
        for label in data.labels
    ]


def table(rows: Iterable[tuple[Question, float]]) -> str:
    """A table to fill in, for questions and how doubtful they are, 0..1."""
    return line(COLUMNS) + "".join(line((*question, f"{doubt:.4f}", "")) for question, doubt in rows)


def line(cells: Sequence[str], delimiter: str = ",") -> str:
    """One row; it ends as RFC 4180 has it, which makes the writer quote both kinds of line break in a cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n", delimiter=delimiter).writerow(cells)
    return text.getvalue()


def add(path: Path, question: Question, doubt: float, verdict: str) -> None:
    """Put an answer at the end of a table, made when it is not there; on return it is on the disk. Raises OSError."""
    with open(path, "a+b") as file:
        file.seek(0)
        columns, delimiter = _header(file.readline(MAX_BYTES).decode("utf-8", "surrogateescape"))
        end = file.seek(0, os.SEEK_END)
        before = "" if end else line(COLUMNS)
        if end:
            file.seek(-1, os.SEEK_END)
            before = "" if file.read(1) == b"\n" else "\n"
        cells = dict(zip(COLUMNS, (*question, f"{doubt:.4f}", verdict), strict=True))
        row = line([cells.get(column, "") for column in columns or COLUMNS], delimiter)
        file.write((before + row).encode("utf-8", "surrogateescape"))
        file.flush()
        os.fsync(file.fileno())


def read(path: Path, data: Dataset) -> dict[Question, str]:
    """The verdicts in a table: yes, no, drop, or the id of a label. Raises BadRequest with the line that is wrong."""
    known = {item.name for item in data.items}
    found: dict[Question | str, tuple[Question, str]] = {}
    for place, record in _records(path):
        question = Question(*(record[column] or "" for column in COLUMNS[:3]))
        written = (record["verdict"] or "").strip()
        if question.file not in known:
            raise BadRequest(f"{place}: {data.name} has no picture {name_of(question.file)!r}.")
        if written:
            about = question if data.task == "multi" else question.file  # one label a picture is one question
            found[about] = question, _verdict(written, data, place)
    return dict(found.values())


def corrected(data: Dataset, verdicts: Mapping[Question, str]) -> Dataset:
    """The data set with the labels that a person gave. Raises BadRequest where the given labels are others by now."""
    ids = [label.id for label in data.labels]
    places = {name: at for at, name in enumerate(names(data))}
    changed = {item.name: item for item in data.items}
    for question, verdict in verdicts.items():
        now = changed.get(question.file)
        if now is None:
            continue
        if verdict == "drop":
            del changed[question.file]
            continue
        given, proposed = (places.get(name) if name else None for name in question[1:])
        _check(data, question, given, proposed, now)
        if verdict == "no":
            continue
        new = proposed if verdict == "yes" else ids.index(verdict)
        labels = (set(now.labels) - {given}) | ({new} if new is not None else set())
        unknown = tuple(at for at in now.unknown if at != new)
        changed[question.file] = replace(now, labels=tuple(sorted(labels)), unknown=unknown)
    return data.only(tuple(changed.values()))


def _check(data: Dataset, question: Question, given: int | None, proposed: int | None, now: Item) -> None:
    for name, place in zip(question[1:], (given, proposed), strict=True):
        if name and place is None:
            raise BadRequest(
                f"{name!r}, which {name_of(question.file)} stands with in the table, is no label of "
                f"{data.name}; it has {listed(names(data))}."
            )
    if (given is not None and given not in now.labels) or (given is None and proposed in now.labels):
        has = listed(names(data)[at] for at in now.labels) or "none"
        raise BadRequest(
            f"{name_of(question.file)} was {question.given or f'not {question.proposed}'} when it was doubted and is "
            f"{has} now; the data changed, so ask again."
        )


def _records(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a table, each with its place for messages."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None
    if len(content) > MAX_BYTES:
        raise BadRequest(f"{path}: larger than {MAX_BYTES:,} bytes; that is no table of verdicts.")
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    _, delimiter = _header(text.partition("\n")[0])
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise BadRequest(f"{path}: there is no column {missing[0]!r}; a table of verdicts has {','.join(COLUMNS)}.")
        for record in reader:
            place = f"{path}, line {reader.line_num:,}"
            if None in record:
                raise BadRequest(f"{place}: more cells than columns; quote cells with a comma in them.")
            yield place, record
    except csv.Error as error:
        raise BadRequest(f"{path}, line {reader.line_num + 1:,}: not CSV ({error}).") from None


def _header(text: str) -> tuple[list[str], str]:
    """The columns of a table, and what stands between its cells: spreadsheets write it as their country does."""
    delimiter = next((mark for mark in ",\t;" if mark in text), ",")
    return next(csv.reader([text.removeprefix("\ufeff").strip()], delimiter=delimiter), []), delimiter


def _verdict(written: str, data: Dataset, place: str) -> str:
    if word := WORDS.get(written.lower()):
        return word
    if data.task == "multi":
        raise BadRequest(f"{place}: of many labels a verdict is yes, no or drop; {written!r} is not.")
    for key in (str, str.casefold):
        for name, label in zip(names(data), data.labels, strict=True):
            if key(written) in (key(name), key(label.id)):
                return label.id
    raise BadRequest(f"{place}: {written!r} is no verdict: yes, no, drop, or a label ({listed(names(data))}).")
