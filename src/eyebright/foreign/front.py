"""What a foreign graph wants its pictures to be: its first steps, read."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from eyebright.errors import BadModelFile, BadRequest
from eyebright.foreign.back import FLOATS, SHAPING
from eyebright.foreign.choices import Choices, Layout, Three

IMAGENET: tuple[Three, Three] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SIZE = 224


def find_image(graph: GraphProto, path: Path) -> ValueInfoProto:
    known = {tensor.name for tensor in graph.initializer}
    inputs: list[ValueInfoProto] = [value for value in graph.input if value.name not in known]
    if len(inputs) != 1:
        raise BadModelFile(f"{path}: a classifier of pictures has one input; this has {len(inputs)}.")
    kind = inputs[0].type.tensor_type
    if kind.elem_type not in FLOATS | {TensorProto.UINT8}:
        names = {number: name.lower() for name, number in TensorProto.DataType.items()}
        raise BadModelFile(
            f"{path}: its input {inputs[0].name!r} is {names.get(kind.elem_type, 'something unknown')}, "
            "which pictures are not (float, half, double or uint8)."
        )
    if len(kind.shape.dim) != 4:
        raise BadModelFile(
            f"{path}: its input {inputs[0].name!r} has {len(kind.shape.dim)} dimensions; "
            "a batch of pictures has 4 (N, channels, height, width)."
        )
    return inputs[0]


def layout_and_size(
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
        turned = first is not None and first.op_type == "Transpose" and _order(first) == [0, 3, 1, 2]
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
        side = re.search(r"\b[1-9][0-9]{0,3}\b", metadata.get("imgsz", ""))
        size = int(side[0]) if side else SIZE
        why = "from its metadata" if side else "a guess, as the file leaves it open"
        remarks.append(f"size: {size}, {why} (--size)")
    elif not choices.size:
        remarks.append(f"size: {size}")
    return layout, size


def normalization(
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
            if node.op_type not in SHAPING:
                yield node


def _order(transpose: NodeProto) -> list[int]:
    return [side for attribute in transpose.attribute for side in attribute.ints]


def _three(values: npt.NDArray[np.float64]) -> str:
    return ",".join(f"{value:g}" for value in values)
