"""Predictions to a screen or a file, as text for eyes, sentences, JSON lines or CSV.

A file is written beside its place (`NAME.partial`) and renamed when it ends, on Ctrl-C too; after a crash `--resume`
goes on from either.
"""

import csv
import io
import json
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import click
from msgspec import UNSET

from eyebright.errors import BadRequest, CannotWrite
from eyebright.recognize import Failure, Prediction

Form = Literal["text", "json", "csv"]
BAR = 24
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
        self.form = form or _form_of(output)
        self.output = output
        self.plain = plain
        self.parents = parents
        self.written = self.failed = 0
        self.done: frozenset[str] = frozenset()
        self._last_source = ""
        self._file: IO[str] = sys.stdout
        if resume and (output is None or self.form == "text"):
            raise BadRequest(
                "--resume goes on with a file of results: it needs --output FILE and --format json or csv."
            )
        if output is not None:
            self._partial = output.with_name(output.name + ".partial")
            self._file = self._open(output, force, resume)
        elif self.form == "csv":
            self._line(COLUMNS)

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
                os.replace(self._partial, self.output)
        except OSError as problem:
            raise self._cannot_write(problem) from None
        finally:
            if self.written == 0 and not self.done:
                self._partial.unlink(missing_ok=True)

    def write(self, result: Prediction | Failure) -> None:
        """One result, at once on its way."""
        self.written += 1
        self.failed += isinstance(result, Failure)
        if self.form == "json":
            self._put(self._json(result) + "\n")
        elif self.form == "csv":
            self._line(_cells(result))
        elif self.plain:
            self._put(sentence(result) + "\n")
        else:
            self._put(self._picture(result))

    @property
    def on_terminal(self) -> bool:
        return self.output is None and sys.stdout.isatty()

    def _open(self, output: Path, force: bool, resume: bool) -> IO[str]:
        if output.exists() and not (force or resume):
            raise CannotWrite(f"{output} exists; --force overwrites it, --resume goes on with it.")
        try:
            if not resume:
                file = self._partial.open("w", encoding="utf-8", newline="")
                self._file = file
                if self.form == "csv":
                    self._line(COLUMNS)
                return file
            before = self._partial if self._partial.exists() else output
            kept = _finished_lines(before, self.form) if before.exists() else ([], frozenset())
            self.done = kept[1]
            new = output.with_name(output.name + ".resumed")
            with new.open("w", encoding="utf-8", newline="") as file:
                file.writelines(kept[0] or ([_csv_line(COLUMNS)] if self.form == "csv" else []))
            os.replace(new, self._partial)
            return self._partial.open("a", encoding="utf-8", newline="")
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

    def _line(self, cells: tuple[str, ...]) -> None:
        self._put(_csv_line(cells))

    def _cannot_write(self, error: OSError) -> CannotWrite:
        why = (error.strerror or str(error)).lower()
        if self.output is None:
            return CannotWrite(f"the results cannot be written: {why}.")
        kept = f"; what is done is in {self._partial}: make room and go on with --resume" if self.written else ""
        return CannotWrite(f"{self.output} cannot be written: {why}{kept}.")

    def _json(self, result: Prediction | Failure) -> str:
        if isinstance(result, Prediction) and not self.parents:
            entry = json.loads(result.to_json())
            entry["parents"] = []
            return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        return result.to_json()

    def _picture(self, result: Prediction | Failure) -> str:
        """A picture's name, what is in it, and bars; long lists of unsure labels are left to --format json."""
        if isinstance(result, Failure):
            return f"{_paint(result.source or 'input', 'bold')}  {_paint('not read: ' + result.error.message, 'red')}\n"
        head = (
            f"{_paint(_title(result), 'bold')}  {_paint(headline(result), 'green' if result.summary else 'yellow')}\n"
        )
        if result.start_s is not UNSET:
            return head
        said = result.summary.id if result.summary else None
        rows = [*result.labels]
        if self.parents:
            rows += [parent for parent in result.parents if parent.id == said]
        rows.sort(key=lambda row: -row.score)
        width = max(len(row.label) for row in rows)
        lines = [f"  {row.label:<{width}}  {bar(row.score)}  {row.score:.2f}\n" for row in rows if row.score >= 0.005]
        return head + "".join(lines)


def sentence(result: Prediction | Failure) -> str:
    """One line that can be read aloud."""
    if isinstance(result, Failure):
        return f"{result.source or 'input'}: not read. {result.error.message}"
    others = [f"{row.label} {row.score:.0%}" for row in result.labels[:3]]
    return f"{_title(result)}: {headline(result, words=True)}. Scores: {', '.join(others)}."


def headline(result: Prediction, words: bool = False) -> str:
    """What is said of a picture, with how sure that is."""
    if result.summary:
        score = f", {result.summary.score:.0%} sure" if words else f" {result.summary.score:.2f}"
        on = [row.label for row in result.labels if row.on is True]
        return (", ".join(on) if on else result.summary.label) + score
    return "none of the labels that this model knows" if result.reason == "none_of_these" else "not sure"


def bar(score: float) -> str:
    """A score, 0..1, as a bar in eighths of a character.

    >>> bar(0.5).rstrip() == "█" * 12
    True
    """
    eighths = round(score * BAR * 8)
    text = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = "#" * round(score * BAR)
    return text.ljust(BAR)


def _title(result: Prediction) -> str:
    name = result.source or "picture"
    if result.start_s is not UNSET and result.end_s is not UNSET:
        return f"{name} {clock(result.start_s)}-{clock(result.end_s)}"
    return name if result.time_s is UNSET else f"{name} {clock(result.time_s)}"


def clock(time_s: float) -> str:
    """A time in a video.

    >>> clock(75.25), clock(3600)
    ('1:15.2', '1:00:00.0')
    """
    minutes, seconds = divmod(int(time_s * 10) / 10, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"


def _paint(text: str, style: str) -> str:
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)


def _cells(result: Prediction | Failure) -> tuple[str, ...]:
    if isinstance(result, Failure):
        return (result.source, *[""] * 8, result.error.message)
    times = ["" if time is UNSET else f"{time:g}" for time in (result.time_s, result.start_s, result.end_s)]
    said = [result.summary.label, result.summary.id, f"{result.summary.score:.6g}"] if result.summary else [""] * 3
    labels = ";".join(f"{row.label}={row.score:.4f}" for row in result.labels)
    return (result.source, *times, *said, "" if result.reason is UNSET else result.reason, labels, "")


def _csv_line(cells: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _form_of(output: Path | None) -> Form:
    if output is None:
        return "text"
    return {".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv"}.get(output.suffix.lower(), "text")  # type: ignore[return-value]


def _finished_lines(path: Path, form: Form) -> tuple[list[str], frozenset[str]]:
    """Whole lines of an earlier run and the sources in them, without the last source, which may be half done."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = [line for line in file if line.endswith("\n")]
    header = lines[:1] if form == "csv" else []
    rows = lines[len(header) :]
    try:
        names = [_source(line, form) for line in rows]
    except (ValueError, KeyError, IndexError, TypeError):
        raise BadRequest(f"{path} is not a file of results in {form}; choose another --output.") from None
    whole = [(row, name) for row, name in zip(rows, names, strict=True) if name != names[-1]]
    return [*header, *(row for row, _ in whole)], frozenset(name for _, name in whole)


def _source(line: str, form: Form) -> str:
    value: Any = json.loads(line)["source"] if form == "json" else next(csv.reader([line]))[0]
    return str(value)
