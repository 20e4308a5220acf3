"""Predictions to the screen or a file, as text, JSON lines or CSV.

A file is written beside its place (`NAME.partial`) and renamed when the run ends, on Ctrl-C too; after a crash
`--resume` goes on from either.
"""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import msgspec
from msgspec import UNSET

from eyebright.cli import options
from eyebright.cli.wording import colors_wanted, picture, sentence
from eyebright.errors import BadRequest, CannotWrite
from eyebright.recognize import Failure, Prediction

Form = Literal["text", "json", "csv"]
COLUMNS = (
    "source",
    "time_s",
    "start_s",
    "end_s",
    "summary",
    "summary_id",
    "summary_score",
    "reason",
    "labels",
    "error",
)
_FORMS: dict[str, Form] = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv"}


class Results:
    """`with Results(...) as results: results.write(prediction)`."""

    def __init__(
        self,
        form: Form | None = None,
        output: Path | None = None,
        *,
        plain: bool = False,
        parents: bool = True,
        force: bool = False,
        resume: bool = False,
    ) -> None:
        self.form: Form = form or (_FORMS.get(output.suffix.lower(), "text") if output else "text")
        self.output = output
        self.plain = plain
        self.parents = parents
        self.written = self.failed = 0
        self.done: frozenset[str] = frozenset()
        """Sources that the file has already, when it is gone on with."""
        self._file: IO[str] = sys.stdout
        self._colors = output is None and colors_wanted()
        if resume and (output is None or self.form == "text"):
            raise BadRequest("--resume goes on with a file of results: give --output FILE and --format json or csv.")
        if output is not None:
            self._target, self._partial = options.places(output)
            self._open(output, force, resume)
        if self.form == "csv" and not self.done:
            self._put(_csv_line(COLUMNS))

    def __enter__(self) -> "Results":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.output is None:
            return
        try:
            self._file.close()
            if kind is None or issubclass(kind, KeyboardInterrupt):
                os.replace(self._partial, self._target)
        except OSError as problem:
            raise self._cannot_write(problem) from None
        finally:
            if self.written == 0 and not self.done and self._partial != self._target:
                self._partial.unlink(missing_ok=True)

    def write(self, result: Prediction | Failure) -> None:
        """One result, at once on its way."""
        self.written += 1
        self.failed += isinstance(result, Failure)
        if isinstance(result, Prediction) and not self.parents:
            result = msgspec.structs.replace(result, parents=())
        if self.form == "json":
            self._put(result.to_json() + "\n")
        elif self.form == "csv":
            self._put(_csv_line(_cells(result)))
        else:
            self._put(sentence(result) if self.plain else picture(result, self._colors))

    @property
    def on_terminal(self) -> bool:
        """Whether results scroll over a screen, where a progress bar would be in their way."""
        return self.output is None and sys.stdout.isatty()

    def _open(self, output: Path, force: bool, resume: bool) -> None:
        if not resume:
            options.must_be_free(output, force, "--force overwrites it, --resume goes on with it")
            if self._partial != self._target and not force and _has_text(self._partial):
                raise CannotWrite(
                    f"{self._partial} is there from a run that was cut off; "
                    "--resume goes on with it (json and csv), --force starts again."
                )
        try:
            if resume:
                self.done = _take_up(self._partial, self._target, self.form)
            self._file = self._partial.open("a" if resume else "w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._cannot_write(error) from None

    def _put(self, text: str) -> None:
        try:
            self._file.write(text)
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._cannot_write(error) from None

    def _cannot_write(self, error: OSError) -> CannotWrite:
        if self.output is None:
            return CannotWrite(f"the results cannot be written: {(error.strerror or str(error)).lower()}.")
        kept = self._partial != self._target and self.form != "text" and self.written > 1
        hint = f"what is done is in {self._partial}: make room, then go on with --resume" if kept else ""
        return options.cannot_write(self.output, error, hint)


def _cells(result: Prediction | Failure) -> tuple[str, ...]:
    if isinstance(result, Failure):
        return (result.source, *[""] * 8, result.error.message)
    times = ["" if time is UNSET else f"{time:g}" for time in (result.time_s, result.start_s, result.end_s)]
    said = [result.summary.label, result.summary.id, f"{result.summary.score:.6g}"] if result.summary else [""] * 3
    labels = ";".join(f"{row.label}={row.score:.4f}" for row in result.labels)
    return (result.source, *times, *said, "" if result.reason is UNSET else result.reason, labels, "")


def _csv_line(cells: tuple[str, ...]) -> str:
    import csv

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _has_text(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _take_up(partial: Path, target: Path, form: Form) -> frozenset[str]:
    """Make `partial` hold the whole rows of an earlier run; the sources that are done with.

    A row that was cut short is left out, and so are the last rows if they are of a video, which may be half done.
    """
    before = partial if partial.exists() else target
    if not before.exists():
        return frozenset()
    done: set[str] = set()
    held: list[str] = []  # rows of the source that is being read
    last, moving = None, False
    new = target.with_name(target.name + ".resumed.partial")
    with before.open(encoding="utf-8", newline="") as old, new.open("w", encoding="utf-8", newline="") as file:
        try:
            for number, record in enumerate(_records(old, form)):
                if form == "csv" and number == 0:
                    if record != _csv_line(COLUMNS):
                        raise ValueError
                    file.write(record)
                    continue
                source, timed = _source(record, form)
                if source != last:
                    file.writelines(held)
                    held.clear()
                held.append(record)
                last, moving = source, timed
                done.add(source)
            if moving and last is not None:
                done.discard(last)
            else:
                file.writelines(held)
        except (ValueError, KeyError, IndexError, TypeError):
            new.unlink()
            raise BadRequest(f"{before} is not a file of results in {form}; choose another --output.") from None
    if not done:
        new.unlink()
        partial.unlink(missing_ok=True)
        return frozenset()
    os.replace(new, partial)
    return frozenset(done)


def _records(file: IO[str], form: Form) -> Iterator[str]:
    """Whole rows; in CSV one may run over several lines, since a file name may."""
    record = ""
    for line in file:
        record += line
        if record.endswith("\n") and (form == "json" or record.count('"') % 2 == 0):
            yield record
            record = ""


def _source(record: str, form: Form) -> tuple[str, bool]:
    """The source of a row, and whether it is one of several of a video."""
    if form == "json":
        import json

        row: dict[str, Any] = json.loads(record)
        return str(row["source"]), "time_s" in row or "start_s" in row
    import csv

    cells = next(csv.reader(io.StringIO(record, newline="")))
    return cells[0], bool(cells[1] or cells[2])
