"""A wrapped model says of the same pixels what the original says, whoever exported it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from eyebright import selftest
from eyebright.foreign import Choices, wrap
from eyebright.foreign.front import IMAGENET
from eyebright.modelfile import from_bytes
from eyebright.runtime import open_runtime
from foreign.graphs import LABELS, SIDE, Graph, Pixels, pictures, saved

UNIT: tuple[Any, Any] = (0.0, 1.0)


def planes(mean: Any = IMAGENET[0], std: Any = IMAGENET[1], type: Any = np.float32) -> Callable[[Pixels], Any]:
    return lambda pixels: (((pixels / 255) - mean) / std).transpose(0, 3, 1, 2).astype(type)


def softmax(logits: Any) -> Any:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def sigmoid(logits: Any) -> Any:
    return 1 / (1 + np.exp(-logits))


def plain() -> Graph:
    return Graph().body().head()


def ends_in(operator: str) -> Graph:
    graph = plain()
    graph.add(operator, **({} if operator == "Sigmoid" else {"axis": 1}))
    return graph


def keras() -> Graph:
    """As tf2onnx writes a Keras model: NHWC, rescaled inside, dense as MatMul and Add, softmax last."""
    graph = Graph()
    graph.add("Mul", graph.number(np.float32(1 / 127.5)))
    graph.add("Sub", graph.number(np.float32(1)))
    graph.add("Transpose", perm=[0, 3, 1, 2])
    graph.body()
    graph.add("Squeeze", graph.number([2, 3]), to="embedding")
    graph.add("MatMul", graph.weight(6, 5))
    graph.add("Add", graph.weight(5))
    graph.add("Softmax", axis=1)
    return graph


def normalizes_inside() -> Graph:
    """A module that subtracts 0.485 ... in its first step takes pixels of 0..1."""
    graph = Graph()
    graph.add("Sub", graph.number(np.array(IMAGENET[0], np.float32).reshape(1, 3, 1, 1)))
    graph.add("Div", graph.number(np.array(IMAGENET[1], np.float32).reshape(1, 3, 1, 1)))
    return graph.body().head()


def constants_as_nodes() -> Graph:
    graph = plain()
    graph.nodes[:0] = [onnx.helper.make_node("Constant", [], [number.name], value=number) for number in graph.numbers]
    graph.numbers = []
    return graph


def bytes_in() -> Graph:
    graph = Graph()
    graph.add("Cast", to_=TensorProto.FLOAT)
    graph.add("Div", graph.number(np.float32(255)))
    graph.add("Transpose", perm=[0, 3, 1, 2])
    return graph.body().head()


def convolution_last() -> Graph:
    """As SqueezeNet: the last layer is a convolution, pooled afterwards."""
    graph = Graph()
    graph.add("Conv", graph.weight(6, 3, 3, 3), graph.weight(6))
    graph.add("Relu", to="map")
    graph.add("Conv", graph.weight(5, 6, 1, 1), graph.weight(5))
    graph.add("GlobalAveragePool")
    graph.add("Flatten", axis=1)
    return graph


def fixed_reshape() -> Graph:
    graph = Graph().body()
    graph.add("Reshape", graph.number([1, 6]), to="embedding")
    graph.add("Gemm", graph.weight(5, 6), graph.weight(5), transB=1)
    return graph


def strided() -> Graph:
    """As ConvNeXt exported for one picture: all of a flat tensor, picked in order into a shape."""
    graph = Graph().body()
    graph.add("Reshape", graph.number([-1]))
    graph.add("Gather", graph.number(np.arange(6).reshape(1, 6, 1, 1)), axis=0)
    return graph.head()


def class_token() -> Graph:
    """As a transformer exported for one picture: a constant token beside the patches, tokens first, heads folded."""
    graph = Graph()
    graph.add("Conv", graph.weight(6, 3, 4, 4), strides=[4, 4])
    graph.add("Reshape", graph.number([1, 6, 4]))
    patches = graph.add("Transpose", perm=[0, 2, 1])
    graph.add("Concat", patches, first=graph.number(np.ones((1, 1, 6), np.float32) / 3, "token"), axis=1)
    graph.add("Transpose", perm=[1, 0, 2])
    graph.add("Reshape", graph.number([5, 2, 3]))
    heads = graph.add("Transpose", perm=[1, 0, 2])
    turned = graph.add("Transpose", perm=[0, 2, 1])
    graph.add("MatMul", turned, first=heads)
    graph.add("Softmax", axis=-1)
    graph.add("MatMul", heads)
    graph.add("Reshape", graph.number([1, 2, 5, 3]))
    graph.add("Transpose", perm=[2, 0, 1, 3])
    graph.add("Reshape", graph.number([5, 6]))
    graph.add("Gemm", graph.weight(6, 6), graph.weight(6))
    graph.add("Reshape", graph.number([5, 1, 6]))
    graph.add("Transpose", perm=[1, 0, 2])
    graph.add("Gather", graph.number(0), axis=1, to="embedding")
    graph.add("Gemm", graph.weight(6, 5), graph.weight(5))
    return graph


def quantized() -> Graph:
    """As onnxruntime's static quantization writes it, with the scores quantized as well."""
    graph = Graph()

    def coarse(scale: float, zero: int = 0, to: str | None = None) -> None:
        numbers = graph.number(np.float32(scale)), graph.number(np.uint8(zero))
        graph.add("QuantizeLinear", *numbers)
        graph.add("DequantizeLinear", *numbers, to=to)

    coarse(0.02, 114)
    graph.body()
    coarse(0.02)
    graph.add("Flatten", axis=1)
    coarse(0.02, to="embedding")
    weight = graph.number(graph.random.integers(-100, 100, (6, 5)).astype(np.int8))
    scale, zero = graph.number(np.float32(0.02)), graph.number(np.int8(0))
    before = graph.at
    graph.add("DequantizeLinear", scale, zero, first=weight, to="weight")
    graph.add("Gemm", "weight", graph.weight(5), first=before)
    graph.add("Softmax", axis=1)
    coarse(1 / 255)
    return graph


