"""Only the labels that an app needs: the last layer loses the rows of the others, and the file what is no longer true.

The logits of the labels that stay are what they were. Where one label is given, scores are shared among fewer.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import onnx

from eyebright import modelfile, selftest
from eyebright.errors import BadModelFile, BadRequest
from eyebright.evaluation.answers import named
from eyebright.export.cut import with_rows
from eyebright.labels import Hierarchy
from eyebright.modelfile import Card, Golden, Label, Metadata, ModelFile
from eyebright.preprocessing import Pixels
from eyebright.runtime import open_runtime

CLOSE = 1e-5
"""By how much of the largest one a logit may differ: a product over fewer rows may be added in another order."""
OF_LABELS = ("max_logit", "energy")
"""Ways to say none of these that look at all logits."""
MOST_BYTES = 8_000_000  # of a file of labels


class Trimmed(NamedTuple):
    """A model file's bytes, and what became of its labels."""

    data: bytes
    labels: tuple[Label, ...]
    left_out: tuple[str, ...]
    """What the file said that was only true of all its labels, in words."""


def trim(file: ModelFile, labels: Sequence[str]) -> Trimmed:
    """A model file of some of its labels, in their order; what stands above labels stands for all under it.

    `labels` are ids or names, whatever their case. Raises BadRequest where that cannot be meant or done.
    """
    metadata = file.metadata
    rows = places(metadata, labels)
    refuse(metadata, rows)
    if metadata.head is None:
        raise BadRequest(f"{metadata.name} cannot be trimmed: {why_no_head(file)}")
    before = onnx.load_from_string(file.data)
    try:
        graph = with_rows(before, metadata.head, rows, len(metadata.labels))
    except BadRequest as error:
        raise BadRequest(f"{metadata.name} cannot be trimmed: {error}") from None
    said, left_out = told(metadata, rows, values(before) - values(graph))
    data = sealed(graph, said, metadata.golden, file.path)
    must_agree(file, modelfile.from_bytes(data, file.path), rows)
    return Trimmed(data, said.labels, left_out)


def read_labels(text: str) -> list[str]:
    """What `--labels` names: labels with commas between, or a text file that ends in .txt and has one a line."""
    if not text.endswith(".txt"):
        return [name.strip() for name in text.split(",") if name.strip()]
    try:
        with open(Path(text), "rb") as source:
            content = source.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise BadRequest(f"{text} is over {MOST_BYTES // 10**6} MB; a file of labels has one a line.")
        lines = content.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise BadRequest(f"{text}: {(error.strerror or str(error)).lower()}.") from None
    except (UnicodeDecodeError, ValueError):
        raise BadRequest(f"{text} is no text in UTF-8; a file of labels has one a line.") from None
    return [line.strip() for line in lines if line.strip()]


def places(metadata: Metadata, wanted: Sequence[str]) -> list[int]:
    """Where the labels stand among the model's, rising, each once. Raises BadRequest."""
    hierarchy = Hierarchy.of(metadata)
    found: set[int] = set()
    for name in wanted:
        node = place_of(metadata, hierarchy, name)
        if node < hierarchy.num_labels:
            found.add(node)
        else:
            found.update(leaf for leaf in range(hierarchy.num_labels) if node in hierarchy.ancestors(leaf))
    return sorted(found)


def place_of(metadata: Metadata, hierarchy: Hierarchy, name: str) -> int:
    """The node of an id, or else of a name. Raises BadRequest, with the nearest name or the ids to choose from."""
    ids = [node.id for node in hierarchy.nodes]
    if name in ids:
        return ids.index(name)
    names = [node.label.casefold() for node in hierarchy.nodes]
    called = [at for at, one in enumerate(names) if one == name.casefold()]
    if len(called) > 1:
        which = named([ids[at] for at in called])
        raise BadRequest(f"{len(called)} labels are called {name!r}; say which by its id: {which}.")
    if not called:
        near = get_close_matches(name.casefold(), names, 1)
        known = named([label.label for label in metadata.labels])
        perhaps = f"did you mean {hierarchy.nodes[names.index(near[0])].label!r}?" if near else f"it has {known}."
        raise BadRequest(f"{metadata.name} has no label {name!r}; {perhaps}")
    return called[0]


def refuse(metadata: Metadata, rows: Sequence[int]) -> None:
    """Raise BadRequest where so few or so many labels make no sense."""
    if metadata.task == "binary":
        raise BadRequest(f"{metadata.name} tells yes from no; of its two labels none can be left out.")
    least = 1 if metadata.task == "multi" else 2
    if len(rows) < least:
        why = " to choose between" if least == 2 else ""
        raise BadRequest(f"A model needs at least {least} label{'s' * (least > 1)}{why}; {len(rows)} would be left.")
    if len(rows) == len(metadata.labels):
        raise BadRequest(f"These are all {len(rows):,} labels of {metadata.name}: there is nothing to leave out.")


