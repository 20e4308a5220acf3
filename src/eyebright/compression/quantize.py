"""Static int8 for convolutional networks: weights with a scale a channel, activations with one a tensor.

The result is plain ONNX in QDQ form: a QuantizeLinear and a DequantizeLinear around all that a runtime may compute in
integers. A parameter NAME is held as NAME_quantized, and NAME_scale times that is its value; `temperature` stays as
it is. All outputs are float32; `embedding`, `logits` and `scores` are not rounded to 8 bits.
"""

from collections import Counter
from collections.abc import Collection

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import TensorData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from eyebright.compression.ranges import INTEGER, Ranges, activations
from eyebright.errors import BadRequest

FLOAT_RESULT = ("Gemm",)  # of INTEGER, what gives its result in float
ACTIVATIONS = ("Clip", "Relu")
EVEN_STD = 128.0
LOWEST = "lowest"


def quantize(model: ModelProto, ranges: Ranges, keep: Collection[str] = ()) -> ModelProto:
    """The int8 form of a float model from `to_onnx`; the same inputs give the same bytes on every machine.

    The nodes named in `keep` stay in float. Raises BadRequest when the ranges belong to another model.
    """
    ranges = ranges | pixel_range(model)
    ranges |= of_joined(model, ranges)
    missing = [name for name in activations(model) if name not in ranges]
    if missing:
        raise BadRequest(f"These activation ranges were measured on another model: there is none for {missing[0]}.")
    copy = ModelProto()
    copy.CopyFrom(model)
    quantizer = QDQQuantizer(
        copy,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range={
            name: TensorData(lowest=np.float32(lowest), highest=np.float32(highest))
            for name, (lowest, highest) in ranges.items()
        },
        nodes_to_quantize=[],
        nodes_to_exclude=with_activations(model, keep),
        op_types_to_quantize=INTEGER,
        extra_options={"OpTypesToExcludeOutputQuantization": FLOAT_RESULT},
    )
    quantizer.quantize_model()
    keep_float_outputs(quantizer.model.model)
    keep_float_layers(quantizer.model.model, keep)
    take_pixels_as_they_are(quantizer.model.model)
    quantizer.model.clean_initializers()
    quantizer.model.topological_sort()
    result: ModelProto = quantizer.model.model
    tidy(result)
    result.producer_name, result.producer_version = model.producer_name, model.producer_version
    del result.metadata_props[:], result.graph.value_info[:]
    result.metadata_props.extend(model.metadata_props)
    onnx.checker.check_model(result)
    return result


def with_activations(model: ModelProto, names: Collection[str]) -> list[str]:
    """These nodes, and the activation that follows each: between the two nothing is to be rounded."""
    made = {output for node in model.graph.node if node.name in names for output in node.output}
    follow = (node for node in model.graph.node if node.op_type in ACTIVATIONS and node.input[0] in made)
    return [*names, *(node.name for node in follow)]


def keep_float_outputs(model: ModelProto) -> None:
    """An output that a float operator makes leaves as it was made; only the integer operator after it rounds it."""
    maker = makers(model)
    for output in model.graph.output:
        dequantize = maker[output.name]
        if dequantize.op_type != "DequantizeLinear":
            continue
        quantize = maker[dequantize.input[0]]
        node = maker[quantize.input[0]]
        if node.op_type not in INTEGER:
            rounded = f"{output.name}_DequantizeLinear_Output"
            reconnect(model, output.name, rounded)
            dequantize.output[0] = rounded
            quantize.input[0] = node.output[0] = output.name


def keep_float_layers(model: ModelProto, names: Collection[str]) -> None:
    """A Max that changes nothing after each of these layers.

    ONNX Runtime gives a float layer between two rounded tensors 8 bits of its own, one scale for all of its weights.
    """
    outputs = {output.name for output in model.graph.output}
    kept = [node for node in model.graph.node if node.name in names and node.output[0] not in outputs]
    for node in kept:
        name = node.output[0]
        node.output[0] = f"{name}_float"
        model.graph.node.append(helper.make_node("Max", [node.output[0], LOWEST], [name], f"{name}_stays"))
    if kept:
        model.graph.initializer.append(numpy_helper.from_array(np.array(np.finfo(np.float32).min), LOWEST))


