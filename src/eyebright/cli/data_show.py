"""`eyebright data show`: what was understood of a data set, before anything is learned from it."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from eyebright.cli import options
from eyebright.errors import BadPicture, BadRequest

if TYPE_CHECKING:
    from eyebright.data import Dataset
    from eyebright.data.summary import Sizes

T = TypeVar("T")
ROWS = 50
"""Labels that are listed in text; --format json has all."""


@click.command(name="show")
@click.argument("data", type=click.Path(readable=False))
@click.option("--reader", metavar="NAME", help="The format, where it is detected wrongly: folders, csv, coco ...")
@click.option("--crops", is_flag=True, help="Of COCO and VOC: each box is a picture of its own.")
@options.text_or_json
@click.option(
    "--sheet", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="A contact sheet, .html or .png."
)
@options.force
def command(data: str, reader: str | None, crops: bool, form: str, sheet: Path | None, force: bool) -> int:
    """Show what was understood of a data set: labels, counts, splits, sizes.

    DATA is a folder, a zip or tar archive, a table (CSV, JSONL) or a file of annotations.

    \b
      eyebright data show photos/
      eyebright data show photos.zip --sheet photos.html
      eyebright data show street/labels.csv --format json
    """
    from eyebright.data import Dataset, summary

    if sheet is not None:
        if sheet.suffix.lower() not in (".html", ".htm", ".png"):
            raise BadRequest(f"--sheet {sheet}: a sheet is .html or .png.")
        options.must_be_free(sheet, force, over="picture" if sheet.suffix.lower() == ".png" else "")
    dataset = Dataset.read(data, reader, crops=crops)
    items = summary.sample(dataset)
    measured = list(_watched(summary.measured(dataset, items), len(items), "sizes"))
    failed = [str(found) for found in measured if isinstance(found, BadPicture)]
    seen = summary.sizes([found for found in measured if not isinstance(found, BadPicture)])
    remarks = list(dataset.remarks)
    if failed:
        remarks.append(f"Of {len(items):,} pictures that were tried, not read: {len(failed):,} ({failed[0]})")
    if form == "json":
        click.echo(json.dumps(summary.as_json(dataset, seen, remarks), ensure_ascii=False))
    else:
        _print(data, dataset, seen, remarks)
    if sheet is not None:
        _write(dataset, sheet)
    return 0


def _print(data: str, dataset: "Dataset", seen: "Sizes | None", remarks: list[str]) -> None:
    from eyebright.cli.encoders import print_table

    click.echo(f"{options.one_line(data)}: read as {dataset.reader}, task {dataset.task}")
    counts = dataset.counts()
    splits = list(counts)
    lines = [
        (
            options.one_line(label.label),
            *(f"{counts[split][label.id]:,}" for split in splits),
            f"{sum(counts[split][label.id] for split in splits):,}",
        )
        for label in dataset.labels[:ROWS]
    ]
    total = [sum(item.split == split for item in dataset.items) for split in splits]
    lines.append(("pictures", *(f"{count:,}" for count in total), f"{len(dataset.items):,}"))
    click.echo()
    print_table((f"{len(dataset.labels):,} labels", *splits, "all"), lines, left={0})
    if len(dataset.labels) > ROWS:
        click.echo(f"... and {len(dataset.labels) - ROWS:,} more labels: --format json has them all.")
    click.echo()
    if seen:
        shorter, longer = (" / ".join(f"{side:,}" for side in sides) for sides in (seen.shorter, seen.longer))
        click.echo(
            f"Pixels, smallest / median / largest: shorter side {shorter}, longer side {longer} "
            f"({seen.sampled:,} pictures looked at)."
        )
    for remark in remarks:
        click.echo(options.one_line(remark))


def _write(dataset: "Dataset", path: Path) -> None:
    from eyebright.data import sheet

    strips = list(_watched(sheet.strips(dataset), len(dataset.labels), "contact sheet"))
    if path.suffix.lower() == ".png":
        options.write_bytes(path, sheet.to_png(strips))
    else:
        options.write_bytes(path, sheet.to_html(dataset, strips).encode("utf-8", "replace"))
    click.echo(f"{path}: {sum(len(strip.small) for strip in strips):,} pictures of {len(strips):,} labels.", err=True)


def _watched(found: Iterable[T], total: int, what: str) -> Iterator[T]:
    """What is found, with a bar on stderr for whoever waits at a terminal."""
    if not sys.stderr.isatty():
        yield from found
        return
    with click.progressbar(found, length=total, label=what, file=sys.stderr) as bar:
        yield from bar
