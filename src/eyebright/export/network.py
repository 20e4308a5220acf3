"""The way back: a model file's graph as a torch module, whatever network it was exported from.

Float graphs and int8 ones in QDQ form; rounding passes gradients on as if it were not there (the straight-through
estimator, Bengio et al. 2013, arXiv:1308.3432), so that what is rounded can still learn.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, numpy_helper
from torch import Tensor
from torch.nn import functional as F

from eyebright.errors import BadModelFile

MOVING = ("Transpose", "Reshape", "Slice", "MaxPool")
"""Operators that pass rounded numbers on as they are."""
Value = Tensor | None
"""An input that was left out is None."""


class Network:
    """Pixels (N, H, W, 3) uint8 -> outputs by name, each node in its order.

    Raises BadModelFile for an operator that none of our graphs has.
    """

    def __init__(self, model: ModelProto) -> None:
        rounded: set[str] = set()
        for node in model.graph.node:
            if node.op_type == "QuantizeLinear" or (node.op_type in MOVING and node.input[0] in rounded):
                rounded.add(node.output[0])
        self.steps = [Step(node, rounded) for node in model.graph.node]
        self.outputs = [output.name for output in model.graph.output]
        self.constants = {
            tensor.name: torch.from_numpy(np.array(numpy_helper.to_array(tensor))) for tensor in model.graph.initializer
        }
        used = {name: number for number, step in enumerate(self.steps) for name in step.node.input}
        kept = {*self.outputs, *self.constants}
        self.done = [
            [name for name in step.node.input if name not in kept and used[name] == at]
            for at, step in enumerate(self.steps)
        ]
        """After each node, what no later one reads."""

    def __call__(self, pixels: Tensor, put: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """All outputs; `put` takes the place of constants, so that these can learn."""
        known: dict[str, Tensor] = {"image": pixels, **self.constants, **(put or {})}
        for step, done in zip(self.steps, self.done, strict=True):
            known[step.node.output[0]] = step.compute(*(known[name] if name else None for name in step.node.input))
            for name in done:
                known.pop(name, None)
        return {name: known[name] for name in self.outputs}


class Step:
    """A node, with its attributes read; `rounded` names what a QuantizeLinear made."""

    def __init__(self, node: NodeProto, rounded: Collection[str]) -> None:
        if node.op_type not in OPERATORS:
            raise BadModelFile(f"The operator {node.op_type} of {node.name} cannot be learned through.")
        self.node = node
        self.attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        restored = node.op_type == "DequantizeLinear" and node.input[0] in rounded
        self.operator = OPERATORS["Identity" if restored else node.op_type]

    def compute(self, *inputs: Value) -> Tensor:
        return self.operator(self.attributes, *inputs)


Given = Mapping[str, Any]


CONVOLUTION: Given = {"strides": [1, 1], "dilations": [1, 1], "group": 1}


def convolve(given: Given, x: Tensor, weight: Tensor, bias: Value = None) -> Tensor:
    pads = given.get("pads", [0, 0, 0, 0])
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    strides, dilations, groups = (given.get(name, usual) for name, usual in CONVOLUTION.items())
    return F.conv2d(x, weight, bias, strides, [top, left], dilations, groups)


def pool(given: Given, x: Tensor, largest: bool) -> Tensor:
    kernel, strides = given["kernel_shape"], given.get("strides", [1, 1])
    top, left, bottom, right = given.get("pads", [0, 0, 0, 0])
    if largest:
        if (top, left) != (bottom, right):
            x, top, left = F.pad(x, (left, right, top, bottom), value=-torch.inf), 0, 0
        return F.max_pool2d(x, kernel, strides, [top, left], ceil_mode=bool(given.get("ceil_mode", 0)))
    counts = bool(given.get("count_include_pad", 0))
    found: Tensor = F.avg_pool2d(x, kernel, strides, [top, left], bool(given.get("ceil_mode", 0)), counts)
    return found


def product(given: Given, a: Tensor, b: Tensor, c: Value = None) -> Tensor:
    a = a.T if given.get("transA") else a
    b = b.T if given.get("transB") else b
    found: Tensor = given.get("alpha", 1.0) * (a @ b)
    return found if c is None else found + given.get("beta", 1.0) * c


def reduce(given: Given, x: Tensor, axes: Tensor, how: Callable[..., Tensor]) -> Tensor:
    found: Tensor = how(x, axes.tolist(), keepdim=bool(given.get("keepdims", 1)))
    return found


def clip(given: Given, x: Tensor, low: Value = None, high: Value = None) -> Tensor:
    if low is not None:
        x = torch.maximum(x, low)
    return x if high is None else torch.minimum(x, high)


def cast(given: Given, x: Tensor) -> Tensor:
    return x.to(torch.float32) if given["to"] == onnx.TensorProto.FLOAT else x.to(torch.int64)


def by_channel(value: Tensor, like: Tensor, axis: int) -> Tensor:
    """A scale or zero point a channel, shaped to meet `like`."""
    if value.ndim == 0:
        return value
    shape = [1] * like.ndim
    shape[axis] = -1
    return value.reshape(shape)


def quantize(given: Given, x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """Rounded as a QuantizeLinear does, but not divided by the scale: the DequantizeLinear after it has nothing to do.

    A gradient passes where nothing was cut off.
    """
    kind, offset = torch.iinfo(zero.dtype), zero.to(torch.int32)
    if scale.ndim == 0:
        return torch.fake_quantize_per_tensor_affine(x, scale, offset, kind.min, kind.max)
    return torch.fake_quantize_per_channel_affine(x, scale, offset, given.get("axis", 1), kind.min, kind.max)


def dequantize(given: Given, x: Tensor, scale: Tensor, zero: Value = None) -> Tensor:
    axis = given.get("axis", 1)
    shifted = x.float() if zero is None else x.float() - by_channel(zero, x, axis).float()
    return shifted * by_channel(scale, x, axis)


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Cast": cast,
    "Identity": lambda given, x, *_: x,
    "Add": lambda given, a, b: a + b,
    "Sub": lambda given, a, b: a - b,
    "Mul": lambda given, a, b: a * b,
    "Div": lambda given, a, b: a / b,
    "Max": lambda given, a, b: torch.maximum(a, b),
    # of a map that is not contiguous oneDNN's backward pass writes where it must not
    "Transpose": lambda given, x: x.permute(*given["perm"]).contiguous(),
    "Conv": convolve,
    "MaxPool": lambda given, x: pool(given, x, True),
    "AveragePool": lambda given, x: pool(given, x, False),
    "GlobalAveragePool": lambda given, x: x.mean((2, 3), keepdim=True),
    "Gemm": product,
    "MatMul": product,
    "ReduceMean": lambda given, x, axes: reduce(given, x, axes, torch.mean),
    "ReduceSum": lambda given, x, axes: reduce(given, x, axes, torch.sum),
    "Concat": lambda given, *parts: torch.cat(parts, given["axis"]),
    "Clip": clip,
    "Relu": lambda given, x: F.relu(x),
    "HardSwish": lambda given, x: F.hardswish(x),
    "HardSigmoid": lambda given, x: (given.get("alpha", 0.2) * x + given.get("beta", 0.5)).clamp(0, 1),
    "Sigmoid": lambda given, x: torch.sigmoid(x),
    "Softmax": lambda given, x: torch.softmax(x, given.get("axis", -1)),
    "Flatten": lambda given, x: x.flatten(given.get("axis", 1)),
    "Reshape": lambda given, x, shape: x.reshape([side or x.shape[at] for at, side in enumerate(shape.tolist())]),
    "Pad": lambda given, x, pads, value=None: padded(x, pads.tolist(), value),
    "Slice": lambda given, x, *bounds: sliced(x, *bounds),
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
}


def sliced(x: Tensor, starts: Tensor, ends: Tensor, axes: Value = None, steps: Value = None) -> Tensor:
    count = len(starts)
    along = list(range(count)) if axes is None else axes.tolist()
    strides = [1] * count if steps is None else steps.tolist()
    for axis, start, end, step in zip(along, starts.tolist(), ends.tolist(), strides, strict=True):
        x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end, step),)]
    return x


def padded(x: Tensor, pads: list[int], value: Value) -> Tensor:
    half = len(pads) // 2
    turned = [side for at in reversed(range(half)) for side in (pads[at], pads[half + at])]
    return F.pad(x, turned, value=0.0 if value is None else float(value))
