"""`eyebright search`: photos of the library by a picture, by words, or by both."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from eyebright.cli import options
from eyebright.errors import BadPicture, BadRequest

if TYPE_CHECKING:
    from PIL.Image import Image

    from eyebright.library import Library
    from eyebright.library.catalog import Item
    from eyebright.library.filters import Some
    from eyebright.library.matching import Part
    from eyebright.library.search import Floats, Hit
    from eyebright.recognize import Recognizer

MORE = 5
"""So many times as many are fetched again, where variants of few things came."""
LONGEST_ID = 18
"""Digits."""


class Asked(NamedTuple):
    """What to look for, as the command line has it."""

    text: str
    text_file: str | None
    image: str | None
    crop: str | None
    like: tuple[str, ...]
    unlike: tuple[str, ...]
    top: int
    some: "Some"

    @property
    def pictures(self) -> bool:
        return bool(self.image or self.like)


class Shown(NamedTuple):
    """A hit with all that is told of it."""

    hit: "Hit"
    items: "list[Item]"
    variants: int
    part: "Part | None"


@click.command(no_args_is_help=True)
@click.argument("words", nargs=-1)
@click.option("--image", metavar="PHOTO", help="Find what looks like this picture, from the library or not.")
@click.option("--crop", metavar="X,Y,W,H", help="Of --image only this part, in pixels or, up to 1, in shares.")
@click.option("--like", metavar="PHOTO", multiple=True, help="A photo of the library, by path or id; may be repeated.")
@click.option("--unlike", metavar="PHOTO", multiple=True, help="Away from this one; may be repeated.")
@click.option("--text", "text_file", metavar="FILE", help="Read the words as free text, by this text encoder.")
@click.option(
    "--by",
    type=click.Choice(["content", "look"]),
    default="content",
    show_default=True,
    help="Compare pictures by what they show, or by their colors and textures.",
)
@click.option(
    "--where", metavar="NAME=VALUE", multiple=True, help="Only these: camera=Canon, taken>=2023, price<50 ..."
)
@click.option("--top", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many to show.")
@click.option("--all", "also_unlike", is_flag=True, help="Show the nearest also where they are hardly similar.")
@click.option("--variants", is_flag=True, help="Show each color and size of a catalog's item, not the nearest alone.")
@click.option("--explain", is_flag=True, help="Tell which part of each photo is alike.")
@click.option("--teach", metavar="LABEL", help="Learn a label from photos: --teach 'my mug' a.jpg b.jpg c.jpg.")
@click.option("--evaluate", metavar="CSV", help="Judge the search of a catalog by queries with known answers.")
@options.library
@options.model
@options.threads
@options.provider
@options.trust
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="What to print; html is a contact sheet.",
)
@options.output()
@options.force
def command(
    words: tuple[str, ...],
    image: str | None,
    crop: str | None,
    like: tuple[str, ...],
    unlike: tuple[str, ...],
    text_file: str | None,
    by: str,
    where: tuple[str, ...],
    top: int,
    also_unlike: bool,
    variants: bool,
    explain: bool,
    teach: str | None,
    evaluate: str | None,
    folder: str,
    form: str,
    output: Path | None,
    force: bool,
    **how: Any,
) -> int:
    """Find photos of the library: by words that are true of them, by what they look like, or by both.

    Words are labels ("dog"), what you said, keywords and captions, dates (2023, 2023-07, july), cameras, file names.
    What is no nearer than pictures of something else come is not shown.

    \b
      eyebright search dog beach 2023
      eyebright search --image mug.jpg --format html -o mugs.html
      eyebright search --like 17 --unlike 23 "golden retriever"
      eyebright search --like 17 --by look --where taken=2023
      eyebright search --teach "my mug" a.jpg b.jpg c.jpg
      eyebright search "a dog catching a frisbee" --text clip-text.onnx
    """
    from eyebright.cli import search_answers
    from eyebright.library import Library
    from eyebright.library.filters import some
    from eyebright.recognize.sources import name_of

    if output:
        options.must_be_free(output, force)
    if form == "html" and (teach is not None or evaluate):
        raise BadRequest(
            "--format html is a contact sheet of what was found; --teach and --evaluate have text and json."
        )
    code = 0
    with Library(folder) as library:
        if teach is not None:
            answer = search_answers.taught(library, teach, words, form, how)
        else:
            text = name_of(" ".join(words))  # as the library has names that are not UTF-8
            asked = Asked(text, text_file, image, crop, like, unlike, top, some(library, where))
            if evaluate:
                answer, code = search_answers.judged(library, asked, evaluate, form, how)
            else:
                check(asked, by, explain)
                found = sought(library, asked, by, explain, how)
                shown, near = told(library, found, asked.top, also_unlike, variants, explain)
                answer = search_answers.answer(shown, near, found.cutoff, asked, form)
    if output:
        options.write_bytes(output, (answer + "\n").encode(errors="replace"))
    else:
        click.echo(answer)
    return code


def check(asked: Asked, by: str, explain: bool) -> None:
    """Whether what is asked for goes together. Raises BadRequest."""
    if asked.crop and not asked.image:
        raise BadRequest("--crop is a part of --image PHOTO.")
    if asked.unlike and not (asked.pictures or asked.text_file):
        raise BadRequest("--unlike needs something to be near: --like PHOTO or --image PHOTO.")
    if by == "look" and (not asked.pictures or asked.text_file):
        raise BadRequest("--by look compares pictures: --like PHOTO or --image PHOTO.")
    if explain and (by == "look" or not (asked.pictures or asked.text_file)):
        raise BadRequest("--explain tells which part of a photo is like a picture: --like PHOTO or --image PHOTO.")


class Sought(NamedTuple):
    """What is looked for."""

    nearest: "Callable[[int], list[Hit]]"
    """So many of the nearest, or of those that words are true of."""
    cutoff: float | None = None
    """The score from which on a photo is similar, where the library can tell."""
    query: "Floats | None" = None
    recognizer: "Recognizer | None" = None


def sought(library: "Library", asked: Asked, by: str, explain: bool, how: dict[str, Any]) -> Sought:
    """The photos that are asked for."""
    from eyebright.library import search, unrelated

    text, some = asked.text, asked.some
    if not asked.pictures and not asked.text_file:
        if not text.strip() and some.values:
            return Sought(lambda count: listed(library, some, count))
        return Sought(lambda count: search.by_words(library, text, count, some))
    if by == "look":
        looks = [look_of(library, photo) for photo in asked.like]
        looks += [look_at(asked.image, asked.crop)] if asked.image else []
        look = search.between(looks, [look_of(library, photo) for photo in asked.unlike])
        return Sought(lambda count: search.by_look(library, look, count, text, some))
    near: list[Floats] = []
    if asked.text_file:
        model, recognizer, near = by_text(library, asked, explain, how)
        text = ""
    else:
        recognizer = options.recognizer(100, **how) if asked.image or explain or how.get("model") else None
        model = model_of(library, recognizer)
    near += [vector_of(library, model, photo) for photo in asked.like]
    if asked.image and recognizer:
        near.append(seen(recognizer, asked.image, asked.crop))
    query = search.between(near, [vector_of(library, model, photo) for photo in asked.unlike])
    null = unrelated.null(library, model) if len(near) == 1 and not asked.unlike and not asked.text_file else None
    cutoff = null.cutoff() if null else None
    return Sought(lambda count: search.by_picture(library, model, query, count, text, some), cutoff, query, recognizer)


def by_text(
    library: "Library", asked: Asked, explain: bool, how: dict[str, Any]
) -> "tuple[int, Recognizer | None, list[Floats]]":
    """The model that a text encoder belongs to; that of --model, where one is named; the embedding of the words."""
    from eyebright.library import freetext
    from eyebright.recognize import load_text

    if not asked.text.strip():
        raise BadRequest("--text FILE reads the words as free text; say some.")
    tower = load_text(str(asked.text_file), trust=how["trust"])
    recognizer = options.recognizer(100, **how) if how.get("model") else None
    model = freetext.model_of(library, tower, recognizer.model.sha256 if recognizer else None)
    if (asked.image or explain) and not recognizer:
        name = library.value("SELECT name FROM model WHERE id = ?", model)
        raise BadRequest(
            f"{'--image' if asked.image else '--explain'} beside --text needs the model file that was imported with "
            f"{asked.text_file}, by which {name} saw this library: --model MODEL."
        )
    return model, recognizer, list(tower.embed([asked.text]))


def listed(library: "Library", some: "Some", count: int) -> "list[Hit]":
    """Photos of which nothing more is asked, the newest first."""
    from eyebright.library.search import Hit, path_of

    rows = library.rows(
        f"SELECT id FROM photo WHERE id IN ({some.sql}) ORDER BY taken IS NULL, taken DESC, id LIMIT ?",
        *some.values,
        count,
    )
    return [Hit(photo, path_of(library, photo), 1.0) for (photo,) in rows.fetchall()]


def told(
    library: "Library", found: Sought, top: int, also_unlike: bool, variants: bool, explain: bool
) -> "tuple[list[Shown], list[Hit]]":
    """Hits with their items and parts, one of each thing unless `variants`; and the nearest, similar or not."""
    from eyebright.library.catalog import items_of

    each, near = things(library, found, top, also_unlike, variants)
    shown = [Shown(hit, items_of(library, hit.photo), others, place(found, hit, explain)) for hit, others in each]
    return shown, near


def things(
    library: "Library", found: Sought, top: int, also_unlike: bool, variants: bool
) -> "tuple[list[tuple[Hit, int]], list[Hit]]":
    """The first `top` things with how many variants each has, fetching until there are so many or no more."""
    from eyebright.library.catalog import without_variants

    count = top
    while True:
        near = found.nearest(count)
        similar = [hit for hit in near if also_unlike or found.cutoff is None or hit.score >= found.cutoff]
        each = [(hit, 0) for hit in similar] if variants else without_variants(library, similar, top)
        if len(each) >= top or len(similar) < count:
            return each, near
        count *= MORE


def place(found: Sought, hit: "Hit", explain: bool) -> "Part | None":
    """Which part of a photo is alike; none of one that went, or of a film."""
    from eyebright.library.matching import part

    if not explain or not found.recognizer or found.query is None or hit.time_s:
        return None
    try:
        return part(found.recognizer, found.query, hit.path)
    except BadPicture:
        return None


def model_of(library: "Library", recognizer: "Recognizer | None") -> int:
    """The model by which pictures are compared: the one that is asked for, or the one that saw most of the library."""
    from eyebright.library.vectors import usual_model

    if not recognizer:
        model = usual_model(library)
        if model is None:
            raise BadRequest("The library is empty: eyebright index FOLDER fills it.")
        return model
    found = library.value("SELECT id FROM model WHERE sha256 = ?", recognizer.model.sha256)
    if found is None:
        raise BadRequest(
            f"{recognizer.metadata.name} has not seen this library; let it: eyebright index FOLDER --model MODEL."
        )
    return int(str(found))


def photo_of(library: "Library", photo: str) -> int:
    """The id of a photo of the library, by its id or by its path."""
    from eyebright.library.photos import identity_of

    if photo.isdecimal() and not os.path.exists(photo):
        if len(photo) > LONGEST_ID or not library.value("SELECT 1 FROM photo WHERE id = ?", int(photo)):
            raise BadRequest(f"The library has no photo {photo}.")
        return int(photo)
    found = library.value("SELECT id FROM photo WHERE identity = ?", identity_of(library, photo))
    if found is None:
        raise BadRequest(f"{photo} is not in the library; --image looks for what is like a picture from elsewhere.")
    return int(str(found))


def vector_of(library: "Library", model: int, photo: str) -> "Floats":
    from eyebright.library.search import stored

    return stored(library, model, photo_of(library, photo))


def look_of(library: "Library", photo: str) -> "Floats":
    from eyebright.library.search import stored_look

    return stored_look(library, photo_of(library, photo))


def seen(recognizer: "Recognizer", image: str, crop: str | None) -> "Floats":
    """The embedding of a picture or of a part of it."""
    return recognizer.embed(picture_of(image, crop))


def look_at(image: str, crop: str | None) -> "Floats":
    """The look of a picture or of a part of it."""
    import numpy as np

    from eyebright.library import appearance

    return appearance.look(picture_of(image, crop)).astype(np.float32)


def picture_of(image: str, crop: str | None) -> "Image":
    """A picture from anywhere, or a part of it. Raises BadPicture, BadRequest."""
    from eyebright import images
    from eyebright.library.raw import picture_data

    try:
        picture = images.decode(picture_data(image))
    except BadPicture as error:
        raise BadPicture(f"{image}: {error}") from None
    return picture.crop(box(crop, *picture.size)) if crop else picture


def box(text: str, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels. Raises BadRequest.

    >>> box("0.5,0,0.5,1", 400, 300), box("10,20,30,40", 400, 300)
    ((200, 0, 400, 300), (10, 20, 40, 60))
    """
    try:
        x, y, w, h = (float(part) for part in text.split(","))
        if not all(map(math.isfinite, (x, y, w, h))):
            raise ValueError(text)
    except ValueError:
        raise BadRequest(f"--crop takes X,Y,W,H, as 10,20,200,100 or 0.5,0,0.5,1; {text} is no such box.") from None
    if max(x, y, w, h) <= 1:
        x, y, w, h = x * width, y * height, w * width, h * height
    left, top, right, bottom = round(x), round(y), round(x + w), round(y + h)
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise BadRequest(f"--crop {text} is no part of a picture of {width} x {height} pixels.")
    return left, top, right, bottom
