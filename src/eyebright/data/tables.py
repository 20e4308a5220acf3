"""Tables that name a picture and its labels a row: CSV with a header, or JSONL, one object a line.

    file,labels,split              {"file": "a.jpg", "labels": ["cat", "sofa"], "split": "train"}
    a.jpg,cat;sofa,train

`train.csv` and `test.csv` side by side are one set, where the rows do not say their split themselves.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from eyebright.data.dataset import Split
from eyebright.data.found import Found, Row
from eyebright.data.source import Source, beside, stem
from eyebright.data.split import SPELLED, spelled
from eyebright.data.stores import MAX_FILES, too_many_files
from eyebright.errors import BadRequest

CSV = (".csv", ".tsv")
JSONL = (".jsonl", ".ndjson")
FILE = ("file", "path", "image", "filename", "file_name")
LABEL = ("label", "labels", "class", "classes")
SPLIT = ("split", "set", "subset")
UNKNOWN = ("unknown",)

_ENOUGH = 50
"""Tables that are looked at to know the format."""

_Record = Mapping[str, Any]


class _Line(NamedTuple):
    """One record, and where it stands for messages."""

    place: str
    record: _Record


_Lines = Callable[[Source, str], Iterator[_Line]]


def suits_csv(source: Source) -> bool:
    """Whether there is a CSV table with columns for files and labels, or one was named."""
    return bool(source.focus and source.files(*CSV)) or any(
        _column(columns, FILE) and _column(columns, LABEL)
        for columns in (_columns(source.tree.head(name)) for name in source.files(*CSV)[:_ENOUGH])
    )


def suits_jsonl(source: Source) -> bool:
    """Whether there are lines of objects with keys for files and labels, or such a file was named."""
    return bool(source.focus and source.files(*JSONL)) or any(
        _fits(source, name, _json_lines) for name in source.files(*JSONL)[:_ENOUGH]
    )


def read_csv(source: Source) -> Found:
    """A row a picture; labels of one picture stand in one cell with `;` between, or in several rows."""
    return _read(source, CSV, _csv_lines)


def read_jsonl(source: Source) -> Found:
    """An object a picture; labels are a text, a number, or a list of them."""
    return _read(source, JSONL, _json_lines)


def _read(source: Source, endings: tuple[str, ...], lines: _Lines) -> Found:
    rows: list[Row] = []
    for table in _tables(source, endings, lines):
        missing: list[str] = []
        total = 0
        for line in lines(source, table):
            total += 1
            if len(rows) > MAX_FILES:
                raise too_many_files(source.tree.path)
            row = _row(source, table, line)
            if row.name:
                rows.append(row)
            else:
                missing.append(str(line.record[_column(line.record, FILE) or ""]))
        source.missing(missing, table, total)
    return Found(rows, source.tree, remarks=source.unnamed({row.name for row in rows}))


def _tables(source: Source, endings: tuple[str, ...], lines: _Lines) -> list[str]:
    """The one table, or one a split."""
    names = source.files(*endings)
    if not names:
        raise BadRequest(f"{source.where}: there is no table in it ({', '.join(endings)}).")
    if len(names) == 1:
        return names
    fitting = [name for name in names[:_ENOUGH] if _fits(source, name, lines)]
    by_split = [name for name in fitting if spelled(stem(name))]
    if len(fitting) > 1 and not by_split:
        raise BadRequest(f"{source.where}: several tables fit ({', '.join(fitting[:5])}); name the one that is meant.")
    return by_split or fitting or names[:1]


def _fits(source: Source, table: str, lines: _Lines) -> bool:
    try:
        first = next(lines(source, table), None)
    except BadRequest:
        return False
    return first is not None and bool(_column(first.record, FILE) and _column(first.record, LABEL))


def _row(source: Source, table: str, line: _Line) -> Row:
    """One record; its name is empty where there is no such file."""
    file, label = _column(line.record, FILE), _column(line.record, LABEL)
    if file is None or label is None:
        what = f"a file ({', '.join(FILE)})" if file is None else f"labels ({', '.join(LABEL)})"
        there = ", ".join(str(name) for name in line.record) or "none"
        raise BadRequest(f"{line.place}: there is no column for {what}; there are: {there}.")
    written = line.record[file]
    if not isinstance(written, str) or not written.strip():
        raise BadRequest(f"{line.place}: {file} is empty.")
    return Row(
        source.find(written, beside(table)) or "",
        _labels(line.record[label], line.place),
        _split(line, table),
        _labels(line.record.get(_column(line.record, UNKNOWN) or ""), line.place),
    )


def _labels(cell: Any, place: str) -> tuple[str, ...]:
    """What a cell says, in its order, each once."""
    parts = cell if isinstance(cell, list) else [cell]
    found: list[str] = []
    for part in parts:
        if isinstance(part, (dict, list)):
            raise BadRequest(f"{place}: a label is text or a number, not {type(part).__name__}.")
        if part is not None:
            found.extend(word.strip() for word in str(part).split(";"))
    return tuple(dict.fromkeys(filter(None, found)))


def _split(line: _Line, table: str) -> Split | None:
    column = _column(line.record, SPLIT)
    word = str(line.record[column] or "") if column else ""
    if not word.strip():
        return spelled(stem(table))
    split = spelled(word)
    if split is None:
        raise BadRequest(f"{line.place}: {word!r} is no split; write one of {', '.join(SPELLED)}.")
    return split


def _column(record: _Record | list[str], names: tuple[str, ...]) -> str | None:
    """The column of one of these names, whatever its capitals."""
    known = {str(name).strip().lower(): name for name in record}
    return next((known[name] for name in names if name in known), None)


def _columns(head: bytes) -> list[str]:
    first = head.decode("utf-8-sig", "replace").partition("\n")[0].rstrip("\r")
    try:
        return next(csv.reader([first], delimiter=_delimiter(first)), [])
    except csv.Error:
        return []


def _delimiter(header: str) -> str:
    return next((mark for mark in ",\t;" if mark in header), ",")


def _csv_lines(source: Source, table: str) -> Iterator[_Line]:
    text = source.text(table)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]))
    try:
        for record in reader:
            place = f"{source.place(table)}, line {reader.line_num:,}"
            if None in record:
                raise BadRequest(f"{place}: more cells than columns; quote cells with a comma in them.")
            yield _Line(place, record)
    except csv.Error as error:
        raise BadRequest(f"{source.place(table)}, line {reader.line_num + 1:,}: not CSV ({error}).") from None


def _json_lines(source: Source, table: str) -> Iterator[_Line]:
    for number, line in enumerate(source.text(table).splitlines(), 1):
        if not line.strip():
            continue
        place = f"{source.place(table)}, line {number:,}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"{place}: not JSON ({error}).") from None
        if not isinstance(record, dict):
            raise BadRequest(f"{place}: an object was expected, {{...}}.")
        yield _Line(place, record)
