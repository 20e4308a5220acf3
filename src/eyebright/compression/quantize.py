"""Static int8 for convolutional networks: weights with a scale a channel, activations with one a tensor.

The result is plain ONNX in QDQ form: a QuantizeLinear and a DequantizeLinear around all that a runtime may compute in
integers. A parameter NAME is held as NAME_quantized, and NAME_scale times that is its value; `temperature` stays as
it is. All outputs are float32; `embedding`, `logits` and `scores` are not rounded to 8 bits.
"""

import itertools
import json
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import TensorData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from eyebright.errors import BadRequest

Ranges = dict[str, tuple[float, float]]
"""The lowest and the highest value of each activation that 8 bits keep, by the tensor's name in the float model."""
BINS = 2048

INTEGER = ("Conv", "Clip", "Relu", "Add", "Gemm")  # what is computed in integers; the rest stays in float
FLOAT_RESULT = ("Gemm",)  # of these, what gives its result in float


def measure_ranges(model: ModelProto, batches: Sequence[NDArray[np.uint8]]) -> Ranges:
    """The ranges in which 8 bits lose least over batches of pictures (N, H, W, 3), rounded to 6 digits.

    Room for all that occurs would make the steps coarse for the many; so each end is drawn in to where the
    mean squared error over a histogram of the tensor is least.
    """
    names = activations(model)
    probe = ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    ends = np.array([(0.0, 0.0)] * len(names))
    for batch in batches:
        for at, values in enumerate(session.run(None, {"image": batch})):
            ends[at] = min(ends[at, 0], values.min()), max(ends[at, 1], values.max())
    counts = np.zeros((len(names), BINS), np.int64)
    for batch in batches:
        for at, values in enumerate(session.run(None, {"image": batch})):
            counts[at] += np.histogram(values, BINS, tuple(ends[at]))[0]
    found = (least_error(low, high, count) for (low, high), count in zip(ends.tolist(), counts, strict=True))
    return {name: (float(f"{low:.6g}"), float(f"{high:.6g}")) for name, (low, high) in zip(names, found, strict=True)}


def least_error(low: float, high: float, counts: NDArray[np.int64]) -> tuple[float, float]:
    """The part of low..high whose 256 steps cost the values least, by their histogram over low..high."""
    values = low + (np.arange(BINS) + 0.5) * ((high - low) / BINS)
    best, best_error = (low, high), np.inf
    for down, up in itertools.product(np.linspace(1, 0.3, 29), repeat=2):
        if (low == 0 and down < 1) or (high == 0 and up < 1):
            continue
        step = (high * up - low * down) / 255 or 1.0
        zero = round(-low * down / step)
        rounded = (np.clip(np.round(values / step) + zero, 0, 255) - zero) * step
        error = float(((rounded - values) ** 2 * counts).sum())
        if error < best_error:
            best, best_error = (low * down, high * up), error
    return best


def ranges_to_json(ranges: Ranges) -> str:
    """One tensor a line."""
    lines = (f"{json.dumps(name)}: {json.dumps(ends)}" for name, ends in ranges.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def ranges_from_json(text: str) -> Ranges:
    return {name: (float(lowest), float(highest)) for name, (lowest, highest) in json.loads(text).items()}


def quantize(model: ModelProto, ranges: Ranges) -> ModelProto:
    """The int8 form of a float model from `to_onnx`; the same inputs give the same bytes on every machine.

    Raises BadRequest when the ranges belong to another model.
    """
    ranges = ranges | pixel_range(model)
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
        nodes_to_exclude=[],
        op_types_to_quantize=INTEGER,
        extra_options={"OpTypesToExcludeOutputQuantization": FLOAT_RESULT},
    )
    quantizer.quantize_model()
    keep_float_outputs(quantizer.model.model)
    take_pixels_as_they_are(quantizer.model.model)
    quantizer.model.clean_initializers()
    quantizer.model.topological_sort()
    result: ModelProto = quantizer.model.model
    result.producer_name, result.producer_version = model.producer_name, model.producer_version
    del result.metadata_props[:], result.graph.value_info[:]
    result.metadata_props.extend(model.metadata_props)
    onnx.checker.check_model(result)
    return result


def activations(model: ModelProto) -> list[str]:
    """The float tensors that enter or leave an integer operator, in the order of the graph."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = [*graph.value_info, *graph.output]
    floats = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    floats -= {tensor.name for tensor in graph.initializer}
    used = (name for node in graph.node if node.op_type in INTEGER for name in (*node.input, *node.output))
    return [name for name in dict.fromkeys(used) if name in floats]


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


def pixel_range(model: ModelProto) -> Ranges:
    """The range of the normalized pixels, which is known without measuring."""
    chain = normalization(model)
    if not chain:
        return {}
    values = normalized_bytes(model)
    return {chain[-1].output[0]: (float(values.min()), float(values.max()))}


BYTES = np.arange(256, dtype=np.float32).reshape(256, 1)


def normalized_bytes(model: ModelProto) -> NDArray[np.float32]:
    """(256, 3): what each value of a pixel becomes in each color."""
    mean, std = (constant(model, name).reshape(1, 3) for name in ("pixel_mean", "pixel_std"))
    normalized: NDArray[np.float32] = (BYTES - mean) / std
    return normalized


def normalization(model: ModelProto) -> list[NodeProto]:
    """The nodes between bytes and normalized pixels: Cast, Sub, Div. None in a model that was not made here."""
    maker = makers(model)
    chain = [node for node in model.graph.node if "pixel_std" in node.input]
    while chain and chain[0].op_type != "Cast":
        chain.insert(0, maker[chain[0].input[0]])
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
