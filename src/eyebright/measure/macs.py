"""Multiply-adds of a graph, as papers count them: of convolutions and matrix products; and how many run in 8 bits.

What a graph in QDQ form promises is not what happens: a runtime computes in integers only where it knows how. So those
are counted in the graph that ONNX Runtime makes of it.
"""

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

Shapes = dict[str, list[int]]


def count_macs(graph: "onnx.ModelProto", size: int) -> int | None:
    """Multiply-adds for one picture of `size` pixels, of convolutions and matrix products, as papers count them.

    None where the graph does not tell its shapes, or does its work by other operators.
    """
    found = shapes(graph, size)
    total = 0
    for node in graph.graph.node:
        if node.op_type in _UNCOUNTED:
            return None
        if node.op_type in _PRODUCTS:
            macs = node_macs(node, found)
            if macs is None:
                return None
            total += macs
    return total or None


def count_int8_macs(graph: "onnx.ModelProto", size: int, exact: bool = False) -> int:
    """Of those, the ones that ONNX Runtime computes in 8 bits on this machine's processor, 0 for a float graph.

    `exact` as in `open_runtime`. The graph is run once, and must be fit to run.
    """
    import numpy as np
    import onnx
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    cpu = ["CPUExecutionProvider"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "made.onnx"
        options.optimized_model_filepath = str(file)
        ort.InferenceSession(_of_one(graph, size).SerializeToString(), options, providers=cpu)
        made = onnx.load(file)
    nodes = [node for node in made.graph.node if node.op_type in _IN_INTEGERS]
    # the runtime notes no shapes in what it made, and onnx does not know its operators: look at the tensors themselves
    found = {tensor.name: list(tensor.dims) for tensor in made.graph.initializer}
    wanted = list(dict.fromkeys(name for node in nodes for name in (node.input[0], node.output[0])))
    wanted = [name for name in wanted if name not in found and name != "image"]
    if not wanted:
        return 0
    del made.graph.output[:]
    made.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    plain = ort.SessionOptions()
    plain.log_severity_level = 4
    plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(made.SerializeToString(), plain, providers=cpu)
    tensors = session.run(wanted, {"image": np.zeros((1, size, size, 3), np.uint8)})
    found |= {name: list(tensor.shape) for name, tensor in zip(wanted, tensors, strict=True)}
    found["image"] = [1, size, size, 3]
    return sum(node_macs(node, found) or 0 for node in nodes)


def node_macs(node: "onnx.NodeProto", shapes: Shapes) -> int | None:
    """Multiply-adds of a node that is one of products; None where a shape is not known."""
    over = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
    operand, each = _PRODUCTS[node.op_type]
    places, other = shapes.get(over), shapes.get(node.input[operand])
    return None if places is None or other is None else math.prod(places) * each(other, node)


def _inner(shape: Sequence[int], node: "onnx.NodeProto") -> int:
    """The side over which a matrix product adds; shape: of the first matrix."""
    turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return shape[0] if turned else shape[-1]


def _window(shape: Sequence[int], node: "onnx.NodeProto") -> int:
    """Products in a place of a convolution; shape: of its weights."""
    return math.prod(shape[1:])


_PRODUCTS: dict[str, tuple[int, Callable[[Sequence[int], "onnx.NodeProto"], int]]] = {
    "Conv": (1, _window),
    "ConvInteger": (1, _window),
    "QLinearConv": (3, _window),
    "ConvTranspose": (1, _window),
    "MatMul": (0, _inner),
    "MatMulInteger": (0, _inner),
    "QLinearMatMul": (0, _inner),
    "Gemm": (0, _inner),
    "QGemm": (0, _inner),
    "MatMulIntegerToFloat": (0, _inner),
    "DynamicQuantizeMatMul": (0, _inner),
}
"""Which input tells how many products make a number that leaves, and how. ONNX Runtime makes the last three."""
_IN_INTEGERS = _PRODUCTS.keys() - {"Conv", "ConvTranspose", "MatMul", "Gemm"}
_UNCOUNTED = {"Einsum", "LSTM", "GRU", "RNN", "Attention", "DeformConv"}


def shapes(graph: "onnx.ModelProto", size: int) -> Shapes:
    """The shape of each tensor that has one, for a single picture of `size` x `size` pixels."""
    import onnx

    return _told(onnx.shape_inference.infer_shapes(_of_one(graph, size), data_prop=True).graph)


def _of_one(graph: "onnx.ModelProto", size: int) -> "onnx.ModelProto":
    """A copy that takes one picture of this size and claims no other shapes."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(graph)
    for dimension, value in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, size, size, 3), strict=True):
        dimension.dim_value = value
    del model.graph.value_info[:]  # they may speak of any number of pictures
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return model


def _told(graph: "onnx.GraphProto") -> Shapes:
    found = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(side.HasField("dim_value") for side in sides):
            found[value.name] = [side.dim_value for side in sides]
    return found
