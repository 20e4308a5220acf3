"""A foreign graph between two ends of our own: bytes in front, scores, logits and embedding behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, TensorProto, compose, helper, numpy_helper

from eyebright import selftest, trial
from eyebright.errors import BadModelFile, BadRequest
from eyebright.foreign.batch import free_batch
from eyebright.foreign.choices import Activation, Choices
from eyebright.foreign.names import labels_for
from eyebright.foreign.told import Told, learn
from eyebright.foreign.zeroshot import ZeroShot
from eyebright.labels import negative_of
from eyebright.modelfile import Card, Head, Input, Label, Metadata, Task, attach, from_bytes
from eyebright.runtime import Floats, open_runtime

_PREFIX = "net/"


@dataclass(frozen=True)
class Wrapped:
    """A model file's bytes, and what was read and guessed on the way, a line each."""

    data: bytes
    remarks: Sequence[str]


def wrap(path: Path, choices: Choices, zero_shot: ZeroShot | None = None) -> Wrapped:
    """A model file from any ONNX classifier, or from an encoder and a head. Raises BadModelFile, BadRequest."""
    told = learn(path, choices, zero_shot)
    if told.batch:
        free_batch(told.model.graph, told.image, told.batch)
    model = compose.add_prefix(told.model, _PREFIX)
    graph = model.graph
    _front(graph, told, choices.bgr)
    _features(graph, told)
    raw, width = _try(model, told, path)

    count = raw.shape[1]
    activation = _activation(raw, told, choices.activation, path)
    labels, hierarchy = labels_for(_two_names(told.names, path) if count == 1 else told.names, max(count, 2), path)
    if told.names is None:
        told.remarks.append(f"labels: ImageNet's, as there are {count} outputs (--labels)")
    task: Task = "multi" if activation == "sigmoid" or not _sum_to_one(raw, activation) else "single"
    if count == 1 or choices.positive is not None:
        turned = _positive_first(labels, task if count > 1 else "binary", choices.positive, path)
        labels, task = (labels[::-1] if turned else labels), "binary"
        told.remarks.append(f"task: yes/no, {labels[1].label!r} is looked for (--positive)")
    else:
        turned = False
        told.remarks.append(f"task: {'one label a picture' if task == 'single' else 'several labels a picture'}")
    _back(graph, count, activation, turned)
    _declare(graph, len(labels), width)
    metadata = Metadata(
        format=1,
        name=choices.name or path.stem,
        task=task,
        labels=labels,
        hierarchy=hierarchy,
        input=Input(size=told.size, crop=told.crop, interpolation=choices.interpolation),
        temperature="temperature" if activation != "none" else None,
        head=_prefixed(told.head) if count > 1 and not turned else None,
        golden=selftest.placeholder(told.size, len(labels)),
        card=Card(
            description=f"Wrapped from {path.name}.",
            licence=choices.licence,
            data="not stated",
            lineage=(f"{path.name}, {model.producer_name or 'unknown producer'} {model.producer_version}".strip(),),
            precision=told.precision,
        ),
    )
    data = selftest.seal(model, metadata, str(path))
    from_bytes(data, str(path))  # what the gate and the format refuse is not written
    return Wrapped(data, told.remarks)


def _front(graph: GraphProto, told: Told, bgr: bool) -> None:
    """image uint8 (N, H, W, 3) -> what the foreign graph takes."""
    rest = list(graph.node)
    del graph.node[:]
    at = "image"
    if bgr:
        at = _add(graph, "Gather", [at, _constant(graph, "bgr", np.array([2, 1, 0]))], "pixels.bgr", axis=3)
    if told.element != TensorProto.UINT8:
        at = _add(graph, "Cast", [at], "pixels.float", to=TensorProto.FLOAT)
        if told.mean.any():
            mean = _constant(graph, "mean", told.mean.astype(np.float32))
            at = _add(graph, "Sub", [at, mean], "pixels.centered")
        if (told.std != 1).any():
            at = _add(graph, "Div", [at, _constant(graph, "std", told.std.astype(np.float32))], "pixels.normalized")
        if told.element != TensorProto.FLOAT:
            at = _add(graph, "Cast", [at], "pixels.cast", to=told.element)
    if told.layout == "nchw":
        at = _add(graph, "Transpose", [at], "pixels.planes", perm=[0, 3, 1, 2])
    _add(graph, "Identity", [at], _PREFIX + told.image)
    graph.node.extend(rest)
    del graph.input[:]
    sides = [told.size] * 2 if told.fixed_size else ["height", "width"]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *sides, 3]))


def _features(graph: GraphProto, told: Told) -> None:
    """The foreign graph's end -> output (N, L), and embedding (N, D) where it was found; both float."""
    _add(graph, "Cast", [_PREFIX + told.logits], "output.float", to=TensorProto.FLOAT)
    _add(graph, "Flatten", ["output.float"], "output", axis=1)
    if told.embedding:
        at = _add(graph, "Cast", [_PREFIX + told.embedding], "embedding.float", to=TensorProto.FLOAT)
        if not told.pooled:
            at = _add(graph, "GlobalAveragePool", [at], "embedding.pooled")
        _add(graph, "Flatten", [at], "embedding", axis=1)