def half() -> Graph:
    return Graph().body(np.float16).head(type=np.float16)


FIXED = (1, 3, SIDE, SIDE)
NHWC = ("N", SIDE, SIDE, 3)
CASES: dict[str, tuple[onnx.ModelProto, Any, Any]] = {
    **{f"opset {opset}": (plain().model(opset=opset), planes(), softmax) for opset in (7, 11, 13, 15, 18, 20)},
    "initializers as inputs": (plain().model(opset=9, old=True), planes(), softmax),
    "constants as nodes": (constants_as_nodes().model(), planes(), softmax),
    "one picture at a time": (plain().model(FIXED), planes(), softmax),
    "one picture, in a reshape": (fixed_reshape().model(FIXED), planes(), softmax),
    "one picture, strided": (strided().model(FIXED), planes(), softmax),
    "one picture, class token": (class_token().model(FIXED), planes(), softmax),
    "softmax inside": (ends_in("Softmax").model(), planes(), lambda scores: scores),
    "log softmax inside": (ends_in("LogSoftmax").model(), planes(), np.exp),
    "sigmoid inside": (ends_in("Sigmoid").model(), planes(), lambda scores: scores),
    "keras": (keras().model(NHWC), lambda pixels: pixels.astype(np.float32), lambda scores: scores),
    "normalizes inside": (normalizes_inside().model(), planes(*UNIT), softmax),
    "bytes in": (bytes_in().model(NHWC, TensorProto.UINT8), lambda pixels: pixels, softmax),
    "half": (half().model(type=TensorProto.FLOAT16), planes(type=np.float16), softmax),
    "sides unknown": (plain().model(("N", 3, "height", "width")), planes(), softmax),
    "all unknown": (plain().model(("a", "b", "c", "d")), planes(), softmax),
    "convolution last": (convolution_last().model(), planes(), softmax),
    "two outputs": (plain().model(outputs=("logits", "embedding")), planes(), softmax),
    "two outputs, features first": (plain().model(outputs=("embedding", "logits")), planes(), softmax),
    "quantized": (quantized().model(), planes(), lambda scores: scores),
}
TOLERANCE = {"half": 2e-3, "quantized": 3e-3}


@pytest.mark.parametrize("case", CASES)
def test_a_wrapped_model_says_what_the_original_says(case: str, tmp_path: Path) -> None:
    """Also of several pictures at once; its embedding is what goes into the original's last layer."""
    foreign, prepare, finish = CASES[case]
    wrapped = wrap(saved(foreign, tmp_path), Choices(label_names=LABELS, size=SIDE))
    model = from_bytes(wrapped.data)
    runtime = open_runtime(model)
    assert all(outcome.passed for outcome in selftest.check(model, runtime))
    result = next(value.name for value in foreign.graph.output if value.name != "embedding")
    inner = [value.name for value in foreign.graph.output if value.name == "embedding"]
    if not inner and any("embedding" in node.output for node in foreign.graph.node):
        foreign.graph.output.append(
            onnx.helper.make_tensor_value_info("embedding", foreign.graph.output[0].type.tensor_type.elem_type, None)
        )
        inner = ["embedding"]
    original = onnxruntime.InferenceSession(foreign.SerializeToString())
    pixels = pictures()
    said = [original.run([result, *inner], {"input": prepare(one[None])}) for one in pixels]
    expected = finish(np.concatenate([one[0] for one in said]).astype(np.float64))
    near = TOLERANCE.get(case, 1e-5)

    scores, embedding = runtime.run(pixels, ["scores", "embedding"])
    singles = np.concatenate([runtime.run(one[None], ["scores"])[0] for one in pixels])
    assert scores == pytest.approx(expected, abs=near)
    assert scores == pytest.approx(singles, abs=1e-6)
    if inner:
        assert embedding == pytest.approx(np.concatenate([one[1] for one in said]), abs=near * 10, rel=near)
    assert scores.std(axis=0).max() > 1e-3  # the pictures differ in what is said of them


