"""What cannot be imported is one clear sentence, exit 2, and nothing written."""

import contextlib
import json
from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, given, settings, strategies
from onnx import TensorProto, helper

from eyebright import cli
from eyebright.errors import EyebrightError
from eyebright.foreign import Choices, wrap
from foreign.graphs import LABELS, SIDE, Graph, saved

FULL = Graph().body().head()


def refusal(arguments: list[str | Path], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence that `eyebright import` ends with."""
    before = sorted(folder.iterdir())
    assert cli.run(["import", *map(str, arguments), "-o", str(folder / "wrapped.onnx")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sorted(folder.iterdir()) == before
    assert said.err.startswith("eyebright: ")
    assert said.err.count("\n") == 1
    return said.err


OPTIONS: dict[str, tuple[list[str], str]] = {
    "a size that it has not": (["--size", "9"], "takes 8 x 8 pixels, which --size 9 is not"),
    "a std of zero": (["--std", "0"], "--std divides, so it must be over 0"),
    "two means": (["--mean", "0.5,0.5"], "--mean takes one number or three"),
    "a mean that is no number": (["--mean", "half"], "--mean takes one number or three"),
    "a mean that is not finite": (["--mean", "inf"], "not infinite"),
    "two units": (["--mean", "0.5", "--std", "58"], "in different units"),
    "the other layout": (["--layout", "nhwc"], "no picture in color"),
    "a positive of five": (["--positive", "ant"], "this model has 5 labels"),
    "scores that are none": (["--activation", "none"], "no scores of 0..1"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_that_cannot_be_meant(
    case: str, tmp_path: Path, label_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, sentence = OPTIONS[case]
    path = saved(FULL.model(), tmp_path)
    assert sentence in refusal([path, "--labels", label_file, *options], tmp_path, capsys)


def lists_only() -> Graph:
    graph = Graph()
    graph.add("Gemm", graph.weight(12, 5))
    return graph


def quantized_dynamically() -> Graph:
    graph = Graph()
    graph.nodes.append(helper.make_node("DynamicQuantizeLinear", ["input"], ["q", "scale", "zero"]))
    graph.add("DequantizeLinear", "scale", "zero", first="q")
    return graph.body().head()


def mixes_pictures() -> Graph:
    graph = Graph().body()
    graph.add("ReduceMean", axes=[0], keepdims=1)
    graph.add("Add", "globalaveragepool2")
    return graph.head()


def map_out() -> onnx.ModelProto:
    graph = Graph()
    graph.add("Conv", graph.weight(5, 3, 3, 3))
    model = graph.model()
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(graph.at, TensorProto.FLOAT, ["N", 5, 6, 6]))
    return model


def two_inputs() -> onnx.ModelProto:
    model = FULL.model()
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    return model


def decides() -> onnx.ModelProto:
    branch = helper.make_graph([helper.make_node("Identity", ["logits"], ["b"])], "branch", [], [])
    model = FULL.model()
    model.graph.node.append(helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch))
    return model


def outside() -> onnx.ModelProto:
    model = FULL.model()
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    return model


def fixed_in_a_way_that_stays() -> Graph:
    graph = Graph().body()
    graph.add("Reshape", graph.number([3, 2]))
    graph.add("Reshape", graph.number([1, 6]))
    graph.add("Slice", graph.number([0]), graph.number([1]))
    return graph.head()


MODELS: dict[str, tuple[onnx.ModelProto, str]] = {
    "no picture goes in": (lists_only().model(("N", 12)), "has 2 dimensions; a batch of pictures has 4"),
    "gray pictures": (FULL.model(("N", 1, SIDE, SIDE)), "no picture in color"),
    "oblong pictures": (FULL.model(("N", 3, SIDE, 6)), "Eyebright's inputs are square"),
    "whole numbers go in": (FULL.model(type=TensorProto.INT32), "is int32, which pictures are not"),
    "two inputs": (two_inputs(), "has one input; this has 2"),
    "control flow": (decides(), "control flow"),
    "weights in another file": (outside(), "torch.onnx.export(..., external_data=False)"),
    "a map comes out": (map_out(), "so it is no classifier"),
    "too many numbers come out": (Graph().body().head(6).model(), "6 outputs, but 5 labels"),
    "quantized as it runs": (quantized_dynamically().model(), "quantized dynamically"),
    "pictures that change each other": (mixes_pictures().model(), "does not score pictures one by one"),
    "a batch that cannot be freed": (fixed_in_a_way_that_stays().model((1, 3, SIDE, SIDE)), "for 1 at a time"),
    "an old operator set": (FULL.model(opset=6), "older than 7"),
    "an unknown operator": (FULL.model(opset=17), ""),
    "a detector": (FULL.model(metadata={"stride": "32", "task": "detect"}), "for 'detect', not for 'classify'"),
}
MODELS["an unknown operator"][0].graph.node[1].op_type = "Frobnicate"


@pytest.mark.parametrize("case", MODELS)
def test_a_graph_that_is_no_classifier_of_pictures(
    case: str, tmp_path: Path, label_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, sentence = MODELS[case]
    assert sentence in refusal([saved(model, tmp_path), "--labels", label_file], tmp_path, capsys)


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refusal([tmp_path / "none.onnx"], tmp_path, capsys)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\x08\x08", b"PK\x03\x04" * 50])
def test_bytes_that_are_no_onnx(data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(data)
    assert "not an ONNX model" in refusal([path], tmp_path, capsys)


def test_a_folder_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a directory" in refusal([tmp_path], tmp_path, capsys)


def test_a_model_file_is_not_wrapped_twice(
    tmp_path: Path, label_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(wrap(saved(FULL.model(), tmp_path), Choices(label_names=LABELS)).data)
    assert "an Eyebright model file already" in refusal([path, "--labels", label_file], tmp_path, capsys)


def test_an_output_that_exists_is_kept(tmp_path: Path, label_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wrapped.onnx").write_text("mine")
    path = saved(FULL.model(), tmp_path)
    assert "--force overwrites it" in refusal([path, "--labels", label_file], tmp_path, capsys)
    assert (tmp_path / "wrapped.onnx").read_text() == "mine"


def test_no_names_for_five_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no names for its 5 outputs" in refusal([saved(FULL.model(), tmp_path)], tmp_path, capsys)


LABEL_FILES = {
    "four": (b"a\nb\nc\nd\n", "5 outputs, but 4 labels"),
    "six": (b"a\nb\nc\nd\ne\nf\n", "5 outputs, but 6 labels"),
    "nothing": (b"\n\n", "no labels in it"),
    "no text": (b"\xff\xfe\x00\xd8", "not text in UTF-8"),
    "nested without end": (b"[" * 200_000, "JSON, but neither"),
    "an endless number": (b"[" + b"1" * 100_000 + b"]", "JSON, but neither"),
    "JSON of something else": (json.dumps({"a": [1], "b": {}}).encode(), "JSON, but neither"),
    "a gap": (json.dumps({"0": "a", "2": "b"}).encode(), "JSON, but neither"),
    "too large": (b"a\n" * 6_000_000, "too large for a list of labels"),
    "a novel": (b"a\nb\nc\nd\n" + b"e" * 501, "501 characters"),
}


@pytest.mark.parametrize("case", LABEL_FILES)
def test_labels_that_do_not_fit(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, sentence = LABEL_FILES[case]
    path = saved(FULL.model(), tmp_path)
    (tmp_path / "names").write_bytes(data)
    assert sentence in refusal([path, "--labels", tmp_path / "names"], tmp_path, capsys)


def test_a_label_file_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(FULL.model(), tmp_path)
    assert "no such file" in refusal([path, "--labels", tmp_path / "none.txt"], tmp_path, capsys)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=strategies.integers(0, 2**31), byte=strategies.integers(0, 255))
def test_a_damaged_file_is_wrapped_or_refused(at: int, byte: int, tmp_path: Path) -> None:
    data = bytearray(FULL.model().SerializeToString())
    data[at % len(data)] = byte
    path = tmp_path / "damaged.onnx"
    path.write_bytes(data)
    with contextlib.suppress(EyebrightError):
        wrap(path, Choices(label_names=LABELS))
