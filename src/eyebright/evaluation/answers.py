"""What a model says of every picture of a data set, beside what is true: all that evaluation looks at.

data set + model file -> in_terms_of (the data set with the model's labels) -> ask (scores, logits, embeddings)
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.data import Dataset, Item
from eyebright.data.split import place
from eyebright.errors import BadPicture, BadRequest
from eyebright.modelfile import Metadata, ModelFile
from eyebright.preprocessing import Pixels, fit, shorter_side
from eyebright.runtime import Runtime

Floats = NDArray[np.floating[Any]]
TOGETHER = 4  # pictures that a worker takes at a time
NAMED = 5  # labels that a sentence names


class Answers(NamedTuple):
    """Rows are pictures, columns the model's labels."""

    items: tuple[Item, ...]
    """Those that could be read."""
    outputs: dict[str, NDArray[np.float32]]
    """What was asked for, by name: `scores` (N, L) in 0..1, `logits` (N, L), `embedding` (N, D)."""
    targets: NDArray[np.float32]
    """(N, L): 1 where the label holds, 0 where not, NaN where nobody checked."""
    failed: tuple[str, ...]
    """A sentence for each picture that could not be read."""
    seconds: float


class Told(NamedTuple):
    """A data set in a model's words, and what of it had to be left out, in sentences."""

    data: Dataset
    remarks: tuple[str, ...]


def in_terms_of(metadata: Metadata, data: Dataset) -> Told:
    """The same pictures with the model's labels, matched by id or else by name, whatever their case.

    A picture whose only labels the model does not know is left out; a label of which the data has no word counts, where
    labels are many, as one that nobody checked. Raises BadRequest where nothing is left, or where pictures with many
    labels meet a model that gives one.
    """
    if data.task == "multi" and metadata.task != "multi":
        raise BadRequest(
            f"{data.name} has many labels a picture and the model names one: it can be judged by pictures of one label."
        )
    ids = {label.id: at for at, label in enumerate(metadata.labels)}
    names = {label.label.casefold(): at for at, label in enumerate(metadata.labels)}
    place = [ids.get(label.id, names.get(label.label.casefold(), -1)) for label in data.labels]
    if data.task == metadata.task == "binary" and place[1] == 1:
        place[0] = 0  # what is not there has many names
    missing = [label.label for label, at in zip(data.labels, place, strict=True) if at < 0]
    unsaid = tuple(at for at in range(len(metadata.labels)) if at not in place)
    if len(missing) == len(data.labels):
        raise BadRequest(
            f"The model knows none of the labels of {data.name} ({named(missing)}); it knows "
            f"{named([label.label for label in metadata.labels])}."
        )
    items = []
    for item in data.items:
        labels = tuple(sorted({place[at] for at in item.labels if place[at] >= 0}))
        if not labels and (item.labels or metadata.task != "multi"):
            continue
        unknown = {place[at] for at in item.unknown if place[at] >= 0} - set(labels)
        if metadata.task == "multi":
            unknown |= set(unsaid)
        items.append(replace(item, labels=labels, unknown=tuple(sorted(unknown))))
    remarks = []
    if missing:
        out = len(data.items) - len(items)
        remarks.append(
            f"The model does not know {named(missing)}" + (f"; their {out:,} pictures are left out." if out else ".")
        )
    if unsaid:
        remarks.append(f"No picture of {named([metadata.labels[at].label for at in unsaid])} in {data.name}.")
    if not items:
        raise BadRequest(f"No picture of {data.name} has a label that the model knows. {' '.join(remarks)}")
    return Told(
        replace(data, items=tuple(items), labels=metadata.labels, task=metadata.task, remarks=data.remarks),
        tuple(remarks),
    )


def ask(
    data: Dataset,
    model: ModelFile,
    runtime: Runtime,
    outputs: Sequence[str] = ("scores",),
    threads: int = 1,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Answers:
    """Show every picture to the model; one that cannot be read is named and left out.

    `data` has the model's labels (`in_terms_of`); `told` hears how many of how many are done.
    """
    spec = model.metadata.input
    shorter = shorter_side(spec)
    began = time.perf_counter()

    def some(items: Sequence[Item]) -> tuple[list[Item], list[NDArray[np.float32]], list[str]]:
        seen: list[Item] = []
        pixels: list[Pixels] = []
        failed: list[str] = []
        for item in items:
            try:
                pixels.append(fit(data.picture(item, shorter), spec))
                seen.append(item)
            except BadPicture as error:
                failed.append(str(error))
        return seen, runtime.run(np.stack(pixels), outputs) if pixels else [], failed

    parts = [data.items[start : start + TOGETHER] for start in range(0, len(data.items), TOGETHER)]
    items: list[Item] = []
    rows: list[list[NDArray[np.float32]]] = []
    failed: list[str] = []
    pool = ThreadPoolExecutor(threads)
    try:
        for number, (seen, found, wrong) in enumerate(pool.map(some, parts), 1):
            items += seen
            failed += wrong
            if seen:
                rows.append(found)
            told(min(number * TOGETHER, len(data.items)), len(data.items))
    finally:
        pool.shutdown(cancel_futures=True)
    if not items:
        raise BadRequest(
            f"None of the {len(data.items):,} pictures could be read: {failed[0] if failed else 'no items'}"
        )
    whole = [np.concatenate(each) for each in zip(*rows, strict=True)]
    return Answers(
        tuple(items),
        dict(zip(outputs, whole, strict=True)),
        data.only(items).targets(),
        tuple(failed),
        time.perf_counter() - began,
    )


def halves(items: Sequence[Item]) -> NDArray[np.bool_]:
    """(N,): which pictures are in the first of two halves, by their names alone: one to choose on, one to prove on."""
    return np.array([place(f"half {item.name}") < 0.5 for item in items], bool)


def named(labels: Sequence[str]) -> str:
    """Some words for a sentence, the rest counted.

    >>> named(["cat", "dog"]), named(list("abcdefgh"))
    ('cat, dog', 'a, b, c, d, e and 3 more')
    """
    rest = len(labels) - NAMED
    return ", ".join(labels[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
