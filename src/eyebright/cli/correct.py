"""`eyebright correct`: what a person says of photos."""

import json
from typing import TYPE_CHECKING

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.library.decisions import Said


@click.command(no_args_is_help=True)
@click.argument("photos", nargs=-1, type=click.Path(readable=False))
@click.option("--is", "is_", metavar="LABEL", multiple=True, help="This is in all of these photos; may be repeated.")
@click.option("--not", "not_", metavar="LABEL", multiple=True, help="This is in none of them; may be repeated.")
@click.option("--in", "in_", metavar="ALBUM", multiple=True, help="Put them into an album; may be repeated.")
@click.option("--out", "out", metavar="ALBUM", multiple=True, help="Take them out of an album; may be repeated.")
@click.option("--same", nargs=2, metavar="A B", type=click.Path(readable=False), help="These two are one picture.")
@click.option("--not-same", nargs=2, metavar="A B", type=click.Path(readable=False), help="These two are not.")
@options.library
@options.text_or_json
def command(
    photos: tuple[str, ...],
    is_: tuple[str, ...],
    not_: tuple[str, ...],
    in_: tuple[str, ...],
    out: tuple[str, ...],
    same: tuple[str, str] | None,
    not_same: tuple[str, str] | None,
    folder: str,
    form: str,
) -> int:
    """Tell the library what is in photos. What you say always counts more than what a model says.

    It is on the disk before this command ends, and survives renaming, moving, tagging, other models and a new index.
    One command is one step for `eyebright undo`.

    \b
      eyebright correct rex1.jpg rex2.jpg --is Rex --not wolf
      eyebright correct beach/*.jpg --in "Brittany 2023"
      eyebright correct --not-same IMG_1.jpg IMG_2.jpg
    """
    from eyebright.library import Library, decisions
    from eyebright.library.photos import identity_of

    if bool(photos) != bool(is_ or not_ or in_ or out):
        raise BadRequest(
            "Name photos and what is in them: eyebright correct PHOTO... --is LABEL, --not LABEL, --in ALBUM."
        )
    if not (photos or same or not_same):
        raise BadRequest("Nothing was said: give --is, --not, --in, --out, --same or --not-same.")
    with Library(folder) as library:
        step: list[Said] = []
        for photo in photos:
            known = identity_of(library, photo)
            of: dict[decisions.What, tuple[str, ...]] = {"is": is_, "not": not_, "in": in_, "out": out}
            step += [decisions.Said(what, known, label=label) for what, labels in of.items() for label in labels]
        pairs: list[tuple[decisions.What, tuple[str, str] | None]] = [("same", same), ("not-same", not_same)]
        for what, pair in pairs:
            if pair:
                step.append(decisions.Said(what, identity_of(library, pair[0]), identity_of(library, pair[1])))
        made = decisions.record(library, step)
    if form == "json":
        click.echo(json.dumps({"decisions": [one.id for one in made]}))
    else:
        kept = options.counted(len(made), "decision")
        click.echo(f"Kept: {kept}. `eyebright undo` takes back what this command said.")
    return 0
