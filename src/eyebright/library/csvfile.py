"""A table of a shop's as CSV, as spreadsheets write it: commas, semicolons or tabs, UTF-8 or UTF-16."""

import codecs
import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

from eyebright.errors import BadPicture, BadRequest
from eyebright.images import opened

MOST_BYTES, MOST_ROWS, MOST_COLUMNS = 256_000_000, 1_000_000, 200
DELIMITERS = ",;\t"
_QUOTED = re.compile(r'"[^"]*"?')


class Row(NamedTuple):
    """A line that says something."""

    line: int
    known: dict[str, str]
    """By what is sought; empty where there is nothing."""
    others: dict[str, str]
    """What is said in other columns, by their names."""


def rows(path: str | Path, sought: Mapping[str, Sequence[str]], needed: Sequence[str]) -> Iterator[Row]:
    """The lines of a CSV file with a header; `sought` are columns by any of some names. Raises BadRequest."""
    try:
        with opened(path) as data:  # no pipe or device, which may have no end
            if os.fstat(data.fileno()).st_size > MOST_BYTES:
                raise BadRequest(f"{path} has more than {MOST_BYTES // 1_000_000} MB; no catalog is that large.")
            file = as_text(data)
            first = next(file, "")
            lines = csv.reader(chain([first], file), delimiter=delimiter(first))
            header = [name.strip() for name in next(lines, [])]
            columns = checked(path, header, sought, needed)
            for number, values in enumerate(lines, 1):
                values = [value.strip() for value in values]
                if number > MOST_ROWS:
                    raise BadRequest(f"{path} has more than {MOST_ROWS:,} lines.")
                if any(values[len(header) :]):
                    raise BadRequest(f"{path}, line {lines.line_num} has more values than the first line has names.")
                if any("\0" in value for value in values):
                    raise BadRequest(f"{path}, line {lines.line_num} holds a null byte.")
                if any(values):
                    yield row(lines.line_num, dict(zip(header, values, strict=False)), columns)
    except BadPicture as error:
        raise BadRequest(f"{path} cannot be read as CSV: {error}") from None
    except UnicodeError:
        raise BadRequest(f"{path} is not text in UTF-8; save it as UTF-8 CSV.") from None
    except (OSError, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadRequest(f"{path} cannot be read as CSV: {why.lower()}.") from None


def as_text(data: BinaryIO) -> io.TextIOWrapper:
    """The text of a file, with or without a byte order mark."""
    wide = data.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    data.seek(0)
    return io.TextIOWrapper(data, encoding="utf-16" if wide else "utf-8-sig", newline="")


def delimiter(first: str) -> str:
    """What stands most often between the names of a first line.

    >>> delimiter("SKU;Image"), delimiter('id,image,"size; EU; UK; US"'), delimiter("id")
    (';', ',', ',')
    """
    return max(DELIMITERS, key=_QUOTED.sub("", first).count)


def checked(
    path: str | Path, header: Sequence[str], sought: Mapping[str, Sequence[str]], needed: Sequence[str]
) -> dict[str, str | None]:
    """The columns that are sought. Raises BadRequest where one is missing, and where two have one name."""
    columns = {what: column(header, names) for what, names in sought.items()}
    missing = [what for what in needed if not columns[what]]
    if missing:
        has = f"; it has {', '.join(name[:40] for name in header[:10] if name)}" if any(header) else ""
        raise BadRequest(f"{path} needs a first line of names, {' and '.join(missing)} among them{has}.")
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice:
        raise BadRequest(f"{path} has two columns that are called {twice}.")
    if len(header) > MOST_COLUMNS:
        raise BadRequest(f"{path} has more than {MOST_COLUMNS} columns.")
    return columns


def column(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of these columns that is there, however its letters are written."""
    small = {name.lower(): name for name in reversed(header)}
    return next((small[name] for name in names if name in small), None)


def row(line: int, values: dict[str, str], columns: dict[str, str | None]) -> Row:
    known = {what: values.get(name or "", "") for what, name in columns.items()}
    taken = {*columns.values(), ""}
    return Row(line, known, {name: value for name, value in values.items() if value and name not in taken})