def with_even_pixels(model: ModelProto) -> ModelProto:
    """The same model with one mean for all colors and a std of 128; what the old ones did is in the first convolution.

    Such pixels need no arithmetic in 8 bits (`take_pixels_as_they_are`). Only what a convolution adds around a picture
    is another gray, by the distance of the means. A graph that begins otherwise comes back as it is.
    """
    chain = normalization(model)
    users = [node for node in model.graph.node if chain and chain[-1].output[0] in node.input]
    if [node.op_type for node in users] != ["Conv"]:
        return model
    mean, std = (constant(model, name).astype(np.float64) for name in numbers(model))
    if mean.shape != (3, 1, 1):
        return model
    even = np.full((3, 1, 1), float(np.round(mean.mean())))
    weights, *biases = users[0].input[1:]
    weight = constant(model, weights).astype(np.float64)
    moved = (weight * ((even - mean) / std)).sum((1, 2, 3))
    bias = biases[0] if biases else f"{weights}_moved"
    changed = {"pixel_mean": even, "pixel_std": np.full((3, 1, 1), EVEN_STD)}
    changed |= {weights: weight * (EVEN_STD / std), bias: moved + (constant(model, bias) if biases else 0.0)}
    copy = ModelProto()
    copy.CopyFrom(model)
    chain = normalization(copy)
    for node, name in zip(chain[1:], changed, strict=False):
        node.input[1] = name
    if not biases:
        next(node for node in copy.graph.node if chain[-1].output[0] in node.input).input.append(bias)
    kept = [tensor for tensor in copy.graph.initializer if tensor.name not in changed]
    del copy.graph.initializer[:]
    copy.graph.initializer.extend(kept)
    copy.graph.initializer.extend(
        numpy_helper.from_array(value.astype(np.float32), name) for name, value in changed.items()
    )
    return copy


def take_pixels_as_they_are(model: ModelProto) -> None:
    """Where normalizing and rounding to 8 bits gives the very bytes of the picture, leave that arithmetic out.

    So it is with one mean for all colors and a std that is a power of two: zero point and scale say all of it.
    """
    chain = normalization(model)
    users = [node for node in model.graph.node if chain and chain[-1].output[0] in node.input]
    if [node.op_type for node in users] != ["QuantizeLinear"]:
        return
    (rounding,) = users
    scale, zero = (constant(model, name) for name in rounding.input[1:])
    as_they_are = (BYTES - zero.astype(np.float32)) * scale
    if np.array_equal(np.broadcast_to(as_they_are, (256, 3)), normalized_bytes(model)):
        reconnect(model, rounding.output[0], chain[0].input[0])
        for node in (*chain, rounding):
            model.graph.node.remove(node)