def test_a_graph_is_tried_in_a_child_first(tmp_path: Path) -> None:
    wrapped = wrap(saved(plain().model(), tmp_path), Choices(label_names=LABELS))
    assert from_bytes(wrapped.data).metadata.task == "single"


def test_blue_first_is_turned_around(tmp_path: Path) -> None:
    """Means are in the order of its own channels, as Caffe and Keras write them."""
    foreign = plain().model()
    caffe = (103.939, 116.779, 123.68)
    wrapped = wrap(saved(foreign, tmp_path), Choices(label_names=LABELS, bgr=True, mean=caffe))
    (scores,) = open_runtime(from_bytes(wrapped.data)).run(pictures(), ["scores"])
    original = onnxruntime.InferenceSession(foreign.SerializeToString())
    prepared = (pictures()[..., ::-1] - np.array(caffe)).transpose(0, 3, 1, 2).astype(np.float32)
    assert scores == pytest.approx(softmax(original.run(None, {"input": prepared})[0]), abs=1e-5)
    assert "taken in units of 0..255" in "\n".join(wrapped.remarks)


def test_means_of_0_to_255_and_of_0_to_1_are_the_same(tmp_path: Path) -> None:
    path = saved(plain().model(), tmp_path)
    small = wrap(path, Choices(label_names=LABELS, mean=(0.5, 0.5, 0.4), std=(0.2, 0.2, 0.2)))
    large = wrap(path, Choices(label_names=LABELS, mean=(127.5, 127.5, 102.0), std=(51.0, 51.0, 51.0)))
    assert small.data == large.data
    assert "taken in units of 0..1" in "\n".join(small.remarks)


@pytest.mark.parametrize("inside", [True, False], ids=["sigmoid inside", "sigmoid added"])
@pytest.mark.parametrize(
    ("labels", "positive", "second"),
    [
        (["cat", "dog"], None, "dog"),
        (["cat", "dog"], "cat", "cat"),
        (["hot dog"], None, "hot dog"),
        (["hot_dog", "not_hot_dog"], None, "hot_dog"),
    ],
)
def test_one_output_is_a_yes_or_no(
    inside: bool, labels: list[str], positive: str | None, second: str, tmp_path: Path
) -> None:
    """Its score is of the last label named; of two labels the negative one comes first in a model file."""
    graph = Graph().body().head(1)
    if inside:
        graph.add("Sigmoid")
    foreign = graph.model()
    model = from_bytes(wrap(saved(foreign, tmp_path), Choices(label_names=labels, positive=positive)).data)
    original = onnxruntime.InferenceSession(foreign.SerializeToString())
    yes = original.run(None, {"input": planes()(pictures())})[0][:, 0]
    yes = yes if inside else sigmoid(yes)
    (scores,) = open_runtime(model).run(pictures(), ["scores"])
    assert model.metadata.task == "binary"
    assert model.metadata.labels[1].label == second
    assert scores[:, 1] == pytest.approx(yes if second == labels[-1] else 1 - yes, abs=1e-5)
    assert scores.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_two_outputs_can_be_a_yes_or_no(tmp_path: Path) -> None:
    foreign = Graph().body().head(2).model()
    model = from_bytes(wrap(saved(foreign, tmp_path), Choices(label_names=["fire", "none"], positive="fire")).data)
    original = onnxruntime.InferenceSession(foreign.SerializeToString())
    expected = softmax(original.run(None, {"input": planes()(pictures())})[0])
    (scores,) = open_runtime(model).run(pictures(), ["scores"])
    assert [label.label for label in model.metadata.labels] == ["none", "fire"]
    assert scores == pytest.approx(expected[:, ::-1], abs=1e-5)


def test_scores_that_sum_to_one_get_no_second_softmax(tmp_path: Path) -> None:
    """A softmax in pieces (exp, sum, divide) is told by what comes out."""
    graph = plain()
    raised = graph.add("Exp")
    total = graph.add("ReduceSum", graph.number([1]), keepdims=1)
    graph.add("Div", total, first=raised)
    foreign = graph.model()
    wrapped = wrap(saved(foreign, tmp_path), Choices(label_names=LABELS))
    (scores,) = open_runtime(from_bytes(wrapped.data)).run(pictures(), ["scores"])
    original = onnxruntime.InferenceSession(foreign.SerializeToString())
    assert scores == pytest.approx(original.run(None, {"input": planes()(pictures())})[0], abs=1e-5)


def test_sigmoids_of_several_labels_are_several_answers(tmp_path: Path) -> None:
    model = from_bytes(wrap(saved(ends_in("Sigmoid").model(), tmp_path), Choices(label_names=LABELS)).data)
    assert model.metadata.task == "multi"
