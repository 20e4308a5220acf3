"""`eyebright history`: what is known of a photo, and who said it."""

import json
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.cli.search_answers import name_of
from eyebright.cli.undo import sentence

if TYPE_CHECKING:
    from eyebright.library.photos import About

SHOWN = 5
"""Labels of a model."""


@click.command(no_args_is_help=True)
@click.argument("photo", type=click.Path(readable=False))
@options.library
@options.text_or_json
def command(photo: str, folder: str, form: str) -> int:
    """Show what is known of a photo: where it lies and lay, what you, its file and the models say.

    \b
      eyebright history rex.jpg
    """
    from eyebright.library import Library
    from eyebright.library.photos import about, identity_of, trouble

    with Library(folder) as library:
        error = trouble(library, photo)
        known = about(library, identity_of(library, photo))
    if form == "json":
        click.echo(json.dumps(as_json(known), ensure_ascii=False))
        return 0
    for line in [f"not read: {error}"] if error else lines(known):
        click.echo(options.one_line(line))
    return 0


def lines(known: "About") -> list[str]:
    found = [f"here      {path}" for path in known.paths] + [f"was here  {path}" for path in known.gone]
    if not found:
        found.append("It was never indexed.")
    facts = [part for part in ((known.taken or "").replace("T", " "), known.camera or "") if part]
    if facts:
        found.append(f"taken     {', '.join(facts)}")
    if known.place:
        found.append(f"near      {known.place}")
    found += [f"you say   {'' if yes else 'not '}{label}" for label, yes in known.said]
    found += [f"album     {album}" for album in known.albums]
    found += [f"its file  {kind}: {value}" for kind, value in known.words]
    for model, labels in groupby(sorted(known.labels, key=lambda one: one.model), key=lambda one: one.model):
        own = sorted(labels, key=lambda one: (one.group, -one.score))[:SHOWN]
        found.append(f"{', '.join(f'{one.label} {one.score:.2f}' for one in own)}, says {model}")
    name = known.paths[0] if known.paths else known.gone[0] if known.gone else ""
    for one, undone in known.history:
        at = datetime.fromisoformat(one.at).replace(tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        found.append(f"{at}  {sentence(one.what, name, one.label)}{' (taken back)' if undone else ''}")
    return found


def as_json(known: "About") -> dict[str, Any]:
    return {
        "identity": known.identity.hex(),
        "paths": [name_of(path) for path in known.paths],
        "gone": [name_of(path) for path in known.gone],
        "taken": known.taken,
        "camera": known.camera,
        "place": known.place or None,
        "said": [{"label": label, "holds": yes} for label, yes in known.said],
        "albums": known.albums,
        "words": [{"kind": kind, "value": value} for kind, value in known.words],
        "labels": [{"label": one.label, "score": one.score, "model": one.model} for one in known.labels],
        "history": [
            {"id": one.id, "at": one.at, "what": one.what, "label": one.label or None, "undone": undone}
            for one, undone in known.history
        ],
    }
