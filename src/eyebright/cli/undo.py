"""`eyebright undo`: what was said of photos is taken back."""

import json
from datetime import UTC, datetime

import click

from eyebright.cli import options
from eyebright.errors import BadRequest


@click.command()
@click.option("--last", type=click.IntRange(1), help="So many steps; 1 by default. One command is one step.")
@click.option("--since", metavar="TIME", help="All since then: 10:30 (today), 2026-07-01 or '2026-07-01 10:30'.")
@click.option("--again", is_flag=True, help="Take back the last undo instead.")
@options.library
@options.text_or_json
def command(last: int | None, since: str | None, again: bool, folder: str, form: str) -> int:
    """Take back what was said of photos. It stays in the log, and an undo can be taken back too.

    \b
      eyebright undo
      eyebright undo --since 10:30
      eyebright undo --again
    """
    from eyebright.library import Library, decisions

    if since and (last or again):
        raise BadRequest("--since stands alone: it takes back all since then.")
    with Library(folder) as library:
        moment = utc(since) if since else ""
        taken = decisions.undo(library, last=last or 1, since=moment, again=again)
        names = {one.photo: library.name_of(bytes.fromhex(one.photo)) for one in taken if one.photo}
    if form == "json":
        click.echo(json.dumps({"undone": [one.id for one in taken]}))
        return 0
    for one in taken:
        click.echo(
            f"{'holds again' if again else 'taken back'}: {sentence(one.what, names.get(one.photo, ''), one.label)}"
        )
    return 0


def sentence(what: str, photo: str, label: str) -> str:
    """A decision in words.

    >>> sentence("not", "a.jpg", "wolf")
    'a.jpg is not wolf'
    """
    photo, label = options.one_line(photo) or "a photo", options.one_line(label)
    put = {
        "is": f"{photo} is {label}",
        "not": f"{photo} is not {label}",
        "in": f"{photo} is in the album {label}",
        "out": f"{photo} is not in the album {label}",
    }
    return put.get(what) or f"{photo} is {'not ' if what == 'not-same' else ''}the same as another one"


def utc(text: str) -> str:
    """A moment of this machine's clock, as the log writes it.  Raises BadRequest."""
    now = datetime.now()
    try:
        if ":" in text and "-" not in text:
            hour, minute, *second = (int(part) for part in text.split(":"))
            local = now.replace(hour=hour, minute=minute, second=second[0] if second else 0, microsecond=0)
        else:
            local = datetime.fromisoformat(text)
        return local.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    except (ValueError, IndexError, OverflowError):
        raise BadRequest(
            f"--since takes a time as 10:30, 2026-07-01 or '2026-07-01 10:30'; {text!r} is none."
        ) from None
