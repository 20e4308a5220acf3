"""`eyebright leaderboard`: runs and model files by how good they are."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options

if TYPE_CHECKING:
    from eyebright.errors import EyebrightError
    from eyebright.evaluation.compare.leaderboard import Entry, Group

COLUMNS = (
    "group",
    "run",
    "name",
    "task",
    "figure",
    "value",
    "low",
    "high",
    "n",
    "part",
    "data",
    "size_bytes",
    "parameters",
    "precision",
    "input_size",
    "latency_ms_p50",
    "lineage",
)
_FORMS = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv"}


@click.command(name="leaderboard")
@click.argument("runs", nargs=-1, required=True, type=click.Path(readable=False))
@options.output_format
@options.output()
@options.force
def command(runs: tuple[str, ...], form: str | None, output: Path | None, force: bool) -> int:
    """List runs and model files, the best first, by the figures that their cards carry.

    RUN is a folder that `eyebright train` filled, or a model file. Only figures of the same pictures stand together.

    \b
      eyebright leaderboard runs/*
      eyebright leaderboard runs/* lite0 --format csv -o runs.csv
    """
    from eyebright.evaluation.compare.leaderboard import entries, groups, warning

    if output:
        options.must_be_free(output, force)
        form = form or _FORMS.get(output.suffix.lower())
    found, failed = entries(runs)
    ranked = groups(found)
    text = {"json": as_json, "csv": as_csv}.get(form or "", as_text)(ranked)
    if form == "json":
        text += "".join(f"{json.dumps(_problem(error), ensure_ascii=False)}\n" for error in failed)
    if output:
        options.write_bytes(output, text.encode("utf-8", "replace"))
    else:
        click.echo(text, nl=False)
    if said := warning(ranked):
        click.echo(said, err=True)
    for error in failed:
        click.echo(options.one_line(str(error)), err=True)
    return 1 if failed else 0


def as_text(ranked: "list[Group]") -> str:
    """A table for each group of what may be compared."""
    from eyebright.evaluation.compare.leaderboard import title

    parts = []
    for group in ranked:
        others = dict.fromkeys(
            name for one in group.entries for name in one.metadata.card.metrics if name != group.main
        )
        timed = any(one.metadata.card.latencies for one in group.entries)
        header = ["run", *([group.main] if group.main else []), *others, "MB", "parameters", "pixels", "kind"]
        lines = [_cells(one, group.main, list(others)) + ([_latency(one)] if timed else []) for one in group.entries]
        named = click.wrap_text(f"{options.one_line(title(group))}:", 118)
        parts.append(f"{named}\n{_table([*header, *(['ms'] if timed else [])], lines)}")
    return "\n".join(parts)


def as_json(ranked: "list[Group]") -> str:
    """An object a line; `group` is the same for those that may be compared."""
    import msgspec

    lines = []
    for number, group in enumerate(ranked, 1):
        for one in group.entries:
            card = one.metadata.card
            row: dict[str, Any] = {
                "group": number,
                "run": one.name,
                "model": one.file,
                "name": one.metadata.name,
                "task": one.metadata.task,
                "figure": group.main or None,
                "part": group.part or None,
                "data": card.data,
                "size_bytes": {"value": one.size_bytes},
                "parameters": card.parameters,
                "precision": card.precision,
                "input_size": one.metadata.input.size,
                "lineage": list(card.lineage),
                "latencies": msgspec.to_builtins(card.latencies),
                **msgspec.to_builtins(card.metrics),
            }
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)


def as_csv(ranked: "list[Group]") -> str:
    """A row an entry, with the figure that it is ranked by."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, group in enumerate(ranked, 1):
        for one in group.entries:
            card = one.metadata.card
            figure = card.metrics.get(one.main)
            numbers = (figure.value, figure.low, figure.high, figure.n) if figure else ("",) * 4
            known = one.metadata.name, one.metadata.task, group.main, *numbers, group.part, card.data
            costs = one.size_bytes, card.parameters, card.precision, one.metadata.input.size, _latency(one)
            writer.writerow((number, one.name, *known, *costs, "; ".join(card.lineage)))
    return text.getvalue()


def _cells(one: "Entry", main: str, others: list[str]) -> list[str]:
    from eyebright.evaluation.report.verdict import shown

    card = one.metadata.card
    figures = [shown(card.metrics[main])] if main else []
    figures += [f"{card.metrics[name].value:.3f}" if name in card.metrics else "" for name in others]
    size = f"{one.size_bytes / 1e6:.2f}"
    parameters = f"{card.parameters:,}" if card.parameters else ""
    return [options.one_line(one.name), *figures, size, parameters, str(one.metadata.input.size), card.precision]


def _latency(one: "Entry") -> str:
    latencies = one.metadata.card.latencies
    return f"{latencies[0].ms_p50:g}" if latencies else ""


def _table(header: list[str], lines: list[list[str]]) -> str:
    """Columns two blanks apart, the first to the left."""
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    rows = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in (header, *lines)
    ]
    return "".join("  ".join(row).rstrip() + "\n" for row in rows)


def _problem(error: "EyebrightError") -> dict[str, Any]:
    return {"error": {"kind": error.kind, "message": str(error)}}
