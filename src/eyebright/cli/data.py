"""`eyebright data`: what is in a set of labeled pictures, before anything is learned from it."""

from importlib import import_module

import click

PARTS = {
    "show": "Show what was understood of a data set: labels, counts, splits, sizes.",
    "check": "Find what would spoil learning: broken pictures, duplicates, leaks between splits.",
    "doubt": "Find labels that are probably wrong, and write a corrected list.",
}
"""Each is a file beside this one, `data_show.py` and so on, imported when it is called."""


class Parts(click.Group):
    """Knows every part's line without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PARTS:
            return None
        command: click.Command = import_module(f"eyebright.cli.data_{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(PARTS.items()))


@click.group(cls=Parts, name="data")
def command() -> None:
    """Show or check a set of labeled pictures.

    \b
      eyebright data show photos/
      eyebright data check photos.zip
    """
