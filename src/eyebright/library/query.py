"""A search as a person asks it: words, pictures, photos like and unlike, and filters, all in one.

    Query --sought--> what is near, and from where on it is similar --find--> Found: a hit of each thing, with its items

`search` holds the ways to compare. Here is chosen among them, and what is found is cut off, made one of each variant,
and explained.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from PIL.Image import Image

from eyebright import images
from eyebright.errors import BadPicture, BadRequest
from eyebright.library import appearance, catalog, matching, search, unrelated, words
from eyebright.library.catalog import Item
from eyebright.library.database import Library
from eyebright.library.filters import ALL, Some
from eyebright.library.matching import Part
from eyebright.library.photos import identity_of
from eyebright.library.raw import picture_data
from eyebright.library.search import Floats, Hit
from eyebright.library.variants import without_variants
from eyebright.library.vectors import usual_model
from eyebright.recognize import Recognizer
from eyebright.texttower import TextTower

MORE = 5
"""So many times as many are fetched again, where variants of few things came."""


class Query(NamedTuple):
    """What to look for. At least words, a picture, a photo or a filter."""

    text: str = ""
    tower: TextTower | None = None
    """Reads the words as free text; without it they are names."""
    image: str = ""
    """The path of a picture, of the library or not."""
    crop: str = ""
    """Which part of it: "x,y,w,h" in pixels, or in shares up to 1."""
    like: tuple[str, ...] = ()
    """Photos of the library by id or by path; so is `unlike`."""
    unlike: tuple[str, ...] = ()
    by: Literal["content", "look"] = "content"
    some: Some = ALL

    @property
    def pictures(self) -> bool:
        return bool(self.image or self.like)

    def needs_model(self, explain: bool = False) -> bool:
        """Whether a network has to look at a picture: at that of the query or, to explain, at those that are found."""
        return self.by == "content" and bool(self.image or (explain and (self.like or self.tower)))


class One(NamedTuple):
    """A hit with all that is told of it."""

    hit: Hit
    items: list[Item]
    """Of a catalog, of those that are meant."""
    variants: int
    """Other hits that are the same thing."""
    part: Part | None


class Found(NamedTuple):
    asked: list[str]
    """Paths of the pictures that were asked for by name or id."""
    shown: list[One]
    near: list[Hit]
    """The nearest, similar or not."""
    cutoff: float | None
    """The score from which on a photo is similar, where the library can tell."""
    unknown: list[tuple[str, str]]
    """Where nothing was found: words that are true of no photo, each with one that may have been meant, or nothing."""


class Sought(NamedTuple):
    """What is looked for."""

    nearest: Callable[[int], list[Hit]]
    """So many of the nearest, or of those that words are true of."""
    cutoff: float | None = None
    vector: Floats | None = None


def find(
    library: Library,
    query: Query,
    recognizer: Recognizer | None = None,
    top: int = 10,
    also_unlike: bool = False,
    variants: bool = False,
    explain: bool = False,
) -> Found:
    """Photos that a query asks for, the best first.

    `recognizer` is the model by which to compare; without it, the one that saw most of the library, as far as no new
    picture has to be looked at. `also_unlike` shows what is hardly similar, too, `variants` each color and size of a
    catalog's item, `explain` which part of each photo is alike. Raises BadRequest, BadPicture.
    """
    check(query, explain)
    found = sought(library, query, recognizer, explain)
    each, near = things(library, found, query, top, also_unlike, variants)
    shown = [
        One(
            hit,
            catalog.items_of(library, hit.photo, query.some),
            others,
            part_of(found, recognizer, hit) if explain else None,
        )
        for hit, others in each
    ]
    lost = [] if shown or query.tower or not query.text.strip() else words.unknown(library, query.text)
    asked = [search.path_of(library, photo_of(library, photo)) for photo in query.like]
    return Found([*asked, *filter(None, [query.image])], shown, near, found.cutoff, lost)


def check(query: Query, explain: bool) -> None:
    """Whether what is asked for goes together. Raises BadRequest."""
    near = query.pictures or query.tower
    if query.tower and not query.text.strip():
        raise BadRequest("--text FILE reads the words as free text; say some.")
    if query.crop and not query.image:
        raise BadRequest("--crop is a part of --image PHOTO.")
    if query.unlike and not near:
        raise BadRequest("--unlike needs something to be near: --like PHOTO or --image PHOTO.")
    if query.by == "look" and (not query.pictures or query.tower):
        raise BadRequest("--by look compares pictures: --like PHOTO or --image PHOTO.")
    if explain and query.by == "look":
        raise BadRequest("--explain compares by what pictures show; leave out --by look.")
    if explain and not near:
        raise BadRequest("--explain tells which part of a photo is like a picture: --like PHOTO or --image PHOTO.")


def sought(library: Library, query: Query, recognizer: Recognizer | None, explain: bool) -> Sought:
    text, some = query.text, query.some
    if not query.pictures and not query.tower:
        if not text.strip() and some != ALL:
            return Sought(lambda count: listed(library, some, count))
        return Sought(lambda count: search.by_words(library, text, count, some))
    if query.by == "look":
        looks = [look_of(library, photo) for photo in query.like]
        looks += [look_at(query.image, query.crop)] if query.image else []
        look = search.between(looks, [look_of(library, photo) for photo in query.unlike])
        return Sought(lambda count: search.by_look(library, look, count, text, some))
    near: list[Floats] = []
    if query.tower:
        model = family_of(library, query.tower, recognizer)
        near, text = list(query.tower.embed([text])), ""
    else:
        model = model_of(library, recognizer)
    if query.needs_model(explain) and not recognizer:
        raise unknown_model(library, query, model)
    near += [vector_of(library, model, photo) for photo in query.like]
    if query.image and recognizer:
        near.append(recognizer.embed(picture_of(query.image, query.crop)))
    vector = search.between(near, [vector_of(library, model, photo) for photo in query.unlike])
    null = unrelated.null(library, model) if len(near) == 1 and not query.unlike and not query.tower else None
    return Sought(
        lambda count: search.by_picture(library, model, vector, count, text, some),
        null.cutoff() if null else None,
        vector,
    )


def unknown_model(library: Library, query: Query, model: int) -> BadRequest:
    """What to say where a network has to look, and is not at hand."""
    name = library.value("SELECT name FROM model WHERE id = ?", model)
    beside = f" beside --text needs the model file that was imported with {query.tower.path}" if query.tower else ""
    return BadRequest(
        f"{'--image' if query.image else '--explain'}{beside or ' needs the model file'}, by which {name} saw this "
        "library: --model MODEL."
    )


def listed(library: Library, some: Some, count: int) -> list[Hit]:
    """Photos of which nothing more is asked, the newest first."""
    rows = library.rows(
        f"SELECT id, taken FROM photo WHERE id IN ({some.sql}) ORDER BY taken IS NULL, taken DESC, id LIMIT ?",
        *some.values,
        count,
    )
    return [Hit(photo, search.path_of(library, photo), 1.0, (taken or "")[:10]) for photo, taken in rows.fetchall()]


def things(
    library: Library, found: Sought, query: Query, top: int, also_unlike: bool, variants: bool
) -> tuple[list[tuple[Hit, int]], list[Hit]]:
    """The first `top` things with how many variants each has, fetching until there are so many or no more.

    Photos that the query names are known already, and not shown.
    """
    known = {photo_of(library, photo) for photo in (*query.like, *query.unlike)}
    count = top
    while True:
        near = [hit for hit in found.nearest(count + len(known)) if hit.photo not in known][:count]
        similar = [hit for hit in near if also_unlike or found.cutoff is None or hit.score >= found.cutoff]
        each = [(hit, 0) for hit in similar] if variants else without_variants(library, similar, top, query.some)
        if len(each) >= top or len(similar) < count:
            return each, near
        count *= MORE


def part_of(found: Sought, recognizer: Recognizer | None, hit: Hit) -> Part | None:
    """Which part of a photo is alike; none of one that went, or of a film."""
    if not recognizer or found.vector is None or hit.time_s:
        return None
    try:
        return matching.part(recognizer, found.vector, hit.path)
    except BadPicture:
        return None


def model_of(library: Library, recognizer: Recognizer | None) -> int:
    """The row of a model, or of the one that saw most of the library. Raises BadRequest where it saw none."""
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


def family_of(library: Library, tower: TextTower, recognizer: Recognizer | None) -> int:
    """The row of the model of a text encoder's family that saw most of the library, or of the one that is named.

    Raises BadRequest where none of the family has seen it.
    """
    found = library.value(
        "SELECT model.id FROM model JOIN embedding ON embedding.model = model.id "
        "WHERE family = ?1 AND sha256 = coalesce(?2, sha256) GROUP BY model.id "
        "ORDER BY count(DISTINCT photo) DESC, model.id DESC LIMIT 1",
        tower.metadata.family,
        recognizer.model.sha256 if recognizer else None,
    )
    if found is None:
        raise BadRequest(
            f"The image encoder that belongs to {tower.path} has not seen this library; let it: "
            "eyebright index FOLDER --model MODEL, with the model file that was imported with it."
        )
    return int(str(found))


def photo_of(library: Library, photo: str) -> int:
    """The id of a photo of the library, by its id or by its path. Raises BadRequest."""
    found = library.value("SELECT id FROM photo WHERE identity = ?", identity_of(library, photo))
    if found is None:
        raise BadRequest(f"{photo} is not in the library; --image looks for what is like a picture from elsewhere.")
    return int(str(found))


def vector_of(library: Library, model: int, photo: str) -> Floats:
    return search.stored(library, model, photo_of(library, photo))


def look_of(library: Library, photo: str) -> Floats:
    return search.stored_look(library, photo_of(library, photo))


def look_at(image: str, crop: str = "") -> Floats:
    """The look of a picture or of a part of it."""
    return appearance.look(picture_of(image, crop)).astype(np.float32)


def picture_of(image: str, crop: str = "") -> Image:
    """A picture from anywhere, or a part of it. Raises BadPicture, BadRequest."""
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
