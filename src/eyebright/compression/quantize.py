"""Static int8 for convolutional networks: weights with a scale a channel, activations with one a tensor.

The result is plain ONNX in QDQ form: a QuantizeLinear and a DequantizeLinear around all that a runtime may compute in
integers. A parameter NAME is held as NAME_quantized, and NAME_scale times that is its value; `temperature` stays as
it is. All outputs are float32; `embedding`, `logits` and `scores` are not rounded to 8 bits.
"""

import json
from collections.abc import Iterable

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
"""The lowest and the highest value of each activation, by the name of its tensor in the float model."""

INTEGER = ("Conv", "Clip", "Relu", "Add", "Gemm")  # what is computed in integers; the rest stays in float
FLOAT_RESULT = ("Gemm",)  # of these, what gives its result in float


def measure_ranges(model: ModelProto, batches: Iterable[NDArray[np.uint8]]) -> Ranges:
    """The ranges over batches of pictures (N, H, W, 3), rounded to 6 digits."""
    names = activations(model)
    probe = ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    for name in names:
        for end, operator in (("lowest", "ReduceMin"), ("highest", "ReduceMax")):
            probe.graph.node.append(helper.make_node(operator, [name], [f"{name}.{end}"], keepdims=0))
            probe.graph.output.append(helper.make_tensor_value_info(f"{name}.{end}", TensorProto.FLOAT, []))
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    found = np.array([session.run(None, {"image": batch}) for batch in batches]).reshape(-1, len(names), 2)
    ends = zip(names, found[..., 0].min(axis=0), found[..., 1].max(axis=0), strict=True)
    return {name: (float(f"{lowest:.6g}"), float(f"{highest:.6g}")) for name, lowest, highest in ends}


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
