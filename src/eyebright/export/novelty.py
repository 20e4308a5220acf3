"""The output `novelty` of a model file: how unlike a picture is to those that it learned from.

What it computes is in evaluation/novelty.py.
"""

from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from eyebright.errors import BadModelFile
from eyebright.evaluation.novelty import Familiar

PREFIX = "novelty"


def with_novelty(model: ModelProto, familiar: Familiar) -> ModelProto:
    """The same graph with one more output, in place of an earlier one; nothing of it is computed unless asked for.

    Raises BadModelFile where the graph has no `embedding` of that many numbers. `model` stays as it is.
    """
    found = [output for output in model.graph.output if output.name == "embedding"]
    if not found or found[0].type.tensor_type.shape.dim[-1].dim_value != len(familiar.mean):
        raise BadModelFile(f"This model gives no `embedding` of {len(familiar.mean)} numbers to compare.")
    changed = ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    for parts in (graph.node, graph.initializer, graph.output):
        kept = [part for part in parts if part.name.partition(".")[0] != PREFIX]
        del parts[:]
        parts.extend(kept)
    whole_numbers = np.round(familiar.directions / familiar.steps).astype(np.int8)
    constants: dict[str, Any] = {"mean": familiar.mean, "directions_quantized": whole_numbers}
    constants["directions_scale"] = familiar.steps
    constants |= {"axis": np.array([1]), "floor": np.array(1e-12, np.float32)}
    graph.initializer.extend(numpy_helper.from_array(value, f"{PREFIX}.{name}") for name, value in constants.items())

    def node(operator: str, name: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        names = [part if part == "embedding" else f"{PREFIX}.{part}" for part in inputs]
        made = output or f"{PREFIX}.{name}"
        graph.node.append(helper.make_node(operator, names, [made], f"{PREFIX}.{name}", **attributes))
        return name

    node("Cast", "directions_cast", "directions_quantized", to=TensorProto.FLOAT)
    node("Mul", "directions", "directions_cast", "directions_scale")
    node("Sub", "centered", "embedding", "mean")
    node("MatMul", "inside", "centered", "directions")
    for part in ("centered", "inside"):
        node("Mul", f"{part}_squared", part, part)
        node("ReduceSum", f"{part}_length", f"{part}_squared", "axis", keepdims=0)
    node("Sub", "outside", "centered_length", "inside_length")
    node("Max", "whole", "centered_length", "floor")
    node("Div", "share", "outside", "whole", output=PREFIX)
    graph.output.append(helper.make_tensor_value_info(PREFIX, TensorProto.FLOAT, ["N"]))
    onnx.checker.check_model(changed)
    return changed
