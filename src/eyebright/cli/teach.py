"""`eyebright teach LABEL PHOTO...`: learn a label from a few photos, of the library or not."""

import json
import shlex
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.cli.search_answers import printable
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.library import Library
    from eyebright.library.search import Floats
    from eyebright.recognize import Recognizer


@click.command(no_args_is_help=True)
@click.argument("label")
@click.argument("photos", nargs=-1, type=click.Path(readable=False))
@click.option("--forget", is_flag=True, help="Let go of what was learned of this label; what you said stays.")
@options.library
@options.model
@options.threads
@options.provider
@options.trust
@options.text_or_json
def command(label: str, photos: tuple[str, ...], forget: bool, folder: str, form: str, **how: Any) -> int:
    """Learn a label from a few photos, at once and without training; search finds it then, in new photos too.

    Photos that are in the library are kept as your word, so that the label alone learns it again, with what you said
    of more photos since. Examples that have nothing in common are declined.

    \b
      eyebright teach "my mug" a.jpg b.jpg c.jpg
      eyebright search "my mug"
      eyebright teach "my mug" --forget
    """
    from eyebright.library import Library, teach

    if forget and photos:
        raise BadRequest("--forget stands alone, with a label.")
    with Library(folder) as library:
        if forget:
            count = teach.forget(library, label)
            said = f"Forgot {printable(label)}, which {options.counted(count, 'photo')} had."
            answer = json.dumps({"forgotten": label, "photos": count}) if form == "json" else said
        else:
            answer = taught(library, label, photos, form, how)
    click.echo(answer)
    return 0


def taught(library: "Library", label: str, photos: tuple[str, ...], form: str, how: dict[str, Any]) -> str:
    """What is said of it. Of photos that are in the library the label is kept as your word, too."""
    from eyebright.library import decisions
    from eyebright.library.photos import identity_of
    from eyebright.library.query import model_of
    from eyebright.library.teach import teach

    if printable(label) != label:
        raise BadRequest(f"{printable(label)} is no label: it is not plain text.")
    recognizer = options.recognizer(100, **how)
    model = model_of(library, recognizer)
    if photos:
        names = {identity_of(library, photo): photo for photo in reversed(photos)}
        known: dict[bytes, int] = dict(library.rows("SELECT identity, id FROM photo").fetchall())
        examples = {
            photo: example(library, recognizer, model, photo, known.get(who)) for who, photo in reversed(names.items())
        }
        said = [decisions.Said("is", who, label=label) for who in names if who in known]
    else:
        examples, said = examples_before(library, model, label), []
    lesson = teach(library, model, label, examples)
    if said:
        decisions.record(library, said)
    if form == "json":
        return json.dumps({"label": label, "examples": len(examples), "found": lesson.found,
                           "agreement": round(lesson.agreement, 4)})  # fmt: skip
    name = shlex.quote(label)
    like = f"{options.counted(lesson.found, 'photo')} {'looks' if lesson.found == 1 else 'look'} like it"
    return (
        f"Learned {label} from {len(examples)} examples; {like}. "
        f"See them: eyebright search {name}. Wrong ones: eyebright correct PHOTO --not {name}."
    )


def example(library: "Library", recognizer: "Recognizer", model: int, photo: str, known: int | None) -> "Floats":
    """The embedding of a photo, of the library (by its id) or not."""
    from eyebright.library.query import picture_of
    from eyebright.library.search import stored

    return recognizer.embed(picture_of(photo)) if known is None else stored(library, model, known)


def examples_before(library: "Library", model: int, label: str) -> "dict[str, Floats]":
    """Of photos that you said a label of, as far as a model saw them: some may be gone."""
    from eyebright.library.search import stored

    rows = library.rows(
        "SELECT photo.id FROM said JOIN photo ON photo.identity = said.photo "
        "WHERE said.kind = 'label' AND holds AND label = ? COLLATE NOCASE "
        "AND photo.id IN (SELECT embedding.photo FROM embedding WHERE model = ?)",
        " ".join(label.split()),
        model,
    )
    return {f"photo {photo}": stored(library, model, photo) for (photo,) in rows.fetchall()}
