"""What is known of a foreign classifier: what the user says, else what its file tells, else a guess; each is said."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from eyebright import gate
from eyebright.errors import BadModelFile, BadRequest
from eyebright.foreign.names import told_names
from eyebright.modelfile import KEY, Head

Layout = Literal["nchw", "nhwc"]
Activation = Literal["softmax", "sigmoid", "none"]
Three = tuple[float, float, float]

IMAGENET: tuple[Three, Three] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SIZE = 224
OLDEST_OPSET = 7
"""From here on operators broadcast as numpy does."""

_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}
_QUANTIZING = {"QuantizeLinear", "DequantizeLinear"}
_SHAPING = {"Identity", "Cast", "Flatten", "Reshape", "Squeeze", "Dropout"} | _QUANTIZING
_POOLING = {"GlobalAveragePool", "AveragePool", "ReduceMean", "Relu", "Clip", "Transpose"}


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How the foreign model wants its pictures and what it says; None is read from the file or guessed."""

    label_names: Sequence[str] | None = None
    mean: Three | None = None
    """In units of 0..1, as torchvision has it; with a value over 1, of 0..255. In the order of its own channels."""
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


@dataclass(kw_only=True)
class Told:
    """A foreign graph and what is known of it."""

    model: ModelProto
    image: str
    """The input; its tensor type is `element`, its number of pictures `batch` (0: free)."""
    element: int
    batch: int
    layout: Layout
    size: int
    fixed_size: bool
    mean: npt.NDArray[np.float64]
    """(3,), in units of 0..255; 0 and 1 where the graph normalizes by itself."""
    std: npt.NDArray[np.float64]
    crop: float
    logits: str
    """The tensor before the last activation; the scores where nothing better is known."""
    activation: Activation | None
    """Of its own; None: it ends without one."""
    embedding: str | None
    pooled: bool
    """The embedding is rows; else it is a map to be pooled, as the last layer is a convolution."""
    head: Head | None
    names: Sequence[str] | None
    precision: Literal["float32", "int8", "mixed"]
    remarks: list[str] = field(default_factory=list)


def learn(path: Path, choices: Choices) -> Told:
    """Read a foreign file. Raises BadModelFile, BadRequest."""
    model, contents = _load(path)
    metadata = {key: value.decode("utf-8", "replace") for key, value in contents.metadata.items()}
    ultralytics = "imgsz" in metadata or "stride" in metadata
    if ultralytics and metadata.get("task", "classify") != "classify":
        raise BadModelFile(f"{path}: an Ultralytics model for {metadata['task']!r}, not for 'classify'.")
    graph = model.graph
    _constants_to_initializers(graph)
    remarks: list[str] = []
    image = _image(graph, path)
    kind = image.type.tensor_type
    layout, size = _layout_and_size(graph, image, choices, metadata, remarks, path)
    names = choices.label_names or told_names(metadata)
    if names and not choices.label_names:
        remarks.append(f"labels: {len(names)}, as its metadata has them (--labels)")
    keras = layout == "nhwc"
    mean, std = _normalization(graph, image, choices, "0..1" if ultralytics else "-1..1" if keras else "", remarks)
    crop = choices.crop
    if crop is None:
        crop = 1.0 if ultralytics else 0.0 if keras else 0.875
        seen = {0.0: "the whole picture, stretched", 1.0: "the centered square"}
        remarks.append(f"crop: {seen.get(crop, f'the middle {crop:.1%} of the shorter side')}, a guess (--crop)")
    output = _output(graph, len(names) if names else None, remarks, path)
    logits, activation = _before_activation(graph, output)
    embedding, pooled, head = _before_head(graph, logits)
    where = "what goes into the last layer" + (", pooled" if not pooled else "")
    remarks.append(f"embedding: {where if embedding else 'not found, so search and teaching have nothing to go by'}")
    return Told(
        model=model,
        image=image.name,
        element=kind.elem_type,
        batch=kind.shape.dim[0].dim_value,
        layout=layout,
        size=size,
        fixed_size=all(dim.dim_value for dim in list(kind.shape.dim)[1:]),
        mean=mean,
        std=std,
        crop=crop,
        logits=logits,
        activation=activation,
        embedding=embedding,
        pooled=pooled,
        head=head,
        names=names,
        precision=_precision(contents, image),
        remarks=remarks,
    )


