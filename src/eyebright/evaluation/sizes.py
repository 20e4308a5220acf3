"""What a smaller input costs: one model file, the same pictures at several sizes, each against the first of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from eyebright import modelfile
from eyebright.errors import BadRequest
from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.compare.difference import Difference, compare
from eyebright.evaluation.per_class import given
from eyebright.modelfile import Figure, Metadata, ModelFile


class AtSize(NamedTuple):
    """What a model is worth at one size of its input."""

    size: int
    """Pixels a side."""
    figures: dict[str, Figure]
    differences: dict[str, Difference]
    """This size less the first one, paired, by figure; empty for the first."""


def parse(metadata: Metadata, text: str) -> list[int]:
    """The sizes in "224,192,160", in their order. Raises BadRequest for any that the model file does not list."""
    try:
        sizes = list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise BadRequest(f"--sizes takes whole numbers with commas between, as 224,192,160; got {text!r}.") from None
    allowed = sorted({metadata.input.size, *metadata.input.sizes})
    for size in sizes:
        if size not in allowed:
            raise BadRequest(
                f"{metadata.name} takes pictures of side {', '.join(map(str, allowed))}; {size} is not among them."
            )
    if len(sizes) < 2:
        raise BadRequest(f"--sizes compares two or more sizes with the first of them; there is only {sizes[0]}.")
    return sizes


def at_size(file: ModelFile, size: int) -> ModelFile:
    """The same model file with another size, one that it lists, as its own."""
    spec = file.metadata.input
    changed = msgspec.structs.replace(spec, size=size, sizes=tuple(sorted({spec.size, *spec.sizes})))
    return modelfile.from_bytes(modelfile.rewritten(file, input=changed), file.path)


def compare_sizes(scores: Mapping[int, Floats], targets: Floats, metadata: Metadata) -> list[AtSize]:
    """From scores (N, L) at each of two sizes or more, and targets (N, L): the sizes in their order."""
    first, *others = scores
    base = scores[first]
    said = given(base, metadata)
    found: list[AtSize] = []
    for size in others:
        against = compare(base, scores[size], targets, metadata.task, said, given(scores[size], metadata)).figures
        if not found:
            found.append(AtSize(first, {name: one.a for name, one in against.items()}, {}))
        found.append(AtSize(size, {name: one.b for name, one in against.items()}, against))
    return found


def shared(kept: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each size, the rows of those pictures (by their ids) that could be read at all of them."""
    everywhere = set.intersection(*(set(ids) for ids in kept))
    return [np.flatnonzero([id in everywhere for id in ids]).tolist() for ids in kept]
