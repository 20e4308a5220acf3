"""`eyebright history`: what is known of a photo, and who said it."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.cli.undo import sentence

if TYPE_CHECKING:
    from eyebright.library.photos import About


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
    from eyebright.library.photos import about, identity_of

    with Library(folder) as library:
        known = about(library, identity_of(library, photo))
    if form == "json":
        click.echo(json.dumps(as_json(known), ensure_ascii=False))
        return 0
    for line in lines(known):
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
    found += [f"{model:<9} {label} {score:.2f}" for label, score, model in known.labels[:5]]
    name = known.paths[0] if known.paths else known.gone[0] if known.gone else ""
    for one, undone in known.history:
        at = datetime.fromisoformat(one.at).replace(tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        found.append(f"{at}  {sentence(one.what, name, one.label)}{' (taken back)' if undone else ''}")
    return found


def as_json(known: "About") -> dict[str, Any]:
    return {
        "identity": known.identity.hex(),
        "paths": [options.one_line(path) for path in known.paths],
        "gone": [options.one_line(path) for path in known.gone],
        "taken": known.taken,
        "camera": known.camera,
        "place": known.place or None,
        "said": [{"label": label, "holds": yes} for label, yes in known.said],
        "albums": known.albums,
        "words": [{"kind": kind, "value": value} for kind, value in known.words],
        "labels": [{"label": label, "score": score, "model": model} for label, score, model in known.labels],
        "history": [
            {"id": one.id, "at": one.at, "what": one.what, "label": one.label or None, "undone": undone}
            for one, undone in known.history
        ],
    }
