"""What a foreign graph ends with: its scores, its last activation, its last layer, read backwards."""

import math
from pathlib import Path

from onnx import GraphProto, NodeProto, TensorProto

from eyebright.errors import BadModelFile
from eyebright.foreign.choices import Activation
from eyebright.modelfile import Head

FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}
QUANTIZING = {"QuantizeLinear", "DequantizeLinear"}
SHAPING = {"Identity", "Cast", "Flatten", "Reshape", "Squeeze", "Dropout"} | QUANTIZING
_POOLING = {"GlobalAveragePool", "AveragePool", "ReduceMean", "Relu", "Clip", "Transpose"}


def find_output(graph: GraphProto, count: int | None, remarks: list[str], path: Path) -> str:
    """The output that holds the scores: of as many numbers as there are labels, else the first that ends its graph."""
    candidates: list[tuple[str, int]] = []
    for value in graph.output:
        kind = value.type.tensor_type
        sides = [dim.dim_value for dim in kind.shape.dim[1:]]
        if kind.elem_type in FLOATS and sum(side != 1 for side in sides) <= 1:
            candidates.append((value.name, math.prod(sides)))
    if not candidates:
        raise BadModelFile(f"{path}: none of its outputs is one score a label (N, L), so it is no classifier.")
    wanted = (count,) if count else (1000, 1001)
    used = {name for node in graph.node for name in node.input}
    candidates.sort(key=lambda one: (one[1] not in wanted, one[0] in used))
    name = candidates[0][0]
    if len(graph.output) > 1:
        others = ", ".join(repr(value.name) for value in graph.output if value.name != name)
        remarks.append(f"output: {name!r}; not used: {others}")
    return name


def before_activation(graph: GraphProto, output: str) -> tuple[str, Activation | None]:
    """The tensor before the last activation, and the activation."""
    made_by = {name: node for node in graph.node for name in node.output}
    node = made_by.get(output)
    while node is not None and node.op_type in SHAPING:
        node = made_by.get(node.input[0])
    if node is not None and node.op_type in ("Softmax", "LogSoftmax"):
        return node.input[0], "softmax"
    if node is not None and node.op_type == "Sigmoid":
        return node.input[0], "sigmoid"
    return output, None


def before_head(graph: GraphProto, logits: str) -> tuple[str | None, bool, Head | None]:
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
        elif node.op_type not in SHAPING:
            return None, False, None
        node = next((made_by[name] for name in node.input if name in made_by and name not in numbers), None)
    return None, False, None


def _number(name: str, known: set[str], made_by: dict[str, NodeProto]) -> bool:
    """Whether a tensor is in the file, plain or quantized, rather than computed from the picture."""
    node = made_by.get(name)
    return name in known or (node is not None and node.op_type in QUANTIZING and node.input[0] in known)
