"""`eyebright library`: look after a library."""

import json
from pathlib import Path

import click

from eyebright.cli import options
from eyebright.cli.options import counted
from eyebright.cli.search_answers import name_of
from eyebright.errors import BadRequest, CannotWrite


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Look after the library: what is in it, whether it is sound, copies of it, and what you said, to take along.

    \b
      eyebright library status
      eyebright library backup -o family.db
      eyebright library export -o said.jsonl
      eyebright library merge said.jsonl --library other/
    """
    if context.invoked_subcommand is None:
        context.invoke(status)


@command.command()
@options.library
@click.option("--unreadable", is_flag=True, help="List all files that could not be read, with the reason.")
@options.text_or_json
def status(folder: str = "", unreadable: bool = False, form: str = "text") -> int:
    """Say what is in the library.

    \b
      eyebright library status
    """
    from eyebright.library import Library
    from eyebright.library.photos import status as known

    with Library(folder) as library:
        if unreadable:
            for path, why in library.rows("SELECT path, error FROM file WHERE error != '' AND NOT gone ORDER BY path"):
                row = {"source": name_of(path), "message": why}
                text = ": ".join(map(options.one_line, row.values()))
                click.echo(json.dumps(row, ensure_ascii=False) if form == "json" else text)
            return 0
        found = known(library)
    if form == "json":
        named = {"path": name_of(str(found["path"])), "folders": list(map(name_of, found["folders"]))}
        click.echo(json.dumps({**found, **named}, ensure_ascii=False))
        return 0
    click.echo(
        f"{options.one_line(str(found['path']))}: {counted(found['photos'], 'photo')} and "
        f"{counted(found['videos'], 'video')} in {counted(found['files'], 'file')}. Gone: {found['gone']:,}. "
        f"Not readable: {found['unreadable']:,}."
    )
    click.echo(f"You said {counted(found['decisions'], 'thing')}; taken back: {found['undone']:,}.")
    if found["stopped"]:
        click.echo("The last index run was stopped before its end, or is at work; the next one goes on.")
    for path in found["folders"]:
        click.echo(f"folder  {options.one_line(path)}")
    for name, photos in found["models"]:
        click.echo(f"model   {options.one_line(name)}: {counted(photos, 'photo')}")
    for name, photos in found["albums"]:
        click.echo(f"album   {options.one_line(name)}: {counted(photos, 'photo')}")
    for name in found["taught"]:
        click.echo(f"label   {options.one_line(name)}")
    if found["items"]:
        click.echo(f"items   {found['items']:,} of catalogs, {found['items_without_picture']:,} without a picture")
    return 0


@command.command(short_help="Check that the library is sound.")
@options.library
def check(folder: str) -> int:
    """Check that the library is sound: its pages, its references, and that what holds follows from the log.

    \b
      eyebright library check
    """
    from eyebright.library import Library
    from eyebright.library.photos import wrong_with

    with Library(folder) as library:
        wrong = wrong_with(library)
    for line in wrong:
        click.echo(options.one_line(line))
    if not wrong:
        click.echo("The library is sound.")
    return 1 if wrong else 0


@command.command()
@options.library
@options.output(required=True, help="The file to write: a whole library, usable as it is.")
@options.force
def backup(folder: str, output: Path, force: bool) -> int:
    """Write a copy of the library, also while it is in use.

    To go back to it, put the copy into a folder of its own, as library.db, and name that folder.

    \b
      eyebright library backup -o family.db
      mkdir again && cp family.db again/library.db && eyebright search dog --library again/
    """
    from eyebright.library import Library, migrations
    from eyebright.library.damage import told

    target, partial = options.places(output)
    if target == partial:
        raise CannotWrite(f"{output} is no plain file, and a library needs one.")
    options.must_be_free(output, force, over="database")
    with Library(folder) as library, told(output):
        if target.exists() and target.samefile(library.path):
            raise CannotWrite(f"{output} is the library itself; a copy needs another place.")
        migrations.backup(library.connection, target, sound=True)
    click.echo(f"{output}: {target.stat().st_size / 1e6:.1f} MB")
    return 0


@command.command(short_help="Write all that was said of photos, as JSON lines.")
@options.library
@options.output(help="Write to this file instead of the screen.")
@options.force
def export(folder: str, output: Path | None, force: bool) -> int:
    """Write all that was said of photos, one decision a line, as JSON; `merge` reads it elsewhere.

    \b
      eyebright library export -o said.jsonl
    """
    from eyebright.library import Library, decisions
    from eyebright.library.damage import told

    with Library(folder) as library, told(library.path):
        if output:
            options.must_be_free(output, force)
            text = "".join(f"{line}\n" for line in decisions.lines(library))
            options.write_bytes(output, text.encode())
        else:
            for line in decisions.lines(library):
                click.echo(line)
    return 0


@command.command(short_help="Add what was said elsewhere.")
@click.argument("log", type=click.Path(readable=False))
@options.library
def merge(log: str, folder: str) -> int:
    """Add what was said elsewhere; each decision once, by its time. Photos are known by content, wherever they lie.

    \b
      eyebright library merge said.jsonl
    """
    from eyebright.library import Library, decisions

    with Library(folder) as library:
        name = "standard input" if log == "-" else log
        try:
            with click.open_file(log, encoding="utf-8-sig") as text:
                lines = iter(lambda: text.readline(decisions.LONGEST_LINE + 2), "")  # what never ends is not read whole
                new = decisions.merge(library, lines, name)
        except OSError as error:
            raise BadRequest(f"{name} cannot be read: {(error.strerror or str(error)).lower()}.") from None
        except UnicodeDecodeError:
            raise BadRequest(f"{name} is not text; nothing was added.") from None
    click.echo(f"New: {counted(new, 'decision')}.")
    return 0