def _load(path: Path) -> tuple[ModelProto, gate.Contents]:
    try:
        with path.open("rb") as file:
            data = file.read(gate.MAX_FILE_BYTES + 1)
        contents = gate.inspect(data)
        if KEY in contents.metadata:
            raise BadRequest(f"{path} is an Eyebright model file already.")
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
    except OSError as error:
        raise BadModelFile(f"{path}: {(error.strerror or str(error)).lower()}.") from None
    except BadModelFile as error:
        how = ""
        if "external data" in str(error):
            how = (
                " From torch: torch.onnx.export(..., external_data=False); of a file and its data side by side: "
                f"python -c \"import onnx; onnx.save(onnx.load('{path.name}'), 'whole.onnx')\""
            )
        raise BadModelFile(f"{path}: {error}{how}") from None
    except BadRequest:
        raise
    except Exception as error:  # protobuf's DecodeError and the checker's errors share no base
        raise BadModelFile(f"{path}: not a valid ONNX model: {(str(error).splitlines() or ['?'])[0][:300]}") from None
    if contents.opsets.get("", contents.opsets.get("ai.onnx", OLDEST_OPSET)) < OLDEST_OPSET:
        raise BadModelFile(f"{path}: its operator set is older than {OLDEST_OPSET}; export it for 11 to 20.")
    if contents.operators["DynamicQuantizeLinear"]:
        raise BadModelFile(
            f"{path}: it is quantized dynamically, so a picture's scores depend on those beside it; import the float "
            "model, or quantize it statically."
        )
    model.ir_version = min(max(model.ir_version, 4), 10)  # from 4 on initializers need not be inputs as well
    for node in model.graph.node:
        del node.metadata_props[:]  # torch writes paths of the exporting machine here
        node.ClearField("doc_string")
    return model, contents


