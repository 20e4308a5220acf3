"""Other people's ONNX classifiers, wrapped into the model file's contract so that they work here from day one.

What the file itself tells is read from it and said: layout, size, whether it normalizes and activates by itself, the
labels of an Ultralytics export, ImageNet's labels where there are a thousand outputs, the embedding (what goes into
the last layer).
"""

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, compose, helper, numpy_helper

from eyebright import gate, labels, selftest
from eyebright.errors import BadModelFile, BadRequest
from eyebright.modelfile import KEY, Card, Head, Input, Label, Metadata, Task, attach, from_bytes

Layout = Literal["nchw", "nhwc"]
Activation = Literal["softmax", "sigmoid", "none"]
Three = tuple[float, float, float]

IMAGENET_MEAN: Three = (0.485, 0.456, 0.406)
IMAGENET_STD: Three = (0.229, 0.224, 0.225)
_PREFIX = "net/"


@dataclass
class Choices:
    """How the foreign model wants its pictures and what it says; None is read from the file or guessed."""

    label_names: Sequence[str] | None = None
    mean: Three | None = None
    """In units of 0..1, as torchvision has it; values over 1 are taken as 0..255."""
    std: Three | None = None
    size: int | None = None
    crop: float | None = None
    layout: Layout | None = None
    activation: Activation | None = None
    """What is still to be applied to its output; "none" where the output is scores already."""
    positive: str | None = None
    """Makes a `binary` model: the label that is looked for."""
    name: str | None = None
    licence: str = ""
    bgr: bool = False


@dataclass
class Wrapped:
    """A model file's bytes, and what was guessed on the way, a sentence each."""

    data: bytes
    remarks: list[str] = field(default_factory=list)


def wrap(path: Path, choices: Choices) -> Wrapped:
    """A model file from any ONNX classifier. Raises BadModelFile, BadRequest."""
    model, told = _load(path)
    remarks: list[str] = []
    graph = model.graph
    known = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in known]
    if len(inputs) != 1:
        raise BadModelFile(f"{path}: a classifier has one input; this has {len(inputs)}.")
    image, output = inputs[0], graph.output[0].name
    layout, size = _layout_and_size(image, choices, remarks, path)
    logits, activation = _logits(graph, output, choices.activation, remarks)
    embedding, head = _embedding(graph, logits)
    mean, std = _normalization(graph, image, choices, told, remarks)
    _free_batch(model, image)
    names = _names(choices, told)
    model = compose.add_prefix(model, _PREFIX)
    graph = model.graph
    del graph.output[:]
    _front(graph, _PREFIX + image.name, image.type.tensor_type.elem_type, layout, mean, std, choices.bgr)
    _back(model, _PREFIX + logits, activation, _PREFIX + embedding if embedding else None)
    count = _count_labels(model, size, path)
    if count == 1:
        _two_scores(graph)
        count = 2
    if names is None and count in (1000, 1001):
        remarks.append(f"labels: ImageNet's, since there are {count} outputs")
    label_list, hierarchy = _labels(names, count, path)
    task: Task = "multi" if activation == "sigmoid" and count > 2 else "single"
    if choices.positive is not None or (count == 2 and activation == "sigmoid"):
        task = "binary"
        label_list = _positive_second(graph, label_list, choices.positive)
    if embedding:
        remarks.append("embedding: what goes into the last layer")
    crop = choices.crop if choices.crop is not None else (1.0 if "imgsz" in told else 0.875)
    metadata = Metadata(
        format=1,
        name=choices.name or path.stem,
        task=task,
        labels=label_list,
        hierarchy=hierarchy,
        input=Input(size=size, crop=crop, interpolation="bilinear" if "imgsz" in told else "bicubic"),
        temperature="temperature" if activation != "none" else None,
        head=Head(_PREFIX + head[0], _PREFIX + head[1] if head[1] else None) if head else None,
        golden=selftest.placeholder(size, count),
        card=Card(
            description=f"Wrapped from {path.name}.",
            licence=choices.licence,
            data="not stated",
            lineage=(f"{path.name}, {model.producer_name or 'unknown producer'}",),
            precision="int8" if any(node.op_type.startswith("Q") for node in graph.node) else "float32",
        ),
    )
    return Wrapped(selftest.seal(model, metadata, str(path)), remarks)


