"""The first convolution of an int8 graph, four pixels at a time: the same numbers with less copying.

A runtime gathers what a convolution multiplies by as many bytes as there are channels, and three are few. Four pixels
side by side are one place of twelve channels as they lie in memory; with stride 2 they make two places of the map,
which lie side by side as well. The kernel gets zeros for pixels that it does not look at.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from eyebright.compression.quantize import ACTIVATIONS, constant, makers

PIXELS, COLORS, STRIDE = 4, 3, 2
PLACES = PIXELS // STRIDE
"""Of the map, that come of so many pixels."""
BEFORE, AFTER = ["Transpose", "DequantizeLinear", "Conv"], ["QuantizeLinear"]


def with_wide_stem(model: ModelProto, sides: Iterable[int]) -> ModelProto:
    """The int8 graph with a wide first convolution, for pictures of these sides; it answers as before, to the bit.

    It comes back as it is where that does not do: a float layer, another stride than 2, sides that 4 does not divide.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    before = followed(copy, "image", BEFORE)
    if before is None or any(side % PIXELS for side in sides):
        return model
    conv = before[-1]
    after = followed(copy, conv.output[0], AFTER)
    about = {attribute.name: helper.get_attribute_value(attribute) for attribute in conv.attribute}
    if after is None or about.get("strides") != [STRIDE, STRIDE] or about.get("dilations", [1, 1]) != [1, 1]:
        return model
    maker = makers(copy)
    made = [maker[name] for name in conv.input[1:] if name in maker]  # of weights and biases, held in 8 and in 32 bits
    if {node.op_type for node in made} != {"DequantizeLinear"}:
        return model
    held = constant(copy, made[0].input[0])
    top, left, bottom, right = about.get("pads", [0, 0, 0, 0])
    missing = -1 - (left + right - held.shape[3]) // STRIDE  # of as many places as half the pixels
    if held.shape[1] != COLORS or missing not in (0, 1):
        return model
    kernel, reach = widened(held, left)
    values: dict[str, NDArray[Any]] = {
        name: np.tile(constant(copy, name), PLACES) for node in made for name in node.input if name != made[0].input[0]
    }
    replace(copy, values | {made[0].input[0]: kernel})
    about |= {"kernel_shape": kernel.shape[2:], "strides": [STRIDE, 1], "pads": [top, reach[0], bottom, reach[1]]}
    del conv.attribute[:]
    conv.attribute.extend(helper.make_attribute(name, value) for name, value in about.items())
    four_at_once(copy, before[0])
    one_by_one(copy, after[-1], len(held), missing)
    onnx.checker.check_model(copy)
    return copy


def followed(model: ModelProto, name: str, operators: list[str]) -> list[NodeProto] | None:
    """The nodes of these operators, each the only reader of the one before it; activations may stand between."""
    found: list[NodeProto] = []
    while len(found) < len(operators):
        users = [node for node in model.graph.node if name in node.input]
        if len(users) != 1 or users[0].op_type not in (operators[len(found)], *ACTIVATIONS):
            return None
        found += users if users[0].op_type == operators[len(found)] else []
        name = users[0].output[0]
    return found


def widened(kernel: NDArray[Any], left: int) -> tuple[NDArray[Any], tuple[int, int]]:
    """A kernel (C, 3, K, K) as (2 C, 12, K, groups of pixels), and how many groups it reaches to the left and right."""
    channels, colors, height, width = kernel.shape
    seen = [[STRIDE * place - left + column for column in range(width)] for place in range(PLACES)]
    first, last = min(map(min, seen)) // PIXELS, max(map(max, seen)) // PIXELS
    wide = np.zeros((PLACES, channels, PIXELS, colors, height, last - first + 1), kernel.dtype)
    for place, pixels in enumerate(seen):
        for column, pixel in enumerate(pixels):
            wide[place, :, pixel % PIXELS, :, :, pixel // PIXELS - first] = kernel[:, :, :, column]
    return wide.reshape(PLACES * channels, PIXELS * colors, height, -1), (-first, last)


def four_at_once(model: ModelProto, transpose: NodeProto) -> None:
    """The picture with four pixels as one, before its channels go to the front."""
    wide = helper.make_node("Reshape", [transpose.input[0], "stem_wide_shape"], ["stem_wide"])
    transpose.input[0] = wide.output[0]
    add(model, {"stem_wide_shape": [0, 0, -1, PIXELS * COLORS]})
    model.graph.node.insert(list(model.graph.node).index(transpose), wide)


def one_by_one(model: ModelProto, quantize: NodeProto, channels: int, missing: int) -> None:
    """The map with a place for each of the two that were made at once; the last one goes where the old one had none."""
    name = quantize.output[0]
    apart = ["stem_last", "stem_apart", "stem_map"]
    add(model, {"stem_map_shape": [0, 0, -1, channels]})
    nodes = [
        helper.make_node("Transpose", [name], [apart[0]], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", [apart[0], "stem_map_shape"], [apart[1]]),
    ]
    if missing:
        add(model, {"stem_from": [0], "stem_to": [-missing], "stem_axis": [2]})
        nodes.append(helper.make_node("Slice", [apart[1], "stem_from", "stem_to", "stem_axis"], ["stem_cut"]))
    nodes.append(helper.make_node("Transpose", nodes[-1].output, [apart[2]], perm=[0, 3, 1, 2]))
    for node in model.graph.node:
        node.input[:] = [apart[2] if one == name else one for one in node.input]
    at = list(model.graph.node).index(quantize) + 1
    for node in reversed(nodes):
        model.graph.node.insert(at, node)


def add(model: ModelProto, numbers: dict[str, list[int]]) -> None:
    model.graph.initializer.extend(numpy_helper.from_array(np.array(some), name) for name, some in numbers.items())


def replace(model: ModelProto, values: dict[str, NDArray[Any]]) -> None:
    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
