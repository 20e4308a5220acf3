"""How good a library is at finding: labeled queries, beside chance and beside a comparison of colors.

queries.csv: image, and either `relevant` (ids of a catalog's items, with ; between) or attributes, of which all must be
the same in what is relevant. The photo itself is never counted as found. Letters: Q queries, N photos, k shown.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from eyebright import images
from eyebright.errors import BadPicture, BadRequest
from eyebright.evaluation.intervals import Interval, bootstrap
from eyebright.library import appearance, catalog, csvfile
from eyebright.library.database import Library
from eyebright.library.filters import Some
from eyebright.library.photos import identity_of
from eyebright.library.raw import picture_data
from eyebright.library.vectors import unit
from eyebright.preprocessing import shorter_side
from eyebright.recognize import Recognizer

COLUMNS = {**catalog.COLUMNS, "relevant": ("relevant",)}
AT_ONCE = 4096
COLORS = slice(0, 144)
"""Of a look, its histogram of colors."""
Floats = NDArray[np.float32]


class Query(NamedTuple):
    """A picture, and which photos of the library it should find."""

    image: str
    identity: bytes
    embedding: Floats
    colors: Floats
    relevant: frozenset[int]
    group: str
    """Its attributes in words, for figures by kind."""


class Quality(NamedTuple):
    """Figures of one way to order photos: means over queries, with 95% intervals."""

    queries: int
    """Those for which something else than the query itself is relevant; others are left out."""
    precision: Interval
    """Of the first k, the share that is relevant."""
    recall: Interval
    """Of what is relevant, the share that is among the first k."""
    map: Interval
    """Mean average precision, over all photos."""
    by_group: dict[str, tuple[int, float]]
    """Queries, and their mean precision."""


def read(library: Library, path: str | Path, recognizer: Recognizer) -> tuple[list[Query], list[tuple[str, str]]]:
    """The queries of a CSV file, and pictures that could not be read. Raises BadRequest."""
    queries, unreadable = [], []
    shorter = max(shorter_side(recognizer.metadata.input, recognizer.size), appearance.SIDE)
    relevant = relevance(library)
    for line, known, given in csvfile.rows(path, COLUMNS, ("image",)):
        if not known["image"]:
            raise BadRequest(f"{path}, line {line} has no image.")
        image = str(Path(path).parent / known["image"])
        wanted = relevant(known["relevant"], given, f"{path}, line {line}")
        try:
            picture = images.decode(picture_data(image), shorter)
            embedding = recognizer.embed(picture)
            made = Query(image, identity_of(library, image), embedding, color(picture), wanted, words(given))
        except BadPicture as error:
            unreadable.append((image, str(error)))
        else:
            queries.append(made)
    if not queries:
        why = f": {unreadable[0][0]}: {unreadable[0][1]}" if unreadable else "."
        raise BadRequest(f"{path} has no query whose picture can be read{why}")
    return queries, unreadable


def relevance(library: Library) -> Callable[[str, dict[str, str], str], frozenset[int]]:
    """What tells which photos are relevant to a row. Raises BadRequest where none in the library could be."""
    items = library.rows("SELECT photo, name, attributes FROM item WHERE photo IS NOT NULL").fetchall()
    if not items:
        raise BadRequest("The library has no catalog; eyebright index --catalog FILE gives it one.")
    by_name: dict[str, list[int]] = defaultdict(list)
    for photo, name, _ in items:
        by_name[name].append(photo)
    attributes = [(photo, msgspec.json.decode(text)) for photo, _, text in items]

    def relevant(ids: str, given: dict[str, str], where: str) -> frozenset[int]:
        if ids:
            names = [name.strip() for name in ids.split(";")]
            for name in names:
                if name not in by_name:
                    raise BadRequest(f"{where}: no item of the catalog has the id {name}.")
                if len(by_name[name]) > 1:
                    raise BadRequest(f"{where}: items of {len(by_name[name])} catalogs have the id {name}.")
            return frozenset(by_name[name][0] for name in names)
        found = frozenset(photo for photo, has in attributes if given.items() <= has.items())
        if not given or not found:
            raise BadRequest(f"{where}: no item of the catalog has {words(given) or 'such attributes'}.")
        return found

    return relevant


def words(given: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in given.items())


def color(picture: Image) -> Floats:
    """(144,)"""
    return appearance.look(picture)[COLORS].astype(np.float32)


def evaluate(library: Library, model: int, queries: Sequence[Query], k: int, some: Some) -> dict[str, Quality]:
    """Figures by "embedding", "colors" and "chance"; `some` are the photos that are looked among.

    Raises BadRequest where no query has anything to find.
    """
    photos = [photo for (photo,) in library.rows(f"SELECT DISTINCT photo FROM ({some.sql}) ORDER BY 1", *some.values)]
    known: dict[bytes, int] = dict(library.rows("SELECT identity, id FROM photo").fetchall())
    random = np.random.default_rng(0)
    ways: dict[str, Floats] = {
        "embedding": scored(library, "embedding", model, photos, np.stack([query.embedding for query in queries])),
        "colors": scored(library, "look", model, photos, np.stack([query.colors for query in queries])),
        "chance": random.random((len(queries), len(photos)), np.float32),
    }
    itself = [known.get(query.identity) for query in queries]
    return {way: quality(queries, np.array(photos), scores, itself, k) for way, scores in ways.items()}


def scored(library: Library, by: str, model: int, photos: Sequence[int], queries: Floats) -> Floats:
    """(Q, N) cosines; of a film that of its nearest frame, and -1 where there is nothing to compare."""
    place = {photo: at for at, photo in enumerate(photos)}
    queries = unit(queries)
    scores = np.full((len(queries), len(photos)), -1, np.float32)
    for numbers, vectors in read_vectors(library, by, model):
        kept = [at for at, number in enumerate(numbers) if number in place]
        near = queries @ vectors[kept].astype(np.float32).T
        for column, at in enumerate(kept):
            to = place[numbers[at]]
            scores[:, to] = np.maximum(scores[:, to], near[:, column])
    return scores


def read_vectors(library: Library, by: str, model: int) -> Iterator[tuple[list[int], NDArray[np.float16]]]:
    """(photos, vectors) some at a time: embeddings of a model, or colors of unit length."""
    if by == "embedding":
        rows = library.rows("SELECT photo, vector FROM embedding WHERE model = ?", model)
    else:
        rows = library.rows("SELECT id, look FROM photo WHERE look IS NOT NULL")
    while part := rows.fetchmany(AT_ONCE):
        vectors = np.frombuffer(b"".join(vector for _, vector in part), np.float16).reshape(len(part), -1)
        if by == "look":
            vectors = vectors[:, COLORS]
            vectors = vectors / np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
        yield [photo for photo, _ in part], vectors


def quality(
    queries: Sequence[Query], photos: NDArray[np.int64], scores: Floats, itself: Sequence[int | None], k: int
) -> Quality:
    """(Q, N) scores -> figures."""
    asked, figures = [], []
    for query, own, row in zip(queries, itself, scores, strict=True):
        order = photos[np.argsort(-row, kind="stable")]
        order = order[order != own]
        hits = np.isin(order, list(query.relevant - {own}))
        if hits.any():
            ranks = np.flatnonzero(hits) + 1
            precisions = np.arange(1, len(ranks) + 1) / ranks
            asked.append(query.group)
            figures.append((hits[:k].mean(), hits[:k].sum() / hits.sum(), precisions.mean()))
    if not asked:
        raise BadRequest("Of no query is anything relevant but itself, among the photos that are looked among.")
    each = np.array(figures).T
    of = {group: np.array([one == group for one in asked]) for group in sorted(set(asked) - {""})}
    by_group = {group: (int(mine.sum()), float(each[0, mine].mean())) for group, mine in of.items()}
    precision, recall, mean_precision = map(mean, each)
    return Quality(len(asked), precision, recall, mean_precision, by_group)


def mean(values: NDArray[np.float64]) -> Interval:
    """With its interval, over queries."""
    return bootstrap(lambda weights: weights @ values / weights.sum(1), len(values))