def _constants_to_initializers(graph: GraphProto) -> None:
    """Constant nodes with a tensor become initializers, so that there is one place to look for numbers."""
    kept = []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            graph.initializer.append(node.attribute[0].t)
            graph.initializer[-1].name = node.output[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _image(graph: GraphProto, path: Path) -> ValueInfoProto:
    known = {tensor.name for tensor in graph.initializer}
    inputs: list[ValueInfoProto] = [value for value in graph.input if value.name not in known]
    if len(inputs) != 1:
        raise BadModelFile(f"{path}: a classifier of pictures has one input; this has {len(inputs)}.")
    kind = inputs[0].type.tensor_type
    if kind.elem_type not in _FLOATS | {TensorProto.UINT8}:
        raise BadModelFile(
            f"{path}: its input {inputs[0].name!r} is {TensorProto.DataType.Name(kind.elem_type).lower()}, "
            "which pictures are not (float, half, double or uint8)."
        )
    if len(kind.shape.dim) != 4:
        raise BadModelFile(
            f"{path}: its input {inputs[0].name!r} has {len(kind.shape.dim)} dimensions; "
            "a batch of pictures has 4 (N, channels, height, width)."
        )
    return inputs[0]


def _layout_and_size(
    graph: GraphProto,
    image: ValueInfoProto,
    choices: Choices,
    metadata: dict[str, str],
    remarks: list[str],
    path: Path,
) -> tuple[Layout, int]:
    dims = [dim.dim_value for dim in image.type.tensor_type.shape.dim]  # 0: free
    shape = " x ".join(str(dim or "?") for dim in dims)
    layout = choices.layout
    if layout is None:
        first = next(_first_steps(graph, image.name), None)
        turned = first is not None and first.op_type == "Transpose" and list(first.attribute[0].ints) == [0, 3, 1, 2]
        fits = {"nchw": dims[1] in (0, 3), "nhwc": dims[3] in (0, 3)}
        layout = "nhwc" if fits["nhwc"] and (dims[3] == 3 or turned) and (dims[1] != 3 or turned) else "nchw"
        remarks.append(f"layout: {layout}, as its input is {shape} (--layout)")
    channels, height, width = (dims[1], dims[2], dims[3]) if layout == "nchw" else (dims[3], dims[1], dims[2])
    if channels not in (0, 3):
        raise BadModelFile(f"{path}: its input {shape} is no picture in color ({layout}: {channels} channels).")
    if height and width and height != width:
        raise BadModelFile(f"{path}: it takes {height} x {width} pixels; Eyebright's inputs are square.")
    stated = height or width
    if choices.size and stated and choices.size != stated:
        raise BadRequest(f"{path}: it takes {stated} x {stated} pixels, which --size {choices.size} is not.")
    size = choices.size or stated
    if not size:
        side = "".join(part if part.isdigit() else " " for part in metadata.get("imgsz", "")).split()
        size = int(side[0]) if side and 0 < int(side[0]) <= 4096 else SIZE
        remarks.append(
            f"size: {size}, {'from its metadata' if side else 'a guess, as the file leaves it open'} (--size)"
        )
    elif not choices.size:
        remarks.append(f"size: {size}")
    return layout, size


def _normalization(
    graph: GraphProto, image: ValueInfoProto, choices: Choices, habit: str, remarks: list[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation in units of 0..255."""
    if choices.mean is not None or choices.std is not None:
        return _chosen(choices, image, remarks)
    zero, one = np.zeros(3), np.ones(3)
    if image.type.tensor_type.elem_type == TensorProto.UINT8:
        remarks.append("normalization: none, its input is bytes")
        return zero, one
    reach = _own_first_step(graph, image.name)
    if reach is not None:
        remarks.append(f"normalization: its own first step, on pixels of 0..{reach} (--mean, --std)")
        return zero, one * (255 / reach)
    if habit == "0..1":
        remarks.append("normalization: pixels of 0..1, as Ultralytics has it (--mean, --std)")
        return zero, one * 255
    if habit == "-1..1":
        remarks.append("normalization: pixels of -1..1, as Keras often has it, a guess (--mean, --std)")
        return one * 127.5, one * 127.5
    mean, std = IMAGENET
    remarks.append(f"normalization: ImageNet's mean {mean} and std {std}, a guess (--mean, --std)")
    return np.array(mean) * 255, np.array(std) * 255


def _chosen(
    choices: Choices, image: ValueInfoProto, remarks: list[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    mean, std = np.array(choices.mean or (0, 0, 0), float), np.array(choices.std or (1, 1, 1), float)
    if not (np.isfinite(mean).all() and np.isfinite(std).all()):
        raise BadRequest("--mean and --std take numbers that are not infinite.")
    if std.min() <= 0:
        raise BadRequest(f"--std divides, so it must be over 0; it is {std.min():g}.")
    if image.type.tensor_type.elem_type == TensorProto.UINT8:
        raise BadRequest("its input is bytes (uint8), so there is no place for --mean and --std.")
    wide = np.abs(mean).max() > 1, std.max() > 1
    if any(wide) and not all(wide) and choices.mean and choices.std and mean.any() and (std != 1).any():
        raise BadRequest("--mean and --std are in different units: both of 0..1, or both of 0..255.")
    unit = "0..255, as a value is over 1" if any(wide) else "0..1"
    remarks.append(f"normalization: mean {_three(mean)}, std {_three(std)}, taken in units of {unit}")
    scale = 1.0 if any(wide) else 255.0
    return mean * scale, std * scale


def _own_first_step(graph: GraphProto, image: str) -> Literal[1, 255] | None:
    """The range of pixels that a graph which normalizes by itself wants; None: it does not."""
    known = {tensor.name: tensor for tensor in graph.initializer}
    for node in _first_steps(graph, image):
        if node.op_type == "Transpose":
            continue
        constant = next((known[name] for name in node.input if name in known), None)
        if node.op_type not in ("Sub", "Add", "Mul", "Div") or constant is None:
            return None
        size = float(np.abs(numpy_helper.to_array(constant).astype(np.float64)).max(initial=0))
        if node.op_type == "Mul":
            size = 1 / size if size else math.inf
        return 255 if size > 2 else 1  # subtracts 103.9 or divides by 127.5; subtracts 0.485 or multiplies by 2
    return None


def _first_steps(graph: GraphProto, image: str) -> Iterator[NodeProto]:
    """What happens to the picture, in order, as long as one step follows another."""
    at = image
    for node in graph.node:
        if at in node.input:
            at = node.output[0]
            if node.op_type not in _SHAPING:
                yield node


def _output(graph: GraphProto, count: int | None, remarks: list[str], path: Path) -> str:
    """The output that holds the scores: of as many numbers as there are labels, else the first."""
    candidates: list[tuple[str, int]] = []
    for value in graph.output:
        kind = value.type.tensor_type
        sides = [dim.dim_value for dim in kind.shape.dim[1:]]
        if kind.elem_type in _FLOATS and sum(side != 1 for side in sides) <= 1:
            candidates.append((value.name, math.prod(sides)))
    if not candidates:
        raise BadModelFile(f"{path}: none of its outputs is one score a label (N, L), so it is no classifier.")
    wanted = (count,) if count else (1000, 1001)
    name = next((name for name, size in candidates if size in wanted), candidates[0][0])
    if len(graph.output) > 1:
        others = ", ".join(repr(value.name) for value in graph.output if value.name != name)
        remarks.append(f"output: {name!r}; not used: {others}")
    return name


def _before_activation(graph: GraphProto, output: str) -> tuple[str, Activation | None]:
    """The tensor before the last activation, and the activation."""
    made_by = {name: node for node in graph.node for name in node.output}
    node = made_by.get(output)
    while node is not None and node.op_type in _SHAPING:
        node = made_by.get(node.input[0])
    if node is not None and node.op_type in ("Softmax", "LogSoftmax"):
        return node.input[0], "softmax"
    if node is not None and node.op_type == "Sigmoid":
        return node.input[0], "sigmoid"
    return output, None


def _before_head(graph: GraphProto, logits: str) -> tuple[str | None, bool, Head | None]:
    """What goes into the last layer, whether that is rows (else a map), and the names of that layer's numbers."""
    made_by = {name: node for node in graph.node for name in node.output}
    known = {tensor.name for tensor in graph.initializer}
    bias: str | None = None
    pools = False
    node = made_by.get(logits)
    while node is not None:
        numbers = [name for name in node.input if _number(name, known, made_by)]
        if node.op_type in ("Gemm", "MatMul"):
            if pools or not numbers or numbers[0] != node.input[1]:
                return None, False, None
            if node.op_type == "Gemm" and len(node.input) > 2:
                bias = node.input[2]
            weight = node.input[1] if node.input[1] in known else None
            return node.input[0], True, Head(weight, bias if bias in known else None) if weight else None
        if node.op_type == "Conv":
            return (node.input[0], False, None) if numbers else (None, False, None)
        if node.op_type == "Add" and len(numbers) == 1:
            bias = numbers[0]
        elif node.op_type in _POOLING:
            pools = True
        elif node.op_type not in _SHAPING:
            return None, False, None
        node = next((made_by[name] for name in node.input if name in made_by and name not in numbers), None)
    return None, False, None


def _number(name: str, known: set[str], made_by: dict[str, NodeProto]) -> bool:
    """Whether a tensor is in the file, plain or quantized, rather than computed from the picture."""
    node = made_by.get(name)
    return name in known or (node is not None and node.op_type in _QUANTIZING and node.input[0] in known)


def _precision(contents: gate.Contents, image: ValueInfoProto) -> Literal["float32", "int8", "mixed"]:
    if any(name.startswith("Q") or name.endswith("Integer") for name in contents.operators):
        return "int8"
    return "mixed" if image.type.tensor_type.elem_type == TensorProto.FLOAT16 else "float32"


def _three(values: npt.NDArray[np.float64]) -> str:
    return ",".join(f"{value:g}" for value in values)
