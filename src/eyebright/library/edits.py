"""A picture that was edited where it lies is another one; what a person said of it goes over to what became of it."""

from collections.abc import Sequence

import numpy as np

from eyebright.library import decisions
from eyebright.library.database import Library
from eyebright.library.decisions import Said, What
from eyebright.library.names import normal
from eyebright.library.search import stored
from eyebright.library.vectors import unit

BITS, COSINE = 12, 0.8
"""Hashes of any two forms that differ in so few bits, or else embeddings so near, say that one came of the other."""

WORDS: dict[tuple[str, bool], What] = {
    ("label", True): "is", ("label", False): "not", ("album", True): "in", ("album", False): "out",
}  # fmt: skip


def carry(library: Library, model: int, edited: Sequence[tuple[int, int]]) -> int:
    """What was said of a photo is said of the one that took its place, where they look alike; of how many it was.

    `edited` are a photo that a path had, and the one that it has. A photo that lies elsewhere, too, keeps its own.
    """
    carried = 0
    for before, now in edited:
        if library.value("SELECT EXISTS (SELECT 1 FROM file WHERE photo = ? AND NOT gone)", before):
            continue
        known = {key(one) for one in of(library, now)}
        step = [one for one in of(library, before) if key(one) not in known]
        if step and alike(library, model, before, now):
            (identity,) = library.rows("SELECT identity FROM photo WHERE id = ?", now).fetchone()
            decisions.record(library, [one._replace(photo=identity) for one in step], by="edit")
            carried += 1
    return carried


def of(library: Library, photo: int) -> list[Said]:
    """What holds of a photo, by a person."""
    rows = library.rows(
        "SELECT said.photo, said.kind, label, holds FROM said JOIN photo ON photo.identity = said.photo "
        "WHERE photo.id = ?",
        photo,
    )
    return [Said(WORDS[kind, bool(holds)], identity, label=label) for identity, kind, label, holds in rows]


def key(said: Said) -> tuple[str, str]:
    """Of two about one thing the same."""
    return decisions.KINDS[said.what], normal(said.label)


def alike(library: Library, model: int, before: int, now: int) -> bool:
    """Whether one came of the other: turned, cut, or made lighter."""
    hashes = [library.value("SELECT hashes FROM photo WHERE id = ?", photo) for photo in (before, now)]
    first, second = (np.frombuffer(one, np.uint64) if isinstance(one, bytes) else None for one in hashes)
    if first is not None and second is not None and np.bitwise_count(first[:1] ^ second).min() <= BITS:
        return True
    held = "SELECT EXISTS (SELECT 1 FROM embedding WHERE photo = ? AND model = ?)"
    if not all(library.value(held, photo, model) for photo in (before, now)):
        return False
    one, other = (unit(stored(library, model, photo)) for photo in (before, now))
    return float(one @ other) >= COSINE
