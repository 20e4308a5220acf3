"""Why a model gave a label: what at each place of a picture speaks for it, and what against it.

photo + model file -> the labels to explain -> a class activation map where the graph allows it, occlusion elsewhere
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyebright import images
from eyebright.bounds import LIMITS, Limits
from eyebright.errors import BadModelFile, BadPicture, BadRequest
from eyebright.evaluation.explain.activation_map import linear_head
from eyebright.evaluation.explain.occlusion import hidden, shared
from eyebright.labels import Hierarchy
from eyebright.modelfile import OUTPUTS, Label, Metadata, ModelFile
from eyebright.preprocessing import crop_box, fit, shorter_side
from eyebright.recognize.sources import name_of
from eyebright.runtime import Runtime

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]
Photo = str | os.PathLike[str] | bytes | Image.Image
Method = Literal["class activation map", "occlusion"]

MOST = 3
"""Labels that are explained at once."""
LEAST = 1e-7
"""A score that stands for none, so that its log-odds are finite."""


@dataclass(frozen=True)
class Evidence:
    """What in a picture speaks for a label; with `against`, for it rather than for the other."""

    label: Label
    score: float
    """0..1"""
    map: Floats
    """(h, w) over the box, rows from the top, in logits: over 0 speaks for the label, under 0 against it."""
    method: Method
    logit: float
    """What is explained; with `against` a difference of two; log-odds of the score where a model gives no logits."""
    against: Label | None = None
    bias: float = 0.0
    """Of a class activation map: its mean plus this is the logit."""
    exact: bool = False
    """Whether that holds but for float rounding; a head in 8 bits rounds more."""

    @property
    def off(self) -> float:
        """How far a class activation map's mean plus its bias is from the logit."""
        return abs(float(self.map.mean(dtype=np.float64)) + self.bias - self.logit)


@dataclass(frozen=True)
class Explanation:
    """One picture, and what in it speaks for its labels."""

    size: tuple[int, int]
    """Width and height of the upright picture in pixels."""
    box: Box
    """Left, top, right, bottom, in those pixels, of what the model saw of it: where the maps lie."""
    evidence: tuple[Evidence, ...]
    """Of one label, up to MOST."""
    embedding: Floats | None
    """(D,), where the model file gives one."""


class Question(NamedTuple):
    """Places among the model's labels: why `label`; or why `label` rather than `against`."""

    label: int
    against: int | None

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """(..., L) -> (...): what is asked for, of logits, weights or biases."""
        asked: NDArray[Any] = values[..., self.label]
        return asked if self.against is None else asked - values[..., self.against]


