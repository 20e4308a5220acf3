"""`eyebright data show`: what was understood of a data set."""

import click

from eyebright.cli import options


@click.command(name="show")
@click.argument("data", type=click.Path(readable=False))
@click.option("--reader", help="The format; detected by default.")
@click.option("--crops", is_flag=True, help="Each box is a picture of its own.")
@options.text_or_json
def command(data: str, reader: str | None, crops: bool, form: str) -> int:
    """Show what was understood of a data set: labels, counts, splits, sizes.

    \b
      eyebright data show photos/
    """
    from eyebright.data import Dataset

    found = Dataset.read(data, reader, crops=crops)
    click.echo(f"{data}: {len(found.items):,} pictures, {found.task}, {len(found.labels):,} labels ({found.reader})")
    return 0
