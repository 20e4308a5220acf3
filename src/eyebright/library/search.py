"""Photos that look like another one, or that words are true of, or both.

A picture is compared by the embeddings of one model (vectors.py) or by its colors and textures (appearance.py), words
by what models, files and a person say (words.py). With both, the words choose and the picture orders. Photos whose
files are gone are not shown. Of photos that are equally near the older comes first.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.errors import BadRequest
from eyebright.library import words
from eyebright.library.database import Library
from eyebright.library.filters import ALL, Some
from eyebright.library.names import normal
from eyebright.library.vectors import Near, Vectors, unit
from eyebright.library.vocabulary import Matches

SPARE = 3
"""So many times as many are asked for, since files may be gone."""
AT_ONCE = 4096
Floats = NDArray[np.float32]


class Hit(NamedTuple):
    """A photo that was found."""

    photo: int
    path: str
    score: float
    """A cosine, or how much of what was asked for is true, by how sure it is."""
    why: str = ""
    time_s: float = 0.0


def by_words(library: Library, text: str, count: int, some: Some = ALL) -> list[Hit]:
    """Photos that all parts of a text are true of, the surest first. Raises BadRequest for a text without words."""
    if not normal(text):
        raise BadRequest("Say what to look for: words, or --image PHOTO.")
    found = words.search(library, text)
    if not found:
        return []
    there = {photo for (photo,) in library.rows(some.sql, *some.values).fetchall()}
    when: dict[int, str] = dict(library.rows("SELECT id, taken FROM photo WHERE taken IS NOT NULL").fetchall())
    shown = sorted(
        (photo for photo in found if photo in there),
        key=lambda photo: (-round(found[photo].score, 6), when.get(photo, "9"), photo),
    )
    return [
        Hit(photo, path_of(library, photo), round(found[photo].score, 4), words.because(found[photo]))
        for photo in shown[:count]
    ]


def between(like: Sequence[Floats], unlike: Sequence[Floats]) -> Floats:
    """A query (D,) near some vectors and away from others: their mean, less half of that (Rocchio 1971)."""
    query = np.mean([unit(vector) for vector in like], 0)
    if unlike:
        query = query - 0.5 * np.mean([unit(vector) for vector in unlike], 0)
    return unit(query)


def by_picture(library: Library, model: int, query: Floats, count: int, text: str = "", some: Some = ALL) -> list[Hit]:
    """Photos near an embedding (D,) of a model; `text` chooses among which."""
    vectors = Vectors(library, model)
    why, some = chosen(library, text, some)
    if some is not ALL:
        return hits(library, vectors.nearest(query, count, some.sql, *some.values), why)
    found = hits(library, vectors.nearest(query, SPARE * count), why)
    if len(found) < min(count, vectors.count):  # most of what is near is gone
        found = hits(library, vectors.nearest(query, count, some.sql, *some.values), why)
    return found[:count]


def by_look(library: Library, look: Floats, count: int, text: str = "", some: Some = ALL) -> list[Hit]:
    """Photos whose colors and textures are like those of a look (appearance.py), whatever they show."""
    why, some = chosen(library, text, some)
    near: list[Near] = []
    rows = library.rows(
        f"SELECT id, look FROM photo WHERE look IS NOT NULL AND id IN ({some.sql}) ORDER BY id", *some.values
    )
    while part := rows.fetchmany(AT_ONCE):
        looks = np.frombuffer(b"".join(row for _, row in part), np.float16).reshape(len(part), -1)
        scores = np.clip(looks.astype(np.float32) @ look, 0, 1)
        best = np.argsort(-scores, kind="stable")[:count]
        near += [Near(part[at][0], float(scores[at]), 0.0) for at in best.tolist()]
    near.sort(key=lambda one: (-one.score, one.photo))
    return hits(library, near[:count], why)


def chosen(library: Library, text: str, some: Some) -> tuple[Matches, Some]:
    """Photos that words are true of, and these alone."""
    if not text:
        return {}, some
    found = words.search(library, text)
    return found, some.among(list(found))


def hits(library: Library, near: Sequence[Near], why: Matches) -> list[Hit]:
    """Those that are there, with where; of equally near ones the oldest first."""
    placed = [(one, path_of(library, one.photo)) for one in near]
    placed = [(one, path) for one, path in placed if path]
    placed.sort(key=lambda pair: (-round(pair[0].score, 4), taken(library, pair[0].photo), pair[0].photo))
    reasons = {photo: words.because(why[photo]) for photo in (one.photo for one, _ in placed) if photo in why}
    return [Hit(one.photo, path, round(one.score, 4), reasons.get(one.photo, ""), one.time_s) for one, path in placed]


def stored(library: Library, model: int, photo: int) -> Floats:
    """The embedding of a photo (D,), of a film the mean of its frames. Raises BadRequest where there is none."""
    rows = library.rows("SELECT vector FROM embedding WHERE photo = ? AND model = ?", photo, model).fetchall()
    if not rows:
        raise BadRequest(f"The model has not seen photo {photo}; bring the library up to date with eyebright index.")
    frames = np.stack([np.frombuffer(vector, np.float16) for (vector,) in rows])
    return np.asarray(frames.astype(np.float32).mean(0))


def stored_look(library: Library, photo: int) -> Floats:
    """The look of a photo (182,). Raises BadRequest where there is none."""
    found = library.value("SELECT look FROM photo WHERE id = ?", photo)
    if not isinstance(found, bytes):
        raise BadRequest(f"The library has no look of photo {photo}; bring it up to date with eyebright index.")
    return np.frombuffer(found, np.float16).astype(np.float32)


def path_of(library: Library, photo: int) -> str:
    found = library.value("SELECT path FROM file WHERE photo = ? AND NOT gone ORDER BY path LIMIT 1", photo)
    return str(found) if found else ""


def taken(library: Library, photo: int) -> str:
    return str(library.value("SELECT coalesce(taken, '9') FROM photo WHERE id = ?", photo))