def explain(
    photo: Photo,
    model: ModelFile,
    runtime: Runtime,
    labels: Sequence[str] = (),
    beside: str | None = None,
    threads: int = 1,
    limits: Limits = LIMITS,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Explanation:
    """What in a picture speaks for labels of a model.

    photo   a path, the bytes of a file, or a PIL image; of an animated one the first frame
    labels  up to MOST ids or names; by default the best one, or where labels are many those that are on
    beside  another label: why the one rather than this; of yes or no it is always the other one
    told    hears how many of how many squares were hidden, where it has to be occlusion

    Raises BadPicture, BadRequest, BadModelFile.
    """
    spec = model.metadata.input
    picture, size = opened(photo, shorter_side(spec), limits)
    pixels = fit(picture, spec)
    names = [name for name in OUTPUTS if name in runtime.outputs]
    outputs = {name: rows[0] for name, rows in zip(names, runtime.run(pixels[None], names), strict=True)}
    questions = questions_of(model.metadata, outputs["scores"], labels, beside)
    head = None
    if {"features", "logits"} <= outputs.keys():
        head = linear_head(model, outputs["features"], outputs["logits"])
    output = "logits" if "logits" in outputs else "scores"
    whole = in_logits(outputs[output], output)
    if head:
        maps = [np.tensordot(question.of(head.weight.T), outputs["features"], 1) for question in questions]
    else:
        without = in_logits(hidden(pixels, runtime, output, threads, told), output)
        maps = [shared(question.of(whole) - question.of(without)) for question in questions]
    if not all(np.isfinite(values).all() for values in maps):
        raise BadModelFile(f"{model.path}: what it says of this picture are no numbers.")
    known = model.metadata.labels
    evidence = tuple(
        Evidence(
            label=known[question.label],
            score=float(outputs["scores"][question.label]),
            map=values.astype(np.float32),
            method="class activation map" if head else "occlusion",
            logit=float(question.of(whole)),
            against=None if question.against is None else known[question.against],
            bias=float(question.of(head.bias)) if head else 0.0,
            exact=head is not None and head.exact,
        )
        for question, values in zip(questions, maps, strict=True)
    )
    return Explanation(size, crop_box(*size, spec.crop), evidence, outputs.get("embedding"))


def opened(photo: Photo, shorter: int, limits: Limits) -> tuple[Image.Image, tuple[int, int]]:
    """A picture as `predict` sees it, perhaps reduced, and its width and height in full. Raises BadPicture."""
    if isinstance(photo, Image.Image):
        picture = images.upright_srgb(photo)
        return picture, picture.size
    if isinstance(photo, bytes):
        if images.sniff(photo[: images.HEAD_BYTES]) in images.VIDEOS:
            raise BadRequest("this is a video; one picture at a time is explained: save a frame of it first.")
        return images.decode(photo, shorter, limits), images.upright_size(images.header(photo, limits))
    try:
        return opened(images.read_file(os.fsdecode(photo), limits), shorter, limits)
    except (BadPicture, BadRequest) as error:
        raise type(error)(f"{name_of(os.fsdecode(photo))}: {error}") from None


def questions_of(metadata: Metadata, scores: Floats, labels: Sequence[str], beside: str | None) -> list[Question]:
    """Which labels to explain, and against which. Raises BadRequest."""
    if labels:
        places = list(dict.fromkeys(place_of(metadata, name) for name in labels))
    else:
        places = np.argsort(-scores, kind="stable").tolist()
        needed = Hierarchy.of(metadata).needed(thresholds=metadata.thresholds)
        on = [at for at in places if scores[at] >= needed[at]] if metadata.task == "multi" else []
        places = on[:MOST] or places[:1]
    if len(places) > MOST:
        raise BadRequest(f"at most {MOST} labels are explained at once; {len(places)} were named.")
    if beside is None:
        return [Question(at, 1 - at if metadata.task == "binary" else None) for at in places]
    other = place_of(metadata, beside)
    if other in places:
        raise BadRequest(f"{metadata.labels[other].label!r} stands on both sides of the comparison; name two labels.")
    return [Question(at, other) for at in places]


def place_of(metadata: Metadata, name: str) -> int:
    """Where a label stands among the model's, by its id or else its name, whatever the case. Raises BadRequest."""
    labels = Hierarchy.of(metadata)
    ids = [node.id for node in labels.nodes]
    names = [node.label.casefold() for node in labels.nodes]
    if name not in ids and name.casefold() not in names:
        near = get_close_matches(name.casefold(), names[: labels.num_labels], 1)
        perhaps = f"; did you mean {labels.nodes[names.index(near[0])].label!r}?" if near else "."
        raise BadRequest(f"{metadata.name} has no label {name!r}{perhaps}")
    node = ids.index(name) if name in ids else names.index(name.casefold())
    if node >= labels.num_labels:
        below = [labels.nodes[at].label for at in range(labels.num_labels) if node in labels.ancestors(at)]
        raise BadRequest(
            f"{name!r} is no label of {metadata.name} but stands above some; name one of them: {', '.join(below[:5])}."
        )
    return node


def in_logits(values: Floats, output: str) -> Floats:
    """Logits as they are; scores as log-odds."""
    if output == "logits":
        return values
    scores = np.clip(values, LEAST, 1 - LEAST)
    odds: Floats = np.log(scores / (1 - scores))
    return odds
