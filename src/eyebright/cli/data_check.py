"""`eyebright data check`: the audit of a data set before anything is learned from it."""

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.data.audit import Audit, Progress
    from eyebright.data.dataset import Dataset, Item
    from eyebright.data.finding import Finding

EXAMPLES = 3
"""Groups that the text names of each finding."""
_TOLD = ("unreadable", "shortcut", "difference")
"""Kinds whose sentence says all that text can."""
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="check", no_args_is_help=True)
@click.argument("data", type=click.Path(readable=False))
@click.option("--reader", metavar="NAME", help="The format, where it is detected wrongly: folders, csv, coco ...")
@click.option("--against", type=click.Path(path_type=Path), help="Compare with a folder of pictures it will meet.")
@options.text_or_json
@click.option("--html", type=_FILE, help="Write a page with the pictures side by side.")
@click.option("--write-clean", type=_FILE, help="Write a CSV list without the bad pictures.")
@options.force
def command(
    data: str,
    reader: str | None,
    against: Path | None,
    form: str,
    html: Path | None,
    write_clean: Path | None,
    force: bool,
) -> int:
    """Find what would spoil learning: broken pictures, copies, leaks between splits, shortcuts.

    \b
      eyebright data check photos/
      eyebright data check photos/ --against phone/ --html audit.html --write-clean photos/clean.csv

    Nothing is changed or deleted.
    """
    from eyebright.data import Dataset
    from eyebright.data.against import outside
    from eyebright.data.audit import audit

    for output in filter(None, (html, write_clean)):
        options.must_be_free(output, force)
    if html and html == write_clean:
        raise BadRequest("--html and --write-clean name the same file; give each its own.")
    dataset = Dataset.read(data, reader)
    met = outside(against) if against else None
    if write_clean:
        from eyebright.data import clean

        clean.above(dataset, write_clean)  # whether a list can be written is known before any work
    total = len(dataset.items) + (len(met.items) if met else 0)
    found = audit(dataset, met, _bar(total) if sys.stderr.isatty() else None)
    if html:
        from eyebright.data.audit_page import page

        options.write_bytes(html, page(found).encode("utf-8", "replace"))
    if write_clean:
        options.write_bytes(write_clean, clean.listing(found, write_clean).encode())
    click.echo(json.dumps(_as_json(data, found), ensure_ascii=False) if form == "json" else _as_text(data, found))
    if write_clean:
        _tell_clean(write_clean, found)
    options.tell_rest(0, found.unreadable, total)
    return 1 if found.unreadable else 0


def _bar(total: int) -> "Progress":
    bar = click.progressbar(length=total, file=sys.stderr, show_pos=True, width=30)

    def progress(done: int) -> None:
        bar.update(done - bar.pos)
        if done == total:
            bar.render_finish()

    return progress


def _as_text(data: str, found: "Audit") -> str:
    from eyebright.data.finding import SEVERITIES, pictures

    dataset = found.dataset
    counts = f"{pictures(len(dataset.items))}, {len(dataset.labels):,} labels, {dataset.task}"
    lines = [options.one_line(f"{data}: {counts}")]
    for severity, findings in groupby(found.findings, lambda finding: finding.severity):
        lines += ["", SEVERITIES[severity]]
        for finding in findings:
            lines.append(click.wrap_text(options.one_line(finding.sentence), 98, f"  {finding.kind}: ", "    "))
            if finding.kind in _TOLD:
                continue
            mark = "~" if finding.kind == "alike" else "="
            lines += [f"      {_said(dataset, group, mark)}" for group in finding.groups[:EXAMPLES]]
            if len(finding.groups) > EXAMPLES:
                lines.append(f"      and {len(finding.groups) - EXAMPLES:,} more")
    if not found.findings:
        lines.append("Nothing was found that would spoil learning.")
    return "\n".join(lines)


def _said(dataset: "Dataset", group: tuple["Item", ...], mark: str) -> str:
    """Names side by side; with split and label where there are several."""
    shown = []
    for item in group[:4]:
        labels = ";".join(dataset.labels[at].label for at in item.labels)
        shown.append(f"{item.name} ({item.split}, {labels})" if len(group) > 1 else item.name)
    return options.one_line(f"  {mark}  ".join(shown) + ("  ..." if len(group) > 4 else ""))


def _as_json(data: str, found: "Audit") -> dict[str, Any]:
    return {
        "data": data,
        "task": found.dataset.task,
        "pictures": len(found.dataset.items),
        "unreadable": found.unreadable,
        "counts": {split: dict(counts) for split, counts in found.dataset.counts().items()},
        "findings": [_finding(found.dataset, finding) for finding in found.findings],
    }


def _finding(dataset: "Dataset", finding: "Finding") -> dict[str, Any]:
    def entry(item: "Item") -> dict[str, Any]:
        return {"file": item.name, "split": item.split, "labels": [dataset.labels[at].id for at in item.labels]}

    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "sentence": finding.sentence,
        "groups": [[entry(item) for item in group] for group in finding.groups],
        "outside": [item.name for item in finding.outside],
    }


def _tell_clean(output: Path, found: "Audit") -> None:
    left_out = len(found.dataset.items) - len(found.clean)
    where = getattr(found.dataset.store, "path", output)
    hint = "" if where.is_dir() else f" Unpack {where.name} beside it to use it."
    click.echo(f"{output}: {len(found.clean):,} pictures, {left_out:,} left out.{hint}", err=True)
