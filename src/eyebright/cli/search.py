"""`eyebright search`: photos of the library by a picture, by words, or by both."""

import json
import os
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.library import Library
    from eyebright.library.search import Floats, Hit
    from eyebright.recognize import Recognizer


@click.command(no_args_is_help=True)
@click.argument("words", nargs=-1)
@click.option("--image", metavar="PHOTO", help="Find what looks like this picture, from the library or not.")
@click.option("--crop", metavar="X,Y,W,H", help="Of --image only this part, in pixels or, up to 1, in shares.")
@click.option("--like", metavar="PHOTO", multiple=True, help="A photo of the library, by path or id; may be repeated.")
@click.option("--unlike", metavar="PHOTO", multiple=True, help="Away from this one; may be repeated.")
@click.option("--text", "text_file", metavar="FILE", help="Read the words as free text, by this text file (CLIP).")
@click.option("--top", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many to show.")
@options.library
@options.model
@options.threads
@options.provider
@options.trust
@options.text_or_json
def command(
    words: tuple[str, ...],
    image: str | None,
    crop: str | None,
    like: tuple[str, ...],
    unlike: tuple[str, ...],
    text_file: str | None,
    top: int,
    folder: str,
    form: str,
    **how: Any,
) -> int:
    """Find photos of the library: by words that are true of them, by what they look like, or by both.

    Words are labels ("dog"), what you said, keywords and captions, dates (2023, 2023-07, july), cameras, file names.

    \b
      eyebright search dog beach 2023
      eyebright search --image mug.jpg
      eyebright search --like 17 --unlike 23 "golden retriever"
      eyebright search "a dog catching a frisbee" --text clip-text.onnx
    """
    from eyebright.library import Library
    from eyebright.library.search import by_picture, by_words

    text = " ".join(words)
    if crop and not image:
        raise BadRequest("--crop is a part of --image PHOTO.")
    if unlike and not (image or like or text_file):
        raise BadRequest("--unlike needs something to be near: --like PHOTO or --image PHOTO.")
    with Library(folder) as library:
        if text_file:
            found = by_free_text(library, text, text_file, image, crop, like, unlike, top, how)
        elif not (image or like):
            found = by_words(library, text, top)
        else:
            recognizer = options.recognizer(100, **how) if image or how.get("model") else None
            model = model_of(library, recognizer)
            near = [vector_of(library, model, photo) for photo in like]
            if image and recognizer:
                near.append(seen(recognizer, image, crop))
            far = [vector_of(library, model, photo) for photo in unlike]
            found = by_picture(library, model, near, far, top, text)
    for hit in found:
        click.echo(json.dumps(as_json(hit), ensure_ascii=False) if form == "json" else line(hit))
    if not found:
        click.echo(json.dumps({"nothing_similar": True, "nearest": []}) if form == "json" else "Nothing was found.")
    return 0


def by_free_text(
    library: "Library",
    text: str,
    text_file: str,
    image: str | None,
    crop: str | None,
    like: tuple[str, ...],
    unlike: tuple[str, ...],
    top: int,
    how: dict[str, Any],
) -> list["Hit"]:
    """Photos near what the words say and, as the case may be, near and away from pictures."""
    from eyebright.library import freetext
    from eyebright.library.search import by_picture
    from eyebright.recognize import load_text

    if not text.strip():
        raise BadRequest("--text FILE reads the words as free text; say some.")
    tower = load_text(text_file, trust=how["trust"])
    recognizer = options.recognizer(100, **how) if image or how.get("model") else None
    model = freetext.model_of(library, tower, recognizer.model.sha256 if recognizer else None)
    near = [*tower.embed([text]), *(vector_of(library, model, photo) for photo in like)]
    if image and recognizer:
        near.append(seen(recognizer, image, crop))
    return by_picture(library, model, near, [vector_of(library, model, photo) for photo in unlike], top)


def model_of(library: "Library", recognizer: "Recognizer | None") -> int:
    """The model by which pictures are compared: the one that is asked for, or the one that saw most of the library."""
    if recognizer:
        found = library.value("SELECT id FROM model WHERE sha256 = ?", recognizer.model.sha256)
        if found is None:
            raise BadRequest(
                f"{recognizer.metadata.name} has not seen this library; let it: eyebright index FOLDER --model MODEL."
            )
    else:
        found = library.value("SELECT model FROM embedding GROUP BY model ORDER BY count(*) DESC LIMIT 1")
        if found is None:
            raise BadRequest("The library is empty: eyebright index FOLDER fills it.")
    return int(str(found))


def vector_of(library: "Library", model: int, photo: str) -> "Floats":
    """The embedding of a photo of the library, by its id or by its path."""
    from eyebright.library.photos import identity_of
    from eyebright.library.search import stored

    if photo.isdigit() and not os.path.exists(photo):
        return stored(library, model, int(photo))
    found = library.value("SELECT id FROM photo WHERE identity = ?", identity_of(library, photo))
    if found is None:
        raise BadRequest(f"{photo} is not in the library; --image looks for what is like a picture from elsewhere.")
    return stored(library, model, int(str(found)))


def seen(recognizer: "Recognizer", image: str, crop: str | None) -> "Floats":
    """The embedding of a picture or of a part of it."""
    from eyebright import images

    picture = images.decode(images.read_file(image))
    return recognizer.embed(picture.crop(box(crop, *picture.size)) if crop else picture)


def box(text: str, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels. Raises BadRequest.

    >>> box("0.5,0,0.5,1", 400, 300), box("10,20,30,40", 400, 300)
    ((200, 0, 400, 300), (10, 20, 40, 60))
    """
    try:
        x, y, w, h = (float(part) for part in text.split(","))
    except ValueError:
        raise BadRequest(f"--crop takes X,Y,W,H, as 10,20,200,100 or 0.5,0,0.5,1; {text} is no such box.") from None
    if max(x, y, w, h) <= 1:
        x, y, w, h = x * width, y * height, w * width, h * height
    left, top, right, bottom = round(x), round(y), round(x + w), round(y + h)
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise BadRequest(f"--crop {text} is no part of a picture of {width} x {height} pixels.")
    return left, top, right, bottom


def line(hit: "Hit") -> str:
    at = f" at {hit.time_s:g} s" if hit.time_s else ""
    why = f"  ({options.one_line(hit.why)})" if hit.why else ""
    return f"{hit.score:.3f}  {hit.photo:>6}  {options.one_line(hit.path)}{at}{why}"


def as_json(hit: "Hit") -> dict[str, Any]:
    found: dict[str, Any] = {"source": options.one_line(hit.path), "id": hit.photo, "score": hit.score}
    if hit.why:
        found["why"] = hit.why
    if hit.time_s:
        found["time_s"] = hit.time_s
    return found
