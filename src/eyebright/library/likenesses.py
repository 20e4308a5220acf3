"""Which pairs of photos are worth comparing: near hashes, and nearest neighbors among embeddings.

Hashes find what was resized, compressed again, mirrored or turned; embeddings find crops and small rotations, too. The
embeddings are compared along the 128 directions in which those of this library differ most (principal components),
less their mean, which all pictures share. Letters: N photos, P pairs.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright import phash
from eyebright.library.database import Library
from eyebright.library.vectors import AT_ONCE, usual_model

NEIGHBORS = 12
"""Of each photo, how many others are compared with it."""
LEAST, FEW = 0.5, 1000
"""The cosine that neighbors have at least; among few photos the mean says little, and all neighbors are compared."""
COMPONENTS = 128
_SAMPLE = 10_000
"""Embeddings that directions are found from."""
_AT_ONCE = 32
"""Photos that are compared with all others together; it bounds the memory."""
_UPRIGHT = 0b11
"""As it is and mirrored: the forms in which the network knows a picture again."""


class Likely(NamedTuple):
    """Pairs of photos by their places, `first < second`: (P,) each."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    forms: NDArray[np.uint8]
    """A bit for each form of `phash.laid` in which the second may be the first."""


def likely(library: Library, photos: NDArray[np.int64]) -> Likely:
    """Pairs among (N,) ids of photos, in ascending order."""
    if len(photos) < 2:
        return Likely(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8))
    parts = [_by_hashes(library, photos), _by_embeddings(library, photos)]
    pairs = np.concatenate([pair for pair, _ in parts])
    forms = np.concatenate([form for _, form in parts])
    order = np.argsort(pairs, kind="stable")
    pairs, starts = np.unique(pairs[order], return_index=True)
    merged = np.bitwise_or.reduceat(forms[order], starts) if len(pairs) else forms
    return Likely(pairs // len(photos), pairs % len(photos), merged)


def _by_hashes(library: Library, photos: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """(P,) `first * N + second`, and forms."""
    hashes, places = np.zeros((len(photos), phash.FORMS), np.uint64), []
    for photo, made in library.rows("SELECT id, hashes FROM photo WHERE hashes IS NOT NULL"):
        place = int(np.searchsorted(photos, photo))
        if place < len(photos) and photos[place] == photo:
            hashes[place] = np.frombuffer(made, np.uint64)
            places.append(place)
    where = np.array(sorted(places), np.int64)
    pairs, forms = [np.empty(0, np.int64)], [np.empty(0, np.uint8)]
    for found in phash.near(hashes[where]):
        pairs.append(where[found.first] * len(photos) + where[found.second])
        forms.append((1 << found.form).astype(np.uint8))
    return np.concatenate(pairs), np.concatenate(forms)


def _by_embeddings(library: Library, photos: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """(P,) `first * N + second`, and forms."""
    model = usual_model(library)
    none = np.empty(0, np.int64), np.empty(0, np.uint8)
    if model is None:
        return none
    where, vectors = _projected(library, model, photos)
    least = LEAST if len(where) > FEW else -1.0
    neighbors = min(NEIGHBORS, len(where) - 1)
    if neighbors < 1:
        return none
    pairs = [none[0]]
    for start in range(0, len(where), _AT_ONCE):
        cosines = vectors[start : start + _AT_ONCE] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, rows + start] = -np.inf
        nearest = np.argpartition(-cosines, neighbors - 1, axis=1)[:, :neighbors]
        row, at = np.nonzero(np.take_along_axis(cosines, nearest, 1) >= least)
        one, other = where[row + start], where[nearest[row, at]]
        pairs.append(np.minimum(one, other) * len(photos) + np.maximum(one, other))
    found = np.unique(np.concatenate(pairs))
    return found, np.full(len(found), _UPRIGHT, np.uint8)


def _projected(
    library: Library, model: int, photos: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(M,) places of the photos that a model saw, and (M, COMPONENTS) their embeddings, of length 1."""
    count, total, squares = 0, np.zeros(1), np.zeros((1, 1))
    for _, vectors in _embeddings(library, model, photos):
        sample = vectors[:: max(len(photos) // _SAMPLE, 1)]
        count, total, squares = count + len(sample), total + sample.sum(0), squares + sample.T @ sample
    mean = (total / max(count, 1)).astype(np.float32)
    directions = np.linalg.eigh(squares - count * np.outer(mean, mean))[1][:, : -COMPONENTS - 1 : -1].astype(np.float32)
    where, projected, seen = (
        np.empty(len(photos), np.int64),
        np.empty((len(photos), directions.shape[1]), np.float32),
        0,
    )
    for places, vectors in _embeddings(library, model, photos):
        part = (vectors - mean) @ directions
        part /= np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-6)
        where[seen : seen + len(part)], projected[seen : seen + len(part)] = places, part
        seen += len(part)
    return where[:seen], projected[:seen]


def _embeddings(
    library: Library, model: int, photos: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """(places, vectors) of those of the photos that a model saw, some at a time, the first perhaps none."""
    size = library.value("SELECT length(vector) / 2 FROM embedding WHERE model = ?", model)
    yield np.empty(0, np.int64), np.empty((0, int(str(size))), np.float32)
    rows = library.rows("SELECT photo, vector FROM embedding WHERE model = ? AND time_s = 0 ORDER BY photo", model)
    while some := rows.fetchmany(AT_ONCE):
        ids, blobs = zip(*some, strict=True)
        place = np.searchsorted(photos, ids)
        mine = photos[np.minimum(place, len(photos) - 1)] == ids
        vectors = np.frombuffer(b"".join(blobs), np.float16).reshape(len(some), -1)
        yield place[mine], vectors[mine].astype(np.float32)
