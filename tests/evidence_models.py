"""Model files of which one knows where the evidence lies: their features are how red, green and blue each place is."""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image

from eyebright import modelfile, selftest
from eyebright.modelfile import Head, Input, Label, Metadata

SIDE, PLACES = 32, 8
LABELS = ("red", "green", "blue")
BRIGHT = {"red": (250, 20, 20), "green": (20, 240, 20), "blue": (20, 20, 250)}


def planted(color="red", left=0, top=0, width=96, height=96, side=24):
    """A dark picture with one bright square."""
    picture = Image.new("RGB", (width, height), (20, 20, 20))
    picture.paste(BRIGHT[color], (left, top, left + side, top + side))
    return picture


def graph(
    weight, bias, task="single", head="rows", outputs=("scores", "logits", "embedding", "features"), places=PLACES
):
    """image (N, 32, 32, 3) -> features (N, 3, places, places), the color of each place in 0..1 -> their mean -> a head.

    The weights of a head of "rows" are (L, 3), of "columns" (3, L), of "8 bits" (L, 3) in uint8; a "bent" one squares
    the embedding first.
    """
    weight, bias = np.asarray(weight, np.float32), np.asarray(bias, np.float32)
    constants = {
        "white": np.array(255, np.float32),
        "axes": np.array([2, 3], np.int64),
        "temperature": np.array(1, np.float32),
        "head.bias": bias,
    }
    step = SIDE // places
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "white"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["colors"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["colors"], ["features"], kernel_shape=[step] * 2, strides=[step] * 2),
        helper.make_node("ReduceMean", ["features", "axes"], ["embedding"], keepdims=0),
    ]
    if head == "8 bits":
        scale = np.abs(weight).max(1) / 127
        constants |= {
            "head.weight": (np.round(weight / scale[:, None]) + 128).astype(np.uint8),
            "scale": scale,
            "zero": np.full(len(weight), 128, np.uint8),
            "step": np.array(1 / 255, np.float32),
            "none": np.array(0, np.uint8),
        }
        nodes += [
            helper.make_node("QuantizeLinear", ["embedding", "step", "none"], ["rounded"]),
            helper.make_node("DequantizeLinear", ["rounded", "step", "none"], ["seen"]),
            helper.make_node("DequantizeLinear", ["head.weight", "scale", "zero"], ["weight"], axis=0),
            helper.make_node("Gemm", ["seen", "weight", "head.bias"], ["logits"], transB=1),
        ]
    elif head == "columns":
        constants["head.weight"] = np.ascontiguousarray(weight.T)
        nodes += [
            helper.make_node("MatMul", ["embedding", "head.weight"], ["product"]),
            helper.make_node("Add", ["product", "head.bias"], ["logits"]),
        ]
    else:
        constants["head.weight"] = weight
        seen = "embedding"
        if head == "bent":
            seen = "square"
            nodes.append(helper.make_node("Mul", ["embedding", "embedding"], [seen]))
        nodes.append(helper.make_node("Gemm", [seen, "head.weight", "head.bias"], ["logits"], transB=1))
    activation = ("Sigmoid", {}) if task == "multi" else ("Softmax", {"axis": 1})
    nodes += [
        helper.make_node("Div", ["logits", "temperature"], ["calm"]),
        helper.make_node(activation[0], ["calm"], ["scores"], **activation[1]),
    ]
    shapes = {
        "scores": ["N", len(bias)],
        "logits": ["N", len(bias)],
        "embedding": ["N", 3],
        "features": ["N", 3, places, places],
    }
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "evidence",
        [value("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [value(name, TensorProto.FLOAT, shapes[name]) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def metadata(task="single", labels=LABELS, crop=1.0, head=True, thresholds=None) -> Metadata:
    return Metadata(
        format=1,
        name="evidence",
        task=task,
        labels=tuple(Label(f"e-{name}", name, "e-warm" if name == "red" else None) for name in labels),
        hierarchy=(Label("e-warm", "warm"),),
        input=Input(size=SIDE, crop=crop),
        golden=selftest.placeholder(SIDE, len(labels)),
        head=Head("head.weight", "head.bias") if head else None,
        thresholds=thresholds or {},
        temperature="temperature",
    )


def sealed(made: ModelProto, said: Metadata) -> modelfile.ModelFile:
    return modelfile.from_bytes(selftest.seal(made, said), "evidence.onnx")


def colors(task="single", labels=LABELS, crop=1.0, sharp=40.0, thresholds=None, **how) -> modelfile.ModelFile:
    """A label for each color, or for the first few."""
    weight = np.eye(3)[: len(labels)] * sharp
    return sealed(
        graph(weight, np.full(len(labels), -2.0), task, **how), metadata(task, labels, crop, thresholds=thresholds)
    )
