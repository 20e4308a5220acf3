"""Model files for tests, made with onnx.helper: 8 x 8 pixels, a mean per color, one matrix product."""

import base64
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from eyebright import modelfile, selftest
from eyebright.modelfile import Golden, GoldenPicture, Input, Label, Metadata

SIDE = 8


def graph(
    task: str = "single", labels: int = 3, extra: list[NodeProto] | None = None, top: str = "first"
) -> ModelProto:
    """image (N, 8, 8, 3) uint8 -> embedding (N, 3): mean color 0..1 -> logits (N, labels) -> scores.

    `extra` nodes may work on `embedding` and `first` (the product) and put another tensor, `top`, in the logits' place.
    """
    weights = np.random.default_rng(0).normal(0, 2, (3, labels)).astype(np.float32)
    constants = {
        "weights": weights,
        "temperature": np.array(1.5, np.float32),
        "white": np.array(255, np.float32),
        "axes": np.array([1, 2], np.int64),
    }
    activation = helper.make_node("Sigmoid" if task == "multi" else "Softmax", ["cooled"], ["scores"])
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "white"], ["unit"]),
        helper.make_node("ReduceMean", ["unit", "axes"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "weights"], ["first"]),
        *(extra or []),
        helper.make_node("Identity", [top], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["cooled"]),
        activation,
    ]
    outputs = {"scores": labels, "logits": labels, "embedding": 3}
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "tiny",
        [value("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [value(name, TensorProto.FLOAT, ["N", width]) for name, width in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def metadata(task: str = "single", count: int = 3, **parts: Any) -> Metadata:
    """What `graph` needs said of it; its golden picture is a guess until `selftest.seal` makes real ones."""
    seed = base64.b64encode(bytes(3)).decode()
    picture = GoldenPicture(seed=seed, height=1, width=1, repeat=SIDE, scores=(0.5,) * count)
    given: dict[str, Any] = {
        "format": 1,
        "name": "tiny",
        "task": task,
        "labels": tuple(Label(id=f"id{at}", label=f"label {at}") for at in range(count)),
        "input": Input(size=SIDE),
        "golden": Golden(tolerance=0.05, same_top=False, pictures=(picture,)),
        "temperature": "temperature",
    }
    return Metadata(**{**given, **parts})


def sealed(task: str = "single", labels: int = 3) -> modelfile.ModelFile:
    """A model file with golden pictures of its own."""
    return modelfile.from_bytes(selftest.seal(graph(task, labels), metadata(task, labels)), "tiny.onnx")
