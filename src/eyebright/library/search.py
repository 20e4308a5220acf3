"""Photos that look like another one, or that words are true of, or both.

A picture is compared by the embeddings of one model (vectors.py), words by what models, files and a person say
(words.py). With both, the words choose and the picture orders. Photos whose files are gone are not shown. Of photos
that are equally near the older comes first.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.errors import BadRequest
from eyebright.library import words
from eyebright.library.database import Library
from eyebright.library.vectors import Near, Vectors

THERE = "SELECT photo FROM file WHERE NOT gone AND photo IS NOT NULL"
SPARE = 3
"""So many times as many are asked for, since files may be gone."""
Floats = NDArray[np.float32]


class Hit(NamedTuple):
    """A photo that was found."""

    photo: int
    path: str
    score: float
    """A cosine, or how much of what was asked for is true, by how sure it is."""
    why: str = ""
    time_s: float = 0.0


def by_words(library: Library, text: str, count: int) -> list[Hit]:
    """Photos that all parts of a text are true of, the surest first. Raises BadRequest for a text without words."""
    if not any(letter.isalnum() for letter in text):
        raise BadRequest("Say what to look for: words, or --image PHOTO.")
    found = words.search(library, text)
    there = {photo for (photo,) in library.rows(THERE)}
    shown = sorted(
        (photo for photo in found if photo in there),
        key=lambda photo: (-round(found[photo].score, 6), taken(library, photo), photo),
    )
    return [
        Hit(photo, path_of(library, photo), round(found[photo].score, 4), found[photo].why) for photo in shown[:count]
    ]


def by_picture(
    library: Library, model: int, like: Sequence[Floats], unlike: Sequence[Floats], count: int, text: str = ""
) -> list[Hit]:
    """Photos near the mean of some embeddings (D,) and away from that of others; `text` chooses among which.

    The mean of unit vectors, less half of the mean of the unlike ones (Rocchio 1971).
    """
    query = np.mean([unit(vector) for vector in like], 0)
    if unlike:
        query = query - 0.5 * np.mean([unit(vector) for vector in unlike], 0)
    vectors = Vectors(library, model)
    if text:
        chosen = words.search(library, text)
        ids = ",".join(map(str, chosen)) or "NULL"
        near = vectors.nearest(query, count, f"SELECT photo FROM file WHERE NOT gone AND photo IN ({ids})")
        return hits(library, near, {photo: match.why for photo, match in chosen.items()})[:count]
    near = vectors.nearest(query, SPARE * count)
    found = hits(library, near, {})
    if len(found) < min(count, vectors.count):  # most of what is near is gone
        found = hits(library, vectors.nearest(query, count, THERE), {})
    return found[:count]


def hits(library: Library, near: Sequence[Near], why: dict[int, str]) -> list[Hit]:
    """Those that are there, with where; of equally near ones the oldest first."""
    placed = [(one, path_of(library, one.photo)) for one in near]
    placed = [(one, path) for one, path in placed if path]
    placed.sort(key=lambda pair: (-round(pair[0].score, 4), taken(library, pair[0].photo), pair[0].photo))
    return [Hit(one.photo, path, round(one.score, 4), why.get(one.photo, ""), one.time_s) for one, path in placed]


def unit(vector: Floats) -> Floats:
    found: Floats = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return found


def stored(library: Library, model: int, photo: int) -> Floats:
    """The embedding of a photo (D,), of a film the mean of its frames. Raises BadRequest where there is none."""
    rows = library.rows("SELECT vector FROM embedding WHERE photo = ? AND model = ?", photo, model).fetchall()
    if not rows:
        raise BadRequest(f"The model has not seen photo {photo}; bring the library up to date with eyebright index.")
    frames = np.stack([np.frombuffer(vector, np.float16) for (vector,) in rows])
    return np.asarray(frames.astype(np.float32).mean(0))


def path_of(library: Library, photo: int) -> str:
    found = library.value("SELECT path FROM file WHERE photo = ? AND NOT gone ORDER BY path LIMIT 1", photo)
    return str(found) if found else ""


def taken(library: Library, photo: int) -> str:
    return str(library.value("SELECT coalesce(taken, '9') FROM photo WHERE id = ?", photo))