def _try(model: ModelProto, told: Told, path: Path) -> tuple[Floats, int | None]:
    """The output (2, L) for two pictures of noise, and the width of the embedding; in a child's care first."""
    graph = model.graph
    _add(graph, "Identity", ["output"], "scores")
    del graph.output[:]
    _declare(graph, None, None)
    unknown = Metadata(
        format=1,
        name="unknown",
        task="single",
        labels=(Label("x", "x"),),
        input=Input(told.size),
        golden=selftest.placeholder(told.size, 1),
    )
    file = from_bytes(attach(model, unknown), str(path))
    try:
        trial.probe(file)
    except BadModelFile as error:
        why = ""
        if told.batch:
            advised = "free batch size" in str(error)
            why = (
                f" It was exported for {told.batch} at a time{'' if advised else ': export it with a free batch size'}."
            )
        elif not told.fixed_size:
            why = f" If {told.size} x {told.size} is not what it takes, say --size."
        raise BadModelFile(f"{path}: {str(error).removeprefix(f'{path}: ')}{why}") from None
    noise = np.random.default_rng(0).integers(0, 256, (2, told.size, told.size, 3)).astype(np.uint8)
    raw, *features = open_runtime(file).run(noise, [value.name for value in graph.output])
    del graph.output[:]
    graph.node.pop()
    return raw, features[0].shape[1] if features else None


def _activation(raw: Floats, told: Told, wanted: Activation | None, path: Path) -> Activation:
    """What makes scores of the output `raw`."""
    own, one = told.activation, raw.shape[1] == 1
    if own is not None:
        if wanted not in (None, "none", own):
            raise BadRequest(
                f"{path}: it ends with a {own} of its own, so --activation {wanted} would be a second one."
            )
        told.remarks.append(f"activation: {own}, its own last step")
        return own
    if wanted is None and not one and _sum_to_one(raw, "none"):
        told.remarks.append("activation: none, as its outputs are 0..1 and sum to 1 (--activation)")
        return "none"
    if wanted is None:
        wanted = "sigmoid" if one else "softmax"
        told.remarks.append(f"activation: {wanted} is added, as it ends without one (--activation)")
    if wanted == "none" and (raw.min() < 0 or raw.max() > 1):
        raise BadRequest(
            f"{path}: its outputs are no scores of 0..1 (they reach {raw.min():.3g} and {raw.max():.3g}): "
            "--activation softmax or sigmoid."
        )
    return wanted


def _sum_to_one(raw: Floats, activation: Activation) -> bool:
    """Whether the scores of a picture sum to 1."""
    return activation == "softmax" or bool(raw.min() >= 0 and np.allclose(raw.sum(axis=1), 1, atol=1e-3))


def _two_names(names: Sequence[str] | None, path: Path) -> Sequence[str]:
    if names is None:
        raise BadRequest(
            f"{path}: no names for its 1 output: --labels FILE of two lines, the label that it scores last."
        )
    return [f"not {names[0]}", names[0]] if len(names) == 1 else names


def _positive_first(labels: tuple[Label, ...], task: Task, positive: str | None, path: Path) -> bool:
    """Whether the label that is looked for comes first, so that the two must change places."""
    names = [label.label for label in labels]
    if len(names) != 2 or task == "multi":
        what = "several labels a picture" if task == "multi" else f"{len(names)} labels"
        raise BadRequest(f"{path}: --positive is for a choice between two labels; this model has {what}.")
    if positive is None:
        return negative_of(*names) == 1
    if positive not in names:
        raise BadRequest(f"{path}: no label is called {positive!r}; --positive is {names[0]!r} or {names[1]!r}.")
    return positive == names[0]


def _back(graph: GraphProto, count: int, activation: Activation, turned: bool) -> None:
    """output (N, L) -> logits and scores, which are the same where no activation is left.

    One output z becomes the two logits 0 and z, whose softmax is 1 - sigmoid(z) and sigmoid(z).
    """
    at = "output"
    if count == 1:
        whole = _constant(graph, "one", np.ones((), np.float32)) if activation == "none" else at
        at = _add(graph, "Concat", [_add(graph, "Sub", [whole, at], "output.no"), at], "output.both", axis=1)
    if turned:
        at = _add(graph, "Gather", [at, _constant(graph, "order", np.array([1, 0]))], "output.turned", axis=1)
    if activation == "none":
        _add(graph, "Identity", [at], "scores")
        return
    _add(graph, "Identity", [at], "logits")
    temperature = _constant(graph, "temperature", np.ones((), np.float32))
    at = _add(graph, "Div", ["logits", temperature], "logits.tempered")
    if activation == "softmax" or count == 1:
        _add(graph, "Softmax", [at], "scores", axis=1)
    else:
        _add(graph, "Sigmoid", [at], "scores")


def _declare(graph: GraphProto, count: int | None, width: int | None) -> None:
    """The graph's outputs: those of the contract that it computes."""
    computed = {name for node in graph.node for name in node.output}
    for name, size in (("scores", count), ("logits", count), ("embedding", width)):
        if name in computed:
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size]))


def _prefixed(head: Head | None) -> Head | None:
    return head and Head(_PREFIX + head.weight, head.bias and _PREFIX + head.bias)


def _constant(graph: GraphProto, name: str, values: npt.NDArray[Any]) -> str:
    graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def _add(graph: GraphProto, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
    graph.node.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
    return output
