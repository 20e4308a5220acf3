"""Smaller files at no price in speed: large weights are stored in 16 or 8 bits, and all is computed in float32.

What restores them are Cast and Mul of constants, which a runtime does once when it loads the file. (It leaves a
DequantizeLinear of a constant for every run: MobileNet-v2 then takes 1.8 times as long in ONNX Runtime 1.32.)
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from eyebright.compression.trim import sealed
from eyebright.errors import BadRequest
from eyebright.modelfile import ModelFile

How = Literal["half", "int8"]
LARGE = 1024
"""Numbers from which on a tensor is worth it."""
SAME = 1e-3
"""Of its largest number, what 16 bits may change of a tensor: beyond their range, or far below it, it stays."""
OF_NOVELTY = "novelty."
"""What decides by small differences keeps its digits."""


def half(model: ModelProto) -> ModelProto:
    """Large weights in 16 bits; those that reach beyond 65504 stay. Names and outputs stay; `model` stays as it is."""
    copy, kept = copied(model), {}
    for tensor in large(copy):
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            small = values.astype(np.float16)
        if float(np.abs(small - values).max()) <= SAME * float(np.abs(values).max()):
            tensor.CopyFrom(numpy_helper.from_array(small, tensor.name))
            kept[tensor.name] = Kept(tensor.name)
    return restored(copy, kept)


def weight_only_int8(model: ModelProto) -> ModelProto:
    """Large weights of convolutions and matrix products in 8 bits, with a scale for each output channel.

    NAME becomes NAME_quantized, and NAME_scale times that is its value. `model` stays as it is.
    """
    copy, kept = copied(model), {}
    axes = output_axes(copy)
    for tensor in large(copy):
        name, axis = tensor.name, axes.get(tensor.name)
        if axis is None or name.startswith(OF_NOVELTY):
            continue
        values = numpy_helper.to_array(tensor)
        scale = np.abs(values).max(tuple(at for at in range(values.ndim) if at != axis), keepdims=True) / 127
        if not np.isfinite(scale).all():
            continue
        scale = np.where(scale > 0, scale, 1).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}_quantized"))
        copy.graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
        kept[name] = Kept(tensor.name, f"{name}_scale")
    return restored(copy, kept)


class Kept(NamedTuple):
    """The names of the constants that a weight is held in."""

    stored: str
    scale: str = ""


LIGHTER: dict[How, tuple[Callable[[ModelProto], ModelProto], str]] = {
    "half": (half, "large weights stored in 16 bits, computed in float32"),
    "int8": (weight_only_int8, "large weights stored in 8 bits, per channel, computed in float32"),
}


def lightened(file: ModelFile, how: How) -> bytes:
    """A model file with its weights in 16 or 8 bits and a self-test of its own, as strict as before.

    Figures and latencies, which were measured on another file, are left out; thresholds and what they promise stay as
    they were chosen, and should be judged anew. Raises BadRequest where there is nothing to store in fewer bits.
    """
    make, said = LIGHTER[how]
    before = onnx.load_from_string(file.data)
    graph = make(before)
    if graph.ByteSize() >= before.ByteSize():
        raise BadRequest(f"{file.metadata.name} has no large weights in float32 that could be stored in fewer bits.")
    card = msgspec.structs.replace(
        file.metadata.card,
        precision="mixed",
        lineage=(*file.metadata.card.lineage, said),
        metrics={},
        per_class={},
        latencies=(),
    )
    stored = {tensor.name for tensor in graph.graph.initializer}
    head = file.metadata.head
    if head and head.weight not in stored:
        head = msgspec.structs.replace(head, weight=f"{head.weight}_quantized")
    metadata = msgspec.structs.replace(file.metadata, card=card, head=head)
    return sealed(graph, metadata, file.metadata.golden, file.path)


def copied(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def large(model: ModelProto) -> list[TensorProto]:
    """Weights that are worth it."""
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) >= 2 and np.prod(tensor.dims) >= LARGE
    ]


def output_axes(model: ModelProto) -> dict[str, int]:
    """By name of each constant that is the weights of something: the side along which its output channels lie."""
    found: dict[str, set[int | None]] = {}
    for node in model.graph.node:
        for slot, name in enumerate(node.input):
            found.setdefault(name, set()).add(axis_of(node, slot))
    return {name: axis for name, (axis, *others) in found.items() if axis is not None and not others}


def axis_of(node: NodeProto, slot: int) -> int | None:
    if slot == 1 and node.op_type == "Conv":
        return 0
    if slot == 1 and node.op_type in ("MatMul", "Gemm"):
        turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return 0 if turned else 1
    return None


def restored(model: ModelProto, kept: Mapping[str, Kept]) -> ModelProto:
    """Whoever read a weight reads what is held of it as the float32 that it stands for."""
    graph = model.graph
    made = []
    for name, (stored, scale) in kept.items():
        whole = f"{name}_cast" if scale else f"{name}_restored"
        made.append(helper.make_node("Cast", [stored], [whole], f"{name}_cast", to=TensorProto.FLOAT))
        if scale:
            made.append(helper.make_node("Mul", [whole, scale], [f"{name}_restored"], f"{name}_restored"))
    rest = list(graph.node)
    for node in rest:
        node.input[:] = [f"{name}_restored" if name in kept else name for name in node.input]
    del graph.node[:]
    graph.node.extend([*made, *rest])
    onnx.checker.check_model(model)
    return model
