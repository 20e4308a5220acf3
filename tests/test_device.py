"""Device profiles: what layers cost on a device, and what a network would."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import models
from eyebright.errors import BadRequest
from eyebright.measure import device, layers, profiling
from eyebright.measure.device import Device, Row

GFLOPS = {"float32": 1e-8, "int8": 2.5e-9}
"""Milliseconds a multiply-add on a device that knows no other cost."""


def steady() -> Device:
    """A device on which each layer takes as long as its multiply-adds say."""
    rows = []
    for kind, kernel in (("stem", 3), ("pointwise", 1), ("convolution", 3), ("depthwise", 3), ("product", 1)):
        for precision in ("float32", "int8"):
            for channels, side in ((16, 32), (64, 16), (256, 8)):
                c_in = 3 if kind == "stem" else channels
                row = Row(kind=kind, precision=precision, c_in=c_in, c_out=channels, kernel=kernel, side=side, ms=1.0)
                rows.append(replace(row, ms=device.as_layer(row).macs * GFLOPS[precision]))
    return Device(
        name="steady",
        processor="abacus",
        runtime="none",
        threads=1,
        date="2026-01-31",
        overhead_ms=0.5,
        layers=tuple(rows),
    )


def network(side: object = "H") -> onnx.ModelProto:
    """3 -> 16 in 3 x 3, stride 2; 16 -> 32 in 1 x 1; mean; 32 -> 5."""
    random = np.random.default_rng(0)
    weights = {
        "first": random.normal(0, 1, (16, 3, 3, 3)),
        "second": random.normal(0, 1, (32, 16, 1, 1)),
        "head": random.normal(0, 1, (5, 32)),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["half"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["half"], ["positive"]),
        helper.make_node("Conv", ["positive", "second"], ["seen"]),
        helper.make_node("GlobalAveragePool", ["seen"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head"], ["scores"], transB=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "network",
        [value("image", TensorProto.UINT8, ["N", side, side, 3])],
        [value("scores", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_a_network_is_seen_as_its_layers():
    """An activation that a convolution computes by the way is none."""
    found = layers.layers(network(), 32)
    kinds = [layer.kind for layer in found]
    assert kinds == ["pass", "pass", "stem", "pointwise", "pass", "product"]
    stem = found[2]
    assert (stem.c_in, stem.c_out, stem.side, stem.macs) == (3, 16, 16, 16 * 16 * 16 * 27)
    assert {layer.precision for layer in found} == {"float32"}
    assert {layer.precision for layer in layers.layers(network(), 32, int8=True)} == {"int8"}


def test_on_a_device_of_one_cost_a_prediction_is_that_cost():
    known = [layer for layer in layers.layers(network(), 64) if layer.macs]
    told = sum(device.layer_ms(steady(), layer) for layer in known)
    assert told == pytest.approx(sum(layer.macs for layer in known) * GFLOPS["float32"], rel=1e-6)
    eighth = sum(device.layer_ms(steady(), layer._replace(precision="int8")) for layer in known)
    assert eighth == pytest.approx(told / 4, rel=1e-6)


@given(st.integers(8, 200), st.integers(1, 200))
def test_a_larger_picture_is_never_predicted_to_be_faster(size, more):
    graph, profile = network(), steady()
    assert device.predict(profile, graph, size + more) >= device.predict(profile, graph, size) > profile.overhead_ms


def test_a_device_that_told_nothing_of_8_bits_is_asked_in_float():
    only = replace(steady(), layers=tuple(row for row in steady().layers if row.precision == "float32"))
    assert device.predict(only, network(), 32, int8=True) > 0


def test_a_graph_without_shapes_is_not_predicted_to_cost_nothing():
    graph = network()
    del graph.graph.node[:]
    with pytest.raises(BadRequest, match="cannot be predicted"):
        device.predict(steady(), graph, 32)


def test_a_profile_survives_its_file(tmp_path):
    file = tmp_path / "steady.toml"
    file.write_text(device.write(steady()), encoding="utf-8")
    found = device.read(file)
    assert replace(found, layers=()) == replace(steady(), layers=())
    for one, other in zip(found.layers, steady().layers, strict=True):
        assert one.ms == pytest.approx(other.ms, rel=1e-3)
        assert replace(one, ms=1) == replace(other, ms=1)


HEAD = 'name = "a"\nprocessor = "b"\nruntime = "c"\nthreads = 1\ndate = "d"\noverhead_ms = 0.1\n'
ROW = 'kind = "pointwise", precision = "int8", c_in = 8, c_out = 8, side = 7, ms = 0.1'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layers = [", "is not TOML"),
        (HEAD, "it has 0 layers"),
        (HEAD + "layers = 3", "layers is a list of tables"),
        (HEAD + "layers = [1, 2]", "layers is a list of tables"),
        (HEAD + f"layers = [{{ {ROW}, wheels = 4 }}]", "no key 'wheels'"),
        (HEAD + f"layers = [{{ {ROW.replace('0.1', 'nan')} }}]", "ms is a number from"),
        (HEAD + f"layers = [{{ {ROW.replace('0.1', '-1.0')} }}]", "layer 1: ms is a number from"),
        (HEAD + f"layers = [{{ {ROW.replace('c_in = 8', 'c_in = 0')} }}]", "c_in is a number from 1"),
        (HEAD + f"layers = [{{ {ROW.replace('side = 7', 'side = 1' + '0' * 400)} }}]", "layer 1"),
        (HEAD + f"layers = [{{ {ROW.replace('pointwise', 'magic')} }}]", "kind is one of stem"),
        (HEAD + "layers = [{}]", "the key 'kind' is missing"),
        (HEAD.replace("threads = 1", "threads = 0") + f"layers = [{{ {ROW} }}]", "threads is a number"),
        (HEAD.replace("overhead_ms = 0.1", "overhead_ms = inf") + f"layers = [{{ {ROW} }}]", "overhead_ms"),
        (HEAD.replace("threads", "treads") + f"layers = [{{ {ROW} }}]", "did you mean threads"),
        (HEAD.replace('"d"', "2026-01-31") + f"layers = [{{ {ROW} }}]", "date"),
        (f"format = 2\n{HEAD}layers = [{{ {ROW} }}]", "format 2"),
        (HEAD.replace('"a"', f'"{"a" * 501}"') + f"layers = [{{ {ROW} }}]", "longer than 500"),
        (HEAD + f"layers = [{', '.join([f'{{ {ROW} }}'] * (device.MOST_ROWS + 1))}]", "layers; a profile has"),
    ],
)
def test_what_is_no_profile_is_refused_in_a_sentence(text, said):
    with pytest.raises(BadRequest, match=said) as caught:
        device.parse(text, "mine.toml")
    assert str(caught.value).startswith("mine.toml")
    assert "\n" not in str(caught.value)


@given(st.text(max_size=300))
def test_any_text_is_a_profile_or_an_error(text):
    with pytest.raises(BadRequest):
        device.parse(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for name, data, said in (("none", None, "cannot be read"), ("bytes", b"\xff\xfe", "not text"), ("large", None, "")):
        path = tmp_path / name
        if name == "large":
            path.write_bytes(b"#" * (device.LARGEST_BYTES + 1))
            said = "larger than"
        elif data:
            path.write_bytes(data)
        with pytest.raises(BadRequest, match=said):
            device.read(path)


def test_this_device_is_profiled_by_small_chains(monkeypatch):
    """Every kind of layer, float and int8; chains compute what they say."""
    small = [
        profiling.Block("stem", 3, 4, 3, 2, 8),
        profiling.Block("pointwise", 8, 16, 1, 1, 8),
        profiling.Block("convolution", 8, 8, 3, 1, 8),
        profiling.Block("depthwise", 8, 8, 3, 1, 8),
        profiling.Block("product", 8, 4, 1, 1, 1),
        profiling.Block("pool", 8, 8, 3, 1, 8),
        profiling.Block("activation", 8, 8, 1, 1, 8),
        profiling.Block("pass", 8, 8, 1, 1, 8),
    ]
    monkeypatch.setattr(profiling, "blocks", lambda quick: small)
    monkeypatch.setattr(profiling, "LEAST_MS", -1e9)  # on a busy machine a difference may be nothing
    monkeypatch.setattr(profiling, "Row", lambda **cells: Row(**{**cells, "ms": max(cells["ms"], 1e-6)}))
    heard = []
    found = profiling.profile("here", quick=True, told=lambda done, total: heard.append((done, total)))
    assert [(row.kind, row.precision) for row in found.layers] == [
        (block.kind, precision) for block in small for precision in ("float32", "int8")
    ]
    assert heard[-1][0] == heard[-1][1]
    assert device.parse(device.write(found)).name == "here"
    assert device.predict(found, network(), 32) > 0


def test_a_long_chain_has_the_layers_that_it_is_divided_by():
    """Short and long differ by two layers, or two pairs of layers there and back."""
    for block in {block.kind: block for block in profiling.blocks(quick=True)}.values():
        short, long = (operators(block, count) for count in (1, 3))
        assert long - short == (4 if profiling._there_and_back(block) else 2), block


def operators(block: profiling.Block, count: int) -> int:
    wanted = {"pool": "MaxPool", "activation": "HardSwish", "pass": "Add", "product": "Gemm"}.get(block.kind, "Conv")
    return sum(node.op_type == wanted for node in profiling._chain(block, "float32", count).graph.node)


def test_a_tiny_model_file_has_a_prediction():
    assert device.predict(steady(), models.graph(), models.SIDE) > 0
