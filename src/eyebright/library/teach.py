"""A new label at once, from a few examples and without training: photos near the mean of them, from the library's mean.

examples -> embeddings, less the library's mean -> their mean is the label's direction (Rocchio 1971; Snell 2017) ->
a score for every photo -> rows as of any model, under the name "taught"

What a library has in common says nothing of a label in it; without it, directions part. With 2 to 10 examples this
ranks garments better than the mean of plain embeddings or the nearest example do; see docs/benchmarks.md. Examples that
are in the library are kept as a person's words, so the label outlives its model.
Letters: E examples, N photos, D numbers.
"""

import hashlib
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyebright.errors import BadRequest
from eyebright.library import decisions
from eyebright.library.database import Library
from eyebright.library.names import normal
from eyebright.library.vectors import blocks, unit

FEWEST = 2
AGREE = 0.05
"""Cosine, from the library's mean, that each example has to the mean of the others at least."""
SLACK = 1.0
"""A photo is taken for the label from so much of the mean of those cosines on."""
FOUND = 0.5
"""The score from which on a photo is taken for the label."""
STEEP = 12.0
"""How fast scores rise around that; it is their scale, not a probability."""
Floats = NDArray[np.float32]


class Taught(NamedTuple):
    """What came of it."""

    model: int
    found: int
    """Photos with a score of a half and more."""
    agreement: float
    """The mean cosine of examples to the mean of the others."""


def teach(library: Library, encoder: int, label: str, examples: dict[str, Floats]) -> Taught:
    """Keep a label that is learned from named embeddings (D,) of a model.

    Raises BadRequest where they disagree, and for what is no label.
    """
    label = decisions.checked(decisions.Said("is", label=label)).label
    if len(examples) < FEWEST:
        raise BadRequest(f"{label} needs {FEWEST} different examples at least, better five.")
    mean = mean_of(library, encoder)
    directions = unit(np.stack([unit(vector) for vector in examples.values()]) - mean)
    agreement = [float(one @ unit(directions.sum(0) - one)) for one in directions]
    apart = [name for name, one in zip(examples, agreement, strict=True) if one < AGREE]
    if apart:
        raise BadRequest(
            f"The examples of {label} do not agree: {', '.join(apart)} {'is' if len(apart) == 1 else 'are'} "
            f"hardly like the others ({min(agreement):.2f}, and {AGREE:.2f} is the least). "
            "Show one kind of thing, filling most of each picture; nothing was kept."
        )
    weight = unit(directions.mean(0)).astype(np.float32)
    bias = -SLACK * float(np.mean(agreement))
    model = keep(library, encoder, label, weight, bias, mean)
    found = apply(library, model)
    return Taught(model, found, float(np.mean(agreement)))


def keep(library: Library, encoder: int, label: str, weight: Floats, bias: float, mean: Floats) -> int:
    """A row of its own, in place of an earlier lesson of that label with that encoder."""
    sha256 = hashlib.sha256(f"taught {encoder} {label.casefold()}".encode()).hexdigest()
    labels = msgspec.json.encode([[label, label, None]]).decode()
    with library.writing() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO model (sha256, name, labels) VALUES (?, ?, ?)", (sha256, f"taught: {label}", labels)
        )
        (model,) = connection.execute("SELECT id FROM model WHERE sha256 = ?", (sha256,)).fetchone()
        values = model, encoder, weight.tobytes(), bias, mean.tobytes()
        connection.execute(
            "INSERT OR REPLACE INTO taught (model, encoder, weight, bias, mean) VALUES (?, ?, ?, ?, ?)", values
        )
        connection.execute("DELETE FROM label WHERE model = ?", (model,))
    return int(model)


def apply(library: Library, model: int) -> int:
    """Score photos that were not scored yet by a taught label; how many of them are taken for it."""
    encoder, weight, bias, mean, scored, label = library.rows(
        "SELECT encoder, weight, bias, mean, scored, json_extract(labels, '$[0][0]') FROM taught "
        "JOIN model ON id = model WHERE model = ?",
        model,
    ).fetchone()
    newest = int(str(library.value("SELECT max(id) FROM embedding WHERE model = ?", encoder) or 0))
    if newest <= scored:
        return 0
    direction = np.frombuffer(weight, np.float32)
    middle = np.frombuffer(mean, np.float32) if mean else mean_of(library, encoder)
    best: dict[int, float] = {}
    for numbers, vectors in blocks(library, encoder, newest, scored):
        between = encoder, int(numbers[0]), int(numbers[-1])
        held: dict[int, int] = dict(
            library.rows("SELECT id, photo FROM embedding WHERE model = ? AND id BETWEEN ? AND ?", *between).fetchall()
        )
        scores = sigmoid(STEEP * (unit(vectors.astype(np.float32) - middle) @ direction + bias))
        for number, score in zip(numbers.tolist(), scores.tolist(), strict=True):
            best[held[number]] = max(score, best.get(held[number], 0.0))
    rows = [(photo, model, label, round(score, 4)) for photo, score in best.items() if score >= 0.02]
    with library.writing() as connection:
        connection.executemany("INSERT OR REPLACE INTO label VALUES (?, ?, ?, ?)", rows)
        connection.execute("UPDATE taught SET scored = ? WHERE model = ?", (newest, model))
    return sum(score >= FOUND for score in best.values())


def refresh(library: Library, encoder: int) -> None:
    """Score what an encoder saw since labels were taught."""
    for (model,) in library.rows("SELECT model FROM taught WHERE encoder = ?", encoder).fetchall():
        apply(library, model)


def forget(library: Library, label: str) -> int:
    """Let go of a label that was taught, by every encoder; how many photos had it. What a person said stays.

    Raises BadRequest where none was taught so.
    """
    rows = library.rows("SELECT model, json_extract(labels, '$[0][1]') FROM taught JOIN model ON id = model").fetchall()
    models = [model for model, name in rows if normal(name) == normal(label)]
    if not models:
        names = ", ".join(sorted({name for _, name in rows}))
        raise BadRequest(f"No label {label} was taught{f'; there are: {names}' if names else ''}.")
    some = ",".join(map(str, models))
    with library.writing() as connection:
        (count,) = connection.execute(
            f"SELECT count(DISTINCT photo) FROM label WHERE model IN ({some}) AND score >= {FOUND}"
        ).fetchone()
        for table, column in (("label", "model"), ("taught", "model"), ("model", "id")):
            connection.execute(f"DELETE FROM {table} WHERE {column} IN ({some})")
    return int(count)


def mean_of(library: Library, encoder: int) -> Floats:
    """(D,), of the embeddings of an encoder."""
    total, count = np.zeros(1, np.float64), 0
    for _, vectors in blocks(library, encoder):
        total = total + vectors.sum(0, dtype=np.float64)
        count += len(vectors)
    if not count:
        raise BadRequest("The library is empty: eyebright index FOLDER fills it.")
    return np.asarray(total / count, np.float32)


def sigmoid(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)), np.float32)
