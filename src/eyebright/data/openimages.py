"""Open Images (Kuznetsova et al. 2020): image labels that people verified, a row an image and label.

Confidence 1 says that it holds, 0 that it does not; what nobody was asked about, or a machine guessed, is unknown.
"""

import csv
import io
from collections import defaultdict

from eyebright.data.dataset import Split
from eyebright.data.found import Found, Row
from eyebright.data.source import Source, beside, stem
from eyebright.data.split import named_split
from eyebright.errors import BadRequest
from eyebright.modelfile import Label

_COLUMNS = ("ImageID", "LabelName", "Confidence")
_NAMES = "class-descriptions"


def suits(source: Source) -> bool:
    """Whether there is a CSV with an image, a label and a confidence a row."""
    return bool(_files(source))


def read(source: Source) -> Found:
    """All files of image labels, their split from their name; label names from *class-descriptions*.csv beside them."""
    files = _files(source)
    if not files:
        raise BadRequest(f"{source.where}: there is no CSV with the columns {', '.join(_COLUMNS)} in it.")
    by_stem: dict[str, str] = {stem(name): name for name in source.tree.names if source.is_picture(name)}
    told: dict[str, dict[str, bool]] = defaultdict(dict)
    splits: dict[str, Split | None] = {}
    for file in files:
        split = named_split(file)
        for line, record in _records(source, file):
            image, label, confidence = (str(record[column] or "") for column in _COLUMNS)
            sure = _number(confidence)
            if not image or not label or sure is None:
                raise BadRequest(f"{source.place(file)}, line {line:,}: an image, a label and a number were expected.")
            splits[image] = split
            if sure in (0, 1):  # between them is what a machine said
                told[image][label] = told[image].get(label, False) or sure == 1
    asked = {label for labels in told.values() for label in labels}
    rows = [
        Row(
            by_stem[image],
            tuple(label for label, holds in labels.items() if holds),
            splits[image],
            tuple(sorted(asked - labels.keys())),
        )
        for image, labels in told.items()
        if image in by_stem
    ]
    if told and not rows:
        source.missing(sorted(told), files[0], len(told))
    absent = len(told) - len(rows)
    remarks = [f"Images in the table whose picture is not here, left out: {absent:,}."] if absent else []
    names = _names(source, files[0])
    labels = [Label(id, names.get(id, id)) for id in sorted(asked)]
    return Found(rows, source.tree, labels, True, remarks + source.unnamed({row.name for row in rows}))


def _files(source: Source) -> list[str]:
    return [name for name in source.files(".csv") if set(_COLUMNS) <= _header(source, name)]


def _header(source: Source, name: str) -> set[str]:
    return set(source.tree.head(name).partition(b"\n")[0].decode("utf-8-sig", "replace").strip().split(","))


def _records(source: Source, file: str) -> list[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(source.text(file), newline=""))
    try:
        return [(reader.line_num, record) for record in reader]
    except csv.Error as error:
        raise BadRequest(f"{source.place(file)}, line {reader.line_num:,}: not CSV ({error}).") from None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _names(source: Source, file: str) -> dict[str, str]:
    """Machine id -> name, from rows `/m/01g317,Person`; a header row is one more that nobody asks for."""
    folder = beside(file)
    tables = [name for name in source.tree.names if _NAMES in name and beside(name) == folder]
    if not tables:
        return {}
    try:
        rows = csv.reader(io.StringIO(source.text(tables[0]), newline=""))
        return {row[0]: row[1] for row in rows if len(row) > 1 and row[1]}
    except csv.Error as error:
        raise BadRequest(f"{source.place(tables[0])}: not CSV ({error}).") from None
