"""A network of three layers as a model file, for what is done to weights."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from eyebright import modelfile, selftest
from eyebright.modelfile import Input, Label, Metadata


def network(side=16):
    """Two convolutions and a matrix product: `body.weight` and `head.weight` are large, the stem is not."""
    random = np.random.default_rng(0)
    constants = {
        "scale": np.array(255, np.float32),
        "stem.weight": random.normal(0, 0.3, (32, 3, 3, 3)).astype(np.float32),
        "stem.bias": random.normal(0, 0.1, 32).astype(np.float32),
        "body.weight": random.laplace(0, 0.05, (64, 32, 3, 3)).astype(np.float32),
        "body.bias": random.normal(0, 0.1, 64).astype(np.float32),
        "head.weight": random.normal(0, 1, (64, 20)).astype(np.float32),
        "temperature": np.array(1.5, np.float32),
        "sides": np.array([2, 3], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        node("Div", ["float", "scale"], ["unit"]),
        node("Transpose", ["unit"], ["pixels"], perm=[0, 3, 1, 2]),
        node("Conv", ["pixels", "stem.weight", "stem.bias"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "body.weight", "body.bias"], ["c"]),
        node("Relu", ["c"], ["d"]),
        node("ReduceMean", ["d", "sides"], ["embedding"], keepdims=0),
        node("MatMul", ["embedding", "head.weight"], ["logits"]),
        node("Div", ["logits", "temperature"], ["cooled"]),
        node("Softmax", ["cooled"], ["scores"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [value("image", TensorProto.UINT8, ["N", side, side, 3])],
        [value("scores", TensorProto.FLOAT, ["N", 20]), value("logits", TensorProto.FLOAT, ["N", 20])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def sealed(graph, count, size, **parts):
    given = {
        "format": 1,
        "name": "small",
        "task": "single",
        "labels": tuple(Label(f"l{at}", f"l{at}") for at in range(count)),
        "input": Input(size=size),
        "golden": selftest.placeholder(size, count),
        "temperature": "temperature",
        **parts,
    }
    return modelfile.from_bytes(selftest.seal(graph, Metadata(**given)), "small.onnx")


def weights(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
