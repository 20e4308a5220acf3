"""`eyebright encoders`: the networks that can be trained, and what is inside one."""

import json
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

import click

from eyebright.cli import options
from eyebright.errors import extra

if TYPE_CHECKING:
    from eyebright.classifier import Classifier

LABELS = 1000  # ImageNet's, as papers count


@click.group(invoke_without_command=True)
@options.text_or_json
@click.pass_context
def command(context: click.Context, form: str) -> None:
    """List the networks that can be trained, or look inside one.

    Parameters and multiply-adds are those of one picture of the size that the network was drawn for, with the head of
    its paper for 1000 labels.

    \b
      eyebright encoders
      eyebright encoders --format json
      eyebright encoders show vgg-16
    """
    if context.invoked_subcommand is None:
        list_encoders(form)


def list_encoders(form: str) -> None:
    with extra("train", "listing encoders"):
        from eyebright.encoders import ENCODERS, catalog
        from eyebright.encoders.count import count
    rows = []
    for name in ENCODERS:
        size = catalog.input_size(name)
        counts = count(network(name, size=size), (size, size, 3))
        rows.append({"name": name, "paper": catalog.paper(name), **counts._asdict(), "input_size": size})
    if form == "json":
        for row in rows:
            click.echo(json.dumps(row))
        return
    header = ("name", "parameters", "multiply-adds", "MB", "px", "paper")
    lines = [
        (
            row["name"],
            f"{row['num_parameters']:,}",
            f"{row['num_macs']:,}",
            f"{row['size_bytes'] / 1e6:.2f}",
            str(row["input_size"]),
            row["paper"],
        )
        for row in rows
    ]
    print_table(header, lines, left={0, 5})


@command.command()
@click.argument("name")
@click.option("--width", type=float, default=1.0, show_default=True, help="Multiplies every number of channels.")
@click.option("--depth", type=float, default=1.0, show_default=True, help="Multiplies the blocks of every stage.")
@click.option("--size", type=int, help="Pixels a side of an image; by default what the network was drawn for.")
@click.option("--colors", type=int, default=3, show_default=True, help="Channels of an image; 1 is gray.")
@options.text_or_json
def show(name: str, width: float, depth: float, size: int | None, colors: int, form: str) -> None:
    """Print a network layer by layer, with the shape (channels, rows, columns) that leaves each.

    \b
      eyebright encoders show vgg-16
      eyebright encoders show mobilenet-v2 --width 0.5 --size 96 --format json
    """
    with extra("train", "showing an encoder"):
        from eyebright.encoders import catalog
        from eyebright.encoders.count import layers
    whole = network(name, width, depth, colors, size)
    size = size or catalog.input_size(name)
    rows = layers(whole, (size, size, 3))
    if form == "json":
        for row in rows:
            click.echo(json.dumps(row._asdict()))
        return
    lines = [
        (row.name, row.what, " x ".join(map(str, row.shape)), f"{row.num_parameters:,}", f"{row.num_macs:,}")
        for row in rows
    ]
    parameters, macs = sum(row.num_parameters for row in rows), sum(row.num_macs for row in rows)
    lines.append(("all", "", "", f"{parameters:,}", f"{macs:,}"))
    print_table(("layer", "what it is", "leaves it", "parameters", "multiply-adds"), lines, left={0, 1})


def network(
    name: str, width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int | None = None
) -> "Classifier":
    """An encoder with the head of its paper, only to be counted."""
    from eyebright.classifier import Classifier
    from eyebright.classifier.heads import paper_head
    from eyebright.encoders import catalog
    from eyebright.encoders.count import weightless

    def make() -> Classifier:
        encoder = catalog.build(name, width, depth, colors, size)
        return Classifier(encoder, paper_head(name, encoder, LABELS, width), "single", [0.0], [1.0])

    return weightless(make)


def print_table(header: Sequence[str], lines: Sequence[Sequence[str]], left: Container[int] = ()) -> None:
    """Columns two blanks apart: those in `left` to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    for line in (header, *lines):
        cells = [
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())