def tidy(model: ModelProto) -> None:
    """Leave out what only takes room: zero points that are zero, and the long names that the quantizer makes."""
    initial = {tensor.name: tensor for tensor in model.graph.initializer}
    products = {name for node in model.graph.node if node.op_type == "Gemm" for name in node.input}
    short = {output.name: output.name for output in model.graph.output}
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        held = initial.get(node.input[0])
        if held and (held.data_type == TensorProto.INT32 or node.output[0] not in products):
            del node.input[2:]  # of weights and biases; ONNX Runtime computes a Gemm in integers only with it
        node.name = ""
        short.setdefault(node.output[0], f"{node.op_type[0].lower()}{len(short)}")
        if not held:  # parameters keep their names, by which people find them
            for letter, name in zip("sz", node.input[1:], strict=False):
                short.setdefault(name, f"{letter}{len(short)}")
    for node in model.graph.node:
        node.input[:] = [short.get(name, name) for name in node.input]
        node.output[:] = [short.get(name, name) for name in node.output]
    for tensor in model.graph.initializer:
        tensor.name = short.get(tensor.name, tensor.name)
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def with_float_biases(model: ModelProto) -> ModelProto:
    """The int8 graph with the biases of its convolutions in float: it answers as before, and is smaller.

    Held in 32 bits each, a bias has a scale beside it that says nothing new: of weights and of what comes in. ONNX
    Runtime computes it from these and stays with integers (1.22 and 1.32 do).
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    maker = makers(copy)
    for node in list(copy.graph.node):
        held = maker.get(node.input[2]) if node.op_type == "Conv" and len(node.input) > 2 else None
        if held is None or held.op_type != "DequantizeLinear":
            continue
        steps, scale = (constant(copy, name) for name in held.input[:2])
        if steps.dtype != np.int32:
            continue
        name = held.input[0].removesuffix("_quantized")
        copy.graph.initializer.append(
            numpy_helper.from_array((steps * scale.astype(np.float64)).astype(np.float32), name)
        )
        reconnect(copy, held.output[0], name)
        copy.graph.node.remove(held)
    used = {name for node in copy.graph.node for name in node.input}
    kept = [tensor for tensor in copy.graph.initializer if tensor.name in used]
    del copy.graph.initializer[:]
    copy.graph.initializer.extend(kept)
    onnx.checker.check_model(copy)
    return copy


def pixel_range(model: ModelProto) -> Ranges:
    """The range of the normalized pixels, which is known without measuring."""
    chain = normalization(model)
    if not chain:
        return {}
    values = normalized_bytes(model)
    return {chain[-1].output[0]: (float(values.min()), float(values.max()))}


def of_joined(model: ModelProto, ranges: Ranges) -> Ranges:
    """The range of a Concat for all that it joins and nothing else reads: rounded once, and joined by mere copying."""
    read = Counter(name for node in model.graph.node for name in node.input)
    read.update(output.name for output in model.graph.output)
    joins = [node for node in model.graph.node if node.op_type == "Concat" and node.output[0] in ranges]
    return {name: ranges[node.output[0]] for node in joins for name in node.input if read[name] == 1}


BYTES = np.arange(256, dtype=np.float32).reshape(256, 1)


def normalized_bytes(model: ModelProto) -> NDArray[np.float32]:
    """(256, 3): what each value of a pixel becomes in each color."""
    mean, std = (constant(model, name).reshape(1, -1) for name in numbers(model))
    normalized: NDArray[np.float32] = (BYTES - mean) / std
    return normalized


def numbers(model: ModelProto) -> list[str]:
    """The names of what is subtracted and divided by."""
    return [node.input[1] for node in normalization(model)[1:]]


def normalization(model: ModelProto) -> list[NodeProto]:
    """The nodes between bytes and normalized pixels: Cast, Sub, Div. None in a model that was not made here.

    Found by what they do: where mean and std are the same numbers, the exporter stores them once, by one name.
    """
    fixed = {tensor.name for tensor in model.graph.initializer}
    chain = [node for node in model.graph.node if node.op_type == "Cast"][:1]
    for operator in ("Sub", "Div"):
        users = [node for node in model.graph.node if chain and chain[-1].output[0] in node.input]
        if len(users) != 1 or users[0].op_type != operator or users[0].input[1] not in fixed:
            return []
        chain += users
    return chain


def makers(model: ModelProto) -> dict[str, NodeProto]:
    """The node that makes each tensor."""
    return {name: node for node in model.graph.node for name in node.output}


def constant(model: ModelProto, name: str) -> NDArray[np.float32]:
    return numpy_helper.to_array(next(tensor for tensor in model.graph.initializer if tensor.name == name))


def reconnect(model: ModelProto, old: str, new: str) -> None:
    """Every node that reads `old` reads `new`."""
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