def why_no_head(file: ModelFile) -> str:
    """Of a model file that names no last layer."""
    made_here = any(node.name.startswith("head.") for node in onnx.load_from_string(file.data).graph.node)
    if made_here:
        return "its head (trees, neighbors, kernels or several layers) computes all labels together."
    return "it comes from elsewhere, and which of its weights belong to which label is not known."


def told(metadata: Metadata, rows: Sequence[int], cut: int) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata for these labels alone, and what was left out of it. `cut` numbers went from the graph.

    Of many labels each has its own score, so what is known of one stays true; where one is given they share.
    """
    labels = tuple(metadata.labels[at] for at in rows)
    ids = {label.id for label in labels}
    alone = metadata.task == "multi"
    card, count = metadata.card, len(metadata.labels)
    abstain = metadata.abstain if metadata.abstain and metadata.abstain.method not in OF_LABELS else None
    changed: dict[str, Any] = {
        "thresholds": {id: one for id, one in metadata.thresholds.items() if alone and id in ids},
        "promises": {id: one for id, one in metadata.promises.items() if alone and id in ids},
        "selective": (),
        "sets": None,
        "abstain": abstain,
    }
    figures: dict[str, Any] = {
        "metrics": {},
        "per_class": {id: one for id, one in card.per_class.items() if alone and id in ids},
        "latencies": (),
    }
    lost = [WORDS[name] for name in changed if getattr(metadata, name) and not changed[name]]
    lost += [WORDS[name] for name in figures if getattr(card, name) and not figures[name]]
    names = [label.label for label in labels]
    new_card: Card = msgspec.structs.replace(
        card,
        description=f"Knows {named(names)}.",
        limits="It looks for its labels and for nothing else."
        if alone
        else "What is none of its labels gets the name of one that is.",
        parameters=card.parameters and card.parameters - cut,
        lineage=(*card.lineage, f"trimmed to {len(rows):,} of {count:,} labels"),
        calibration=f"{card.calibration}; for all {count:,} labels, before it was trimmed",
        **figures,
    )
    said: Metadata = msgspec.structs.replace(  # its golden pictures are made last
        metadata,
        name=f"{re.sub(r', trimmed to [0-9,]+$', '', metadata.name)[:450]}, trimmed to {len(rows):,}",
        labels=labels,
        hierarchy=above(metadata, rows),
        golden=selftest.placeholder(metadata.input.size, len(rows)),
        card=new_card,
        **changed,
    )
    return said, tuple(lost)


WORDS = {
    "thresholds": "thresholds",
    "promises": "what they promised",
    "selective": "promises of accuracy",
    "sets": "sets of labels",
    "abstain": "when to say none of these",
    "metrics": "figures",
    "per_class": "figures of each label",
    "latencies": "latencies",
}


def above(metadata: Metadata, rows: Sequence[int]) -> tuple[Label, ...]:
    """The nodes of the hierarchy that some of these labels stand under."""
    hierarchy = Hierarchy.of(metadata)
    needed = {node - hierarchy.num_labels for row in rows for node in hierarchy.ancestors(row)}
    return tuple(node for at, node in enumerate(metadata.hierarchy) if at in needed)


def sealed(graph: onnx.ModelProto, metadata: Metadata, before: Golden, path: str) -> bytes:
    """The model file, with golden pictures made by running it, as strict as before."""
    runtime = open_runtime(modelfile.from_bytes(modelfile.attach(graph, metadata), path))
    golden = selftest.make(runtime, metadata.input.size, before.tolerance, before.same_top)
    return modelfile.attach(graph, msgspec.structs.replace(metadata, golden=golden))


def must_agree(before: ModelFile, after: ModelFile, rows: Sequence[int]) -> None:
    """Raise BadModelFile where the logits of the labels that stay are not what they were."""
    images = pictures(before)
    try:
        expected = open_runtime(before).run(images, ["logits"])[0][:, rows]
        found = open_runtime(after).run(images, ["logits"])[0]
    except BadModelFile as error:
        raise BadRequest(f"{before.metadata.name} cannot be trimmed: {error}") from None
    off = float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf
    if not off <= CLOSE * max(float(np.abs(expected).max()), 1.0):
        raise BadRequest(
            f"{before.metadata.name} cannot be trimmed: without the other labels it says something else of these "
            f"(a logit is off by {off:.2g})."
        )


def pictures(file: ModelFile) -> Pixels:
    """(4, size, size, 3) to try a graph with: a golden picture of its own, and noise."""
    size = file.metadata.input.size
    noise: Pixels = np.random.default_rng(0).integers(0, 256, (4, size, size, 3)).astype(np.uint8)
    golden = selftest.pixels(file.metadata.golden.pictures[0])
    if golden.shape == noise[0].shape:
        noise[0] = golden
    return noise


def values(model: onnx.ModelProto) -> int:
    """Numbers of the last layer and all others, without scales and zero points."""
    return sum(
        int(np.prod(tensor.dims))
        for tensor in model.graph.initializer
        if not tensor.name.endswith(("_scale", "_zero_point"))
    )
