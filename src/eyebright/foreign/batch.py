"""A graph that was exported for a fixed number of pictures takes any number.

Exporters write that number into shapes, and what is constant (the class token of a transformer) stays at it. What is
rewritten here is a good guess; whether it was right is found by running two pictures at once.
"""

import numpy as np
from onnx import GraphProto, NodeProto, helper, numpy_helper


def free_batch(graph: GraphProto, image: str, fixed: int) -> None:
    """Rewrite the shapes of reshapes, and repeat constants that are joined to what comes of the picture."""
    numbers = {tensor.name: tensor for tensor in graph.initializer}
    pictured = {image}  # tensors that come of the picture
    nodes = list(graph.node)
    del graph.node[:]
    for at, node in enumerate(nodes):
        if pictured.isdisjoint(node.input):
            graph.node.append(node)
            continue
        pictured.update(node.output)
        if node.op_type == "Reshape" and node.input[1] in numbers:
            _reshape(graph, node, numpy_helper.to_array(numbers[node.input[1]]).tolist(), fixed, f"free/shape.{at}")
        elif node.op_type == "Gather" and node.input[1] in numbers:
            index = numpy_helper.to_array(numbers[node.input[1]])
            if index.ndim > 1 and index.size > fixed and np.array_equal(index.ravel(), np.arange(index.size)):
                node.op_type = "Reshape"  # torch's as_strided: all of a flat tensor, in another shape
                _reshape(graph, node, list(index.shape), fixed, f"free/shape.{at}")
        elif node.op_type == "Concat" and node.attribute[0].i != 0:
            for place, name in enumerate(node.input):
                if name not in pictured:
                    node.input[place] = _repeated(graph, name, image, f"free/token.{at}.{place}")
        graph.node.append(node)


def _reshape(graph: GraphProto, node: NodeProto, shape: list[int], fixed: int, name: str) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array(_free(shape, fixed), np.int64), name))
    node.input[1] = name
    del node.attribute[:]  # allowzero would make nothing of a 0


def _free(shape: list[int], fixed: int) -> list[int]:
    """A reshape's target with the number of pictures left open: 0 where another side is open already, else -1.

    >>> _free([1, -1], 1), _free([1, 12, 197, 64], 1), _free([197, 1, 768], 1)
    ([0, -1], [-1, 12, 197, 64], [197, -1, 768])

    Attention that puts tokens first folds the pictures into its heads, or into the tokens:

    >>> _free([197, 12, 64], 1), _free([197, 768], 1)
    ([197, -1, 64], [-1, 768])
    """
    if -1 in shape:
        return [0, *shape[1:]] if shape[0] == fixed else shape
    if 0 in shape or not shape:
        return shape
    at = shape.index(fixed) if fixed in shape[:2] else (1 if len(shape) == 3 else 0)
    return [*shape[:at], -1, *shape[at + 1 :]]


def _repeated(graph: GraphProto, constant: str, image: str, name: str) -> str:
    """A constant (1, T, D) as (N, T, D)."""
    sides = numpy_helper.from_array(np.array([1, 1]), f"{name}.sides")
    first = numpy_helper.from_array(np.array([0]), f"{name}.first")
    graph.initializer.extend([sides, first])
    graph.node.extend(
        [
            helper.make_node("Shape", [image], [f"{name}.image"]),
            helper.make_node("Gather", [f"{name}.image", first.name], [f"{name}.n"]),
            helper.make_node("Concat", [f"{name}.n", sides.name], [f"{name}.shape"], axis=0),
            helper.make_node("Expand", [constant, f"{name}.shape"], [name]),
        ]
    )
    return name
