"""Fewer labels for a graph whose head is one matrix product: the rows of the others are taken out, and no more.

A parameter may be held in float, in 8 bits with a scale a label, or in 16: all that it is made of is cut alike.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from eyebright.errors import BadRequest
from eyebright.modelfile import Head

RESTORING = ("DequantizeLinear", "Cast", "Mul")
"""Operators between what is stored and the number that it stands for."""


class Stored(NamedTuple):
    """A parameter of the head as it stands in a graph."""

    constants: list[str]
    """All that it is made of: itself, scales, zero points."""
    user: NodeProto
    """The node that computes with it."""
    slot: int
    """Which input of that node it is."""


def with_rows(model: ModelProto, head: Head, rows: Sequence[int], count: int) -> ModelProto:
    """The graph with these labels of its `count`, in this order. `model` stays as it is.

    Raises BadRequest where the head is not one matrix product that may be cut.
    """
    changed = ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    for name in filter(None, (head.weight, head.bias)):
        stored = find(graph, name)
        axis = label_axis(stored) if name == head.weight else -1
        dimensions = len(tensor(graph, name).dims)
        for constant in stored.constants:
            home = tensor(graph, constant)
            home.CopyFrom(numpy_helper.from_array(cut(home, rows, count, axis, dimensions), constant))
    for output in graph.output:
        if output.name in ("scores", "logits"):
            output.type.tensor_type.shape.dim[1].dim_value = len(rows)
    del graph.value_info[:]
    onnx.checker.check_model(changed)
    return changed


def find(graph: onnx.GraphProto, name: str) -> Stored:
    """Follow a parameter from where it is stored to the one node that computes with it."""
    stored = {initializer.name for initializer in graph.initializer}
    constants, at = [name], name
    for _ in range(len(RESTORING) + 1 if name in stored else 0):
        users = [node for node in graph.node if at in node.input]
        if len(users) != 1:
            break
        (user,) = users
        others = [other for other in user.input if other and other != at]
        if user.op_type not in RESTORING or not stored.issuperset(others):
            return Stored(constants, user, list(user.input).index(at))
        constants += others
        at = user.output[0]
    raise cannot_cut()


def label_axis(stored: Stored) -> int:
    """Along which side of the weights the labels lie."""
    kind, slot = stored.user.op_type, stored.slot
    if slot == 1 and kind == "Conv":
        return 0
    if slot == 1 and kind == "MatMul":
        return -1
    if slot == 1 and kind == "Gemm":
        turned = any(attribute.name == "transB" and attribute.i for attribute in stored.user.attribute)
        return 0 if turned else 1
    raise cannot_cut()


def cut(home: onnx.TensorProto, rows: Sequence[int], count: int, axis: int, dimensions: int) -> NDArray[Any]:
    """The rows of a constant; one number for all labels stays as it is, one for each is cut wherever it stands."""
    values = numpy_helper.to_array(home)
    if values.size == 1:
        return values
    along = axis if values.ndim == dimensions else 0
    if values.ndim not in (1, dimensions) or values.shape[along] != count:
        raise cannot_cut()
    return values.take(rows, along)


def tensor(graph: onnx.GraphProto, name: str) -> onnx.TensorProto:
    found: onnx.TensorProto = next(one for one in graph.initializer if one.name == name)
    return found


def cannot_cut() -> BadRequest:
    return BadRequest("its last layer is not one matrix product with a row for each label.")
