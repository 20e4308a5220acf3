"""`eyebright index`: folders of photos into the library."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest, CannotWrite

if TYPE_CHECKING:
    from eyebright.library.indexer import Indexed

SETTLED_S = 2.0
"""While a folder is watched: how long ago a file was written last, so that no half of one is read."""
SHOWN = 10
"""Files that could not be read, of which each gets a line."""


@click.command(no_args_is_help=True)
@click.argument("folders", nargs=-1, type=click.Path(readable=False))
@click.option("--catalog", metavar="CSV", help="A shop's items: id, title, image and any attributes, a row each.")
@options.library
@options.model
@options.threads
@options.provider
@options.trust
@click.option("--emptied", is_flag=True, help="An empty folder is no missing disk: its photos are gone.")
@click.option("--watch", is_flag=True, help="Go on for ever, with what comes and goes; Ctrl-C ends it.")
@options.text_or_json
@options.plain
def command(
    folders: tuple[str, ...],
    catalog: str | None,
    folder: str,
    emptied: bool,
    watch: bool,
    form: str,
    plain: bool,
    **how: Any,
) -> int:
    """Bring the library up to date with folders: what is new, what changed, what moved, what is gone.

    Photos are only read. A photo is known by its content: rename, move or tag it, and what was said of it stays.

    \b
      eyebright index ~/Pictures
      eyebright index ~/Pictures /media/usb/old --library family/
      eyebright index ~/Pictures --watch
      eyebright index --catalog products.csv --library shop/
    """
    import time

    from eyebright.cli import progress
    from eyebright.library import Library
    from eyebright.library import catalog as catalogs
    from eyebright.library.indexer import index
    from eyebright.library.walk import whole

    if bool(catalog) == bool(folders):
        raise BadRequest("Name folders of photos, or one --catalog CSV.")
    if catalog and watch:
        raise BadRequest("--watch is for folders; index a catalog again when its file has changed.")
    for one in folders:
        whole(one)  # before a library is begun
    if catalog:
        catalogs.read(catalog)
    with Library(folder, make=True) as library:
        recognizer = options.recognizer(100, **how)

        def look(settled_s: float = 0.0) -> "Indexed":
            with progress.counted("Looking", progress.wanted(False, plain)) as tell:
                if catalog:
                    return catalogs.index(library, catalog, recognizer, emptied=emptied, tell=tell)
                return index(library, folders, recognizer, emptied=emptied, settled_s=settled_s, tell=tell)

        def show(done: "Indexed") -> None:
            total = library.value("SELECT count(DISTINCT photo) FROM file WHERE NOT gone AND photo IS NOT NULL")
            if form == "json":
                click.echo(json.dumps(as_json(done, total)))
            else:
                say(done, int(str(total)), click.echo)

        done = look(SETTLED_S if watch else 0.0)
        show(done)
        last = ""
        while watch:
            time.sleep(SETTLED_S)
            try:
                done = look(SETTLED_S)
            except (BadRequest, CannotWrite) as error:  # a disk that may come back, another run at work
                if str(error) != last:
                    click.echo(error, err=True)
                last = str(error)
                continue
            last = ""
            if done.looked or done.gone:
                show(done)
    return 1 if done.unreadable else 0


def say(done: "Indexed", total: int, echo: Callable[[str], None]) -> None:
    parts = {
        "new": done.new,
        "changed": done.changed,
        "moved or copied": done.moved,
        "seen by this model": done.seen,
        "carried": done.carried,
        "gone": done.gone,
        "as they were": done.same,
    }
    told = ", ".join(f"{count:,} {word}" for word, count in parts.items() if count) or "nothing new"
    echo(f"{told}. The library knows {options.counted(total, 'photo')} that {'is' if total == 1 else 'are'} there.")
    if done.carried:
        echo(f"Edited where they lie: what you said of {options.counted(done.carried, 'photo')} is said of it still.")
    items = items_of(done)
    if items:
        told = ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in items.items() if count)
        echo(f"Items: {told or 'as they were'}.")
    if done.others:
        echo(f"{options.left_out(done.others)}.")
    for path, why in done.unreadable[:SHOWN]:
        echo(f"not read: {options.one_line(path)}: {options.one_line(why)}")
    if len(done.unreadable) > SHOWN:
        lists = "`--format json`" if items else "`eyebright library status --unreadable`"  # which knows of files alone
        echo(f"... and {len(done.unreadable) - SHOWN:,} more; {lists} lists all.")


def items_of(done: "Indexed") -> dict[str, int]:
    """What became of the items of a catalog; nothing of folders."""
    from eyebright.library.catalog import CatalogIndexed

    if not isinstance(done, CatalogIndexed):
        return {}
    return {"added": done.added, "changed": done.altered, "taken_out": done.taken_out}


def as_json(done: "Indexed", total: object) -> dict[str, Any]:
    items = items_of(done)
    return {
        "new": done.new,
        "changed": done.changed,
        "moved": done.moved,
        "seen": done.seen,
        "gone": done.gone,
        "same": done.same,
        "others": done.others,
        "photos": total,
        "unreadable": [{"source": options.one_line(path), "message": why} for path, why in done.unreadable],
        **({"items": items} if items else {}),
    }
