"""A graph as a list of what costs time: convolutions, matrix products, and passes over a map.

What a runtime makes part of a convolution (activations, and rounding to 8 bits around what is computed in integers) is
no layer of its own.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from eyebright.measure.macs import node_macs, shapes

if TYPE_CHECKING:
    import onnx

Kind = Literal["stem", "pointwise", "convolution", "depthwise", "product", "pool", "activation", "pass"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Precision = Literal["float32", "int8"]
STEM_CHANNELS = 4
"""A convolution of no more channels sees the picture itself."""

PRODUCTS = ("Gemm", "MatMul", "QLinearMatMul", "MatMulInteger")
CONVOLUTIONS = ("Conv", "QLinearConv", "ConvInteger")
POOLS = ("MaxPool", "AveragePool")
ACTIVATIONS = ("HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Erf", "Gelu", "Exp")
FUSED = ("Relu", "Clip")
FREE = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Constant", "Shape", "Dropout")
INTEGERS = ("Conv", "Gemm", "MatMul", "Add", "Mul", "GlobalAveragePool", "AveragePool", "MaxPool", "Concat", *FUSED)
"""What is computed in 8 bits where QuantizeLinear and DequantizeLinear stand around it."""


class Layer(NamedTuple):
    """What a step of a network has to do for one picture."""

    kind: Kind
    precision: Precision
    c_in: float
    c_out: float
    kernel: float
    """The side of a window."""
    side: float
    """Of the map that leaves; the root of its places where it is no square."""
    macs: float
    """Multiply-adds; of a pool, numbers that it looks at."""
    moved_bytes: float
    """That are read and written, weights with them."""


def layers(graph: "onnx.ModelProto", size: int, int8: bool | None = None) -> list[Layer]:
    """What a graph costs time for, in its order, for a picture of `size` pixels a side.

    `int8`: what is computed in integers: None as the graph says it, True all that could be, False nothing. What has no
    shape that is known beforehand is left out.
    """
    found = shapes(graph, size)
    makers = {name: node for node in graph.graph.node for name in node.output}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    walk = _Walk(found, makers, users, {tensor.name for tensor in graph.graph.initializer}, int8)
    return [layer for node in graph.graph.node for layer in walk.of(node)]


class _Walk(NamedTuple):
    shapes: dict[str, list[int]]
    makers: "dict[str, onnx.NodeProto]"
    users: "dict[str, list[onnx.NodeProto]]"
    constants: set[str]
    int8: bool | None

    def of(self, node: "onnx.NodeProto") -> Iterator[Layer]:
        out = self.shapes.get(node.output[0])
        if not out or node.op_type in FREE or all(self.constant(name) for name in node.input):
            return
        if node.op_type in CONVOLUTIONS:
            yield from self.convolution(node, out)
        elif node.op_type in PRODUCTS:
            yield from self.product(node, out)
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            if self.int8 is None and not self.part_of_integers(node):
                yield self.over_a_map("pass", node, out)
        elif node.op_type in FUSED and self.maker_of(node.input[0]) in (*CONVOLUTIONS, "Add", "QuantizeLinear"):
            return
        elif node.op_type in ACTIVATIONS and self.maker_of(node.input[0]) == "Conv":
            return  # in float, a part of the convolution
        elif node.op_type in ACTIVATIONS:
            yield self.over_a_map("activation", node, out)
        elif node.op_type in POOLS:
            yield self.over_a_map("pool", node, out)
        else:
            yield self.over_a_map("pass", node, out)

    def convolution(self, node: "onnx.NodeProto", out: list[int]) -> Iterator[Layer]:
        weights = self.shapes.get(node.input[3 if node.op_type == "QLinearConv" else 1])
        entering = self.shapes.get(node.input[0])
        macs = node_macs(node, self.shapes)
        if not weights or not entering or macs is None or len(out) != 4 or len(weights) != 4:
            return
        group = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        c_out, c_in, *window = weights
        kernel = math.sqrt(math.prod(window))
        kind: Kind = "pointwise" if kernel == 1 else "convolution"
        if group > 1 and c_in == 1:
            kind, c_in = "depthwise", group
        elif c_in <= STEM_CHANNELS and group == 1:
            kind = "stem"
        precision = self.precision(node)
        each = 1 if precision == "int8" else 4
        moved = each * (math.prod(entering) + math.prod(out) + math.prod(weights))
        yield Layer(kind, precision, c_in, c_out, kernel, math.sqrt(math.prod(out[2:])), macs, moved)

    def product(self, node: "onnx.NodeProto", out: list[int]) -> Iterator[Layer]:
        macs = node_macs(node, self.shapes)
        if macs is None:
            return
        c_in, places = macs / math.prod(out), math.prod(out[:-1])
        precision = self.precision(node)
        moved = (1 if precision == "int8" else 4) * (math.prod(out) + places * c_in + c_in * out[-1])
        yield Layer("product", precision, c_in, out[-1], 1, math.sqrt(places), macs, moved)

    def over_a_map(self, kind: Kind, node: "onnx.NodeProto", out: list[int]) -> Layer:
        """Adds, activations, pooling: what passes over numbers without weights."""
        maps = [name for name in node.input if name and not self.constant(name)]
        if node.op_type == "Add" and self.maker_of(node.input[0]) == "Conv":
            maps = maps[1:]  # the convolution adds it to what it writes
        precision = self.precision(node)
        moved = (1 if precision == "int8" else 4) * sum(
            math.prod(self.shapes.get(name, [])) for name in (*maps, node.output[0])
        )
        channels = out[1] if len(out) > 1 else 1
        side = math.sqrt(math.prod(out) / channels) if channels else 1.0
        if kind == "pool":  # looks at every place of its window
            window = next((attribute.ints for attribute in node.attribute if attribute.name == "kernel_shape"), [1])
            kernel = math.sqrt(math.prod(window))
            return Layer(kind, precision, channels, channels, kernel, side, math.prod(out) * kernel**2, 0)
        return Layer(kind, precision, channels, channels, 1, side, 0, moved)

    def precision(self, node: "onnx.NodeProto") -> Precision:
        if self.int8 is not None:
            return "int8" if self.int8 else "float32"
        if node.op_type.startswith("QLinear") or node.op_type.endswith("Integer"):
            return "int8"
        entering = [self.maker_of(name) for name in node.input[:2]]
        return "int8" if entering and all(maker == "DequantizeLinear" for maker in entering) else "float32"

    def part_of_integers(self, node: "onnx.NodeProto") -> bool:
        if node.op_type == "QuantizeLinear":
            return self.maker_of(node.input[0]) in (*INTEGERS, *ACTIVATIONS)
        return all(user.op_type in (*INTEGERS, *ACTIVATIONS) for user in self.users.get(node.output[0], []))

    def maker_of(self, name: str) -> str:
        return self.makers[name].op_type if name in self.makers else ""

    def constant(self, name: str) -> bool:
        """Whether a tensor is the same for every picture."""
        if name in self.constants or not name:
            return True
        maker = self.makers.get(name)
        return (
            maker is not None
            and maker.op_type in ("DequantizeLinear", "Constant")
            and all(other in self.constants for other in maker.input)
        )