def read_labels(path: Path) -> list[str]:
    """Label names from a text file (one a line) or JSON (a list, or a dict by index as Keras and torchvision have)."""
    try:
        if path.stat().st_size > 10_000_000:
            raise BadRequest(f"{path}: too large for a list of labels.")
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path}: not a readable list of labels ({error}).") from None
    if text.lstrip()[:1] in ("[", "{"):
        try:
            data = json.loads(text)
            rows = [data[key] for key in sorted(data, key=int)] if isinstance(data, dict) else data
            return [str(row[-1] if isinstance(row, list) else row) for row in rows]
        except (ValueError, TypeError, IndexError, RecursionError):
            raise BadRequest(f"{path}: JSON, but neither a list of labels nor a dict of them by index.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _load(path: Path) -> tuple[ModelProto, dict[str, str]]:
    try:
        with path.open("rb") as file:
            data = file.read(gate.MAX_FILE_BYTES + 1)
        found = gate.inspect(data)
        if KEY in found.metadata:
            raise BadRequest(f"{path} is an Eyebright model file already.")
        model = onnx.load_model_from_string(data)
    except OSError as error:
        raise BadModelFile(f"{path}: {(error.strerror or str(error)).lower()}.") from None
    except BadModelFile as error:
        raise BadModelFile(f"{path}: {error}") from None
    except Exception as error:  # protobuf's DecodeError has no public home
        raise BadModelFile(f"{path}: not an ONNX model ({error}).") from None
    model.ir_version = min(max(model.ir_version, 4), 10)  # from 4 on initializers need not be inputs as well
    return model, {key: value.decode("utf-8", "replace") for key, value in found.metadata.items()}


def _layout_and_size(
    image: onnx.ValueInfoProto, choices: Choices, remarks: list[str], path: Path
) -> tuple[Layout, int]:
    sides = [dim.dim_value for dim in image.type.tensor_type.shape.dim]
    if len(sides) != 4:
        raise BadModelFile(
            f"{path}: its input {image.name!r} is no batch of pictures (it has {len(sides)} dimensions)."
        )
    layout = choices.layout
    if layout is None:
        layout = "nhwc" if sides[3] == 3 and sides[1] != 3 else "nchw"
        remarks.append(f"layout: {layout}, from the shape of its input")
    channels, height, width = (sides[1], *sides[2:]) if layout == "nchw" else (sides[3], *sides[1:3])
    if channels not in (0, 3):
        raise BadModelFile(f"{path}: it takes {channels} channels; only color pictures (3) are supported.")
    size = choices.size or height or width
    if not size:
        size = 224
        remarks.append("size: 224, since the file leaves it open (--size)")
    if (height and height != size) or (width and width != size):
        raise BadRequest(f"{path}: it takes {height} x {width} pixels, which --size {size} is not.")
    return layout, size


def _logits(graph: GraphProto, output: str, wanted: Activation | None, remarks: list[str]) -> tuple[str, Activation]:
    """The tensor before the last activation, and the activation."""
    made_by = {name: node for node in graph.node for name in node.output}
    last = made_by.get(output)
    while last is not None and last.op_type in ("Identity", "Cast", "Flatten", "Squeeze") and last.input[0] in made_by:
        last = made_by[last.input[0]]
    if last is not None and last.op_type in ("Softmax", "Sigmoid") and wanted in (None, last.op_type.lower()):
        remarks.append(f"activation: {last.op_type.lower()}, its own last step")
        return last.input[0], "softmax" if last.op_type == "Softmax" else "sigmoid"
    if wanted is None:
        remarks.append("activation: softmax is added, since it ends without one (--activation)")
    return output, wanted or "softmax"


def _embedding(graph: GraphProto, logits: str) -> tuple[str | None, tuple[str, str | None] | None]:
    """What goes into the last dense layer, and the names of that layer's weight and bias."""
    made_by = {name: node for node in graph.node for name in node.output}
    known = {tensor.name for tensor in graph.initializer}
    node: NodeProto | None = made_by.get(logits)
    bias: str | None = None
    while node is not None and node.op_type in ("Add", "Identity", "DequantizeLinear", "QuantizeLinear", "Squeeze"):
        if node.op_type == "Add":
            bias = next((name for name in node.input if name in known), bias)
        node = next((made_by[name] for name in node.input if name in made_by), None)
    if node is None or node.op_type not in ("Gemm", "MatMul"):
        return None, None
    if node.op_type == "Gemm" and len(node.input) > 2:
        bias = node.input[2]
    weight = node.input[1] if node.input[1] in known else None
    return node.input[0], (weight, bias) if weight else None


def _normalization(
    graph: GraphProto, image: onnx.ValueInfoProto, choices: Choices, told: dict[str, str], remarks: list[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation in units of 0..255."""
    if choices.mean is not None or choices.std is not None:
        mean, std = np.array(choices.mean or (0, 0, 0), float), np.array(choices.std or (1, 1, 1), float)
        scale = 1.0 if max(mean.max(), std.max()) > 1 else 255.0
        if std.min() <= 0:
            raise BadRequest("--std must be over 0.")
        return mean * scale, std * scale
    if image.type.tensor_type.elem_type == TensorProto.UINT8 or _normalizes_itself(graph, image.name):
        remarks.append("normalization: its own first step, so pixels go in as 0..255 (--mean, --std)")
        return np.zeros(3), np.ones(3)
    if "imgsz" in told:
        remarks.append("normalization: 0..1, as Ultralytics exports want it (--mean, --std)")
        return np.zeros(3), np.full(3, 255.0)
    remarks.append(f"normalization: ImageNet's mean {IMAGENET_MEAN} and std {IMAGENET_STD}, a guess (--mean, --std)")
    return np.array(IMAGENET_MEAN) * 255, np.array(IMAGENET_STD) * 255


def _normalizes_itself(graph: GraphProto, image: str) -> bool:
    known = {tensor.name for tensor in graph.initializer}
    known |= {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    at = image
    for node in graph.node:
        if at in node.input:
            if node.op_type in ("Transpose", "Cast", "Identity"):
                at = node.output[0]
            else:
                return node.op_type in ("Sub", "Mul", "Div", "Add") and any(name in known for name in node.input)
    return False


def _free_batch(model: ModelProto, image: onnx.ValueInfoProto) -> None:
    """The number of pictures becomes free, also in an export that fixed it in its reshapes."""
    fixed = image.type.tensor_type.shape.dim[0].dim_value
    image.type.tensor_type.shape.dim[0].dim_param = "N"
    del model.graph.value_info[:]
    if not fixed:
        return
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    constants = [tensor for tensor in model.graph.initializer if tensor.name in shapes]
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output[0] in shapes:
            constants += [attribute.t for attribute in node.attribute if attribute.name == "value"]
    for tensor in constants:
        shape = numpy_helper.to_array(tensor)
        if shape.ndim == 1 and len(shape) and shape[0] == fixed:
            tensor.CopyFrom(numpy_helper.from_array(np.array([0, *shape[1:]], np.int64), tensor.name))  # 0: as it came


def _front(
    graph: GraphProto,
    target: str,
    element: int,
    layout: Layout,
    mean: npt.NDArray[np.float64],
    std: npt.NDArray[np.float64],
    bgr: bool,
) -> None:
    """image uint8 (N, H, W, 3) -> what the foreign graph takes."""
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "height", "width", 3]))
    nodes, at = [], "image"

    def step(operator: str, *more: str, to: str, **attributes: Any) -> None:
        nonlocal at
        nodes.append(helper.make_node(operator, [at, *more], [to], name=to, **attributes))
        at = to

    if bgr:
        graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), "bgr"))
        step("Gather", "bgr", to="pixels.bgr", axis=3)
    if element != TensorProto.UINT8:
        step("Cast", to="pixels.float", to_=TensorProto.FLOAT)
        graph.initializer.append(numpy_helper.from_array(mean.astype(np.float32), "mean"))
        graph.initializer.append(numpy_helper.from_array(std.astype(np.float32), "std"))
        step("Sub", "mean", to="pixels.centered")
        step("Div", "std", to="pixels.normalized")
        if element != TensorProto.FLOAT:
            step("Cast", to="pixels.cast", to_=element)
    if layout == "nchw":
        step("Transpose", to="pixels.planes", perm=[0, 3, 1, 2])
    nodes.append(helper.make_node("Identity", [at], [target], name="pixels"))
    for node in nodes:
        for attribute in node.attribute:
            attribute.name = attribute.name.rstrip("_")
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def _back(model: ModelProto, logits: str, activation: Activation, embedding: str | None) -> None:
    """The foreign graph's end -> scores, logits, embedding."""
    graph = model.graph
    outputs = ["scores"]
    graph.node.append(helper.make_node("Cast", [logits], ["output.float"], name="output.float", to=TensorProto.FLOAT))
    if activation == "none":
        graph.node.append(helper.make_node("Flatten", ["output.float"], ["scores"], name="scores", axis=1))
    else:
        outputs.append("logits")
        graph.node.append(helper.make_node("Flatten", ["output.float"], ["logits"], name="logits", axis=1))
        graph.initializer.append(numpy_helper.from_array(np.ones((), np.float32), "temperature"))
        graph.node.append(helper.make_node("Div", ["logits", "temperature"], ["logits.tempered"], name="temper"))
        operator: str = "Softmax" if activation == "softmax" else "Sigmoid"
        axis: dict[str, Any] = {"axis": 1} if activation == "softmax" else {}
        graph.node.append(helper.make_node(operator, ["logits.tempered"], ["scores"], name="scores", **axis))
    if embedding:
        outputs.append("embedding")
        graph.node.append(helper.make_node("Cast", [embedding], ["embedding.float"], name="embedding.float", to=1))
        graph.node.append(helper.make_node("Flatten", ["embedding.float"], ["embedding"], name="embedding", axis=1))
    for name in outputs:
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", None]))


def _two_scores(graph: GraphProto) -> None:
    """One sigmoid output, the positive's score -> two that sum to 1, the negative first."""
    for node in graph.node:
        if node.output[0] == "scores":
            node.output[0] = "score.positive"
    graph.initializer.append(numpy_helper.from_array(np.ones((), np.float32), "one"))
    graph.node.append(helper.make_node("Sub", ["one", "score.positive"], ["score.negative"], name="score.negative"))
    both = ["score.negative", "score.positive"]
    graph.node.append(helper.make_node("Concat", both, ["scores"], name="scores.both", axis=1))
    kept = [value for value in graph.output if value.name != "logits"]
    del graph.output[:]
    graph.output.extend(kept)


def _positive_second(graph: GraphProto, found: tuple[Label, ...], positive: str | None) -> tuple[Label, ...]:
    names = [label.label for label in found]
    if len(names) != 2:
        raise BadRequest(f"--positive makes a yes/no model of two labels; this one has {len(names)}.")
    if positive is not None and positive not in names:
        raise BadRequest(f"--positive {positive}: the labels are {names[0]} and {names[1]}.")
    if positive != names[0]:
        return found
    graph.initializer.append(numpy_helper.from_array(np.array([1, 0]), "order"))
    for name in ("scores", "logits"):
        if any(value.name == name for value in graph.output):
            for node in graph.node:
                for end in (node.input, node.output):
                    end[:] = [f"{name}.as_trained" if at == name else at for at in end]
            graph.node.append(
                helper.make_node("Gather", [f"{name}.as_trained", "order"], [name], name=f"{name}.order", axis=1)
            )
    return found[1], found[0]


def _names(choices: Choices, told: dict[str, str]) -> list[str] | None:
    if choices.label_names is not None:
        return list(choices.label_names)
    try:
        stated = ast.literal_eval(told["names"])  # Ultralytics writes a dict of Python literals
        return [str(stated[index]) for index in range(len(stated))]
    except (KeyError, ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _labels(names: list[str] | None, count: int, path: Path) -> tuple[tuple[Label, ...], tuple[Label, ...]]:
    if names is None or (len(names) >= 1000 and all(re.fullmatch(r"n\d{8}", name) for name in names[-1000:])):
        if count not in (1000, 1001):
            raise BadRequest(f"{path}: it has {count} outputs and no names for them: --labels FILE, one a line.")
        known, hierarchy = labels.imagenet()
        background = (Label("background", "background"),) if count == 1001 else ()
        return (*background, *known), hierarchy
    if len(names) != count:
        raise BadRequest(f"{path}: it has {count} outputs, but there are {len(names)} labels.")
    ids = [re.sub(r"[^\w]+", "-", name.lower()).strip("-") or f"label-{at}" for at, name in enumerate(names)]
    unique = [name if ids.count(name) == 1 else f"{name}-{at}" for at, name in enumerate(ids)]
    return tuple(Label(id, name) for id, name in zip(unique, names, strict=True)), ()


def _count_labels(model: ModelProto, size: int, path: Path) -> int:
    """How many scores the graph gives, found by running it, in a child's care."""
    trial = Metadata(
        format=1,
        name="trial",
        task="single",
        labels=(Label("x", "x"),),
        input=Input(size),
        golden=selftest.placeholder(size, 1),
    )
    return selftest.probe_in_child(from_bytes(attach(model, trial), str(path)))
