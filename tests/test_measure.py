"""What model files cost, measured in turns, each in a process of its own."""

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import models
from eyebright import measure, modelfile
from eyebright import models as shipped
from eyebright.errors import BadModelFile, BadRequest
from eyebright.measure import Measured, worker


def test_two_files_take_turns():
    """Every turn has a time for each; what is asked for afterwards is there too."""
    files = models.sealed(), models.sealed("multi", 5)
    heard = []
    found = measure.in_turns(files, turns=3, told=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 3), (2, 3), (3, 3)]
    for one, labels in zip(found, (3, 5), strict=True):
        assert len(one.turns_ms) == 3
        assert min(one.turns_ms) > 0
        assert one.macs == 3 * labels
        assert one.memory_bytes is None or one.memory_bytes > 10_000_000
        assert one.runtime.startswith("onnxruntime")


def test_without_turns_the_rest_is_still_told():
    (found,) = measure.in_turns([models.sealed()], turns=0)
    assert found.turns_ms == ()
    assert found.macs == 9


def test_a_slow_moment_that_both_meet_changes_no_ratio():
    """The machine is ten times as slow in the second turn."""
    a = Measured((4.0, 40.0, 4.4), None, None, "")
    b = Measured((2.0, 20.0, 2.2), None, None, "")
    ratio = measure.speedup(a, b)
    assert (ratio.value, ratio.low, ratio.high, ratio.n) == pytest.approx((2, 2, 2, 3))
    assert measure.speedup(b, a).value == pytest.approx(1 / 2)
    assert measure.latency(b).value == 2.2


def test_time_that_others_had_the_core_changes_no_ratio():
    """B waited for the core in two of three turns; the processor's time tells what it did itself."""
    a = Measured((4.0, 4.0, 4.0), None, None, "", (4.0, 4.1, 4.2))
    b = Measured((9.0, 2.0, 30.0), None, None, "", (2.0, 2.05, 2.1))
    assert measure.speedup(a, b).value == pytest.approx(2)
    assert "processor time" in measure.speedup(a, b).method
    assert measure.speedup(a, b._replace(cpu_ms=())).value == pytest.approx(4 / 9)


def test_p99_is_of_single_pictures():
    measured = Measured((1.0,), None, None, "", pictures_ms=(*(1.0,) * 98, 50.0, 50.0))
    assert measure.latency(measured).value == 1
    assert measure.quantile(measured, 0.5).value == 1
    assert measure.quantile(measured, 0.99).value > 40
    assert measure.quantile(measured, 0.99).n == 100


def test_every_picture_is_told_and_the_first_result_has_a_time():
    one, two = measure.in_turns([models.sealed(), models.sealed()], turns=3)
    for found in (one, two):
        assert len(found.pictures_ms) >= 3
        assert len(found.cpu_ms) in (0, 3)
        assert found.first_s is not None
        assert found.first_s > 0
        assert found.int8_macs == 0


def test_threads_are_stated():
    (found,) = measure.in_turns([models.sealed()], turns=1, threads=2)
    assert found.threads == 2
    assert found.cpu_ms == ()
    assert "2 threads" in measure.latency(found).method


def test_a_size_that_the_graph_does_not_take_is_an_error_and_no_number():
    with pytest.raises(BadModelFile, match=r"^tiny.onnx: the model failed on"):
        measure.in_turns([models.sealed()], turns=1, size=models.SIDE + 1)


@pytest.mark.parametrize("whole", [True, False])
def test_products_in_8_bits_are_those_that_the_runtime_makes_so(whole):
    """Both have weights of 8 bits; behind one nothing is rounded, and the runtime computes it in float."""
    graph = quantized(whole)
    total, int8 = measure.count_macs(graph, 8), measure.count_int8_macs(graph, 8)
    each = 8 * 8 * 16 * 16
    assert total == 2 * each
    assert int8 == (2 * each if whole else each)


def quantized(whole: bool) -> onnx.ModelProto:
    """16 maps of the picture's mean -> 1 x 1 convolution -> another; `whole`: also its result is rounded to 8 bits."""
    constants = {
        "step": np.array(0.02, np.float32),
        "zero": np.array(0, np.uint8),
        "weights": np.ones((16, 16, 1, 1), np.int8),
        "scales": np.full(16, 0.01, np.float32),
        "zeros": np.zeros(16, np.int8),
        "axes": np.array([3], np.int64),
        "shape": np.array([1, 16, 8, 8], np.int64),
        "over": np.array([1, 2, 3], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        node("ReduceMean", ["float", "axes"], ["gray"], keepdims=1),
        node("Transpose", ["gray"], ["plane"], perm=[0, 3, 1, 2]),
        node("Expand", ["plane", "shape"], ["maps"]),
        node("QuantizeLinear", ["maps", "step", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "step", "zero"], ["x"]),
        node("DequantizeLinear", ["weights", "scales", "zeros"], ["w"], axis=0),
        node("Conv", ["x", "w"], ["y"]),
        node("QuantizeLinear", ["y", "step", "zero"], ["yq"]),
        node("DequantizeLinear", ["yq", "step", "zero"], ["yd"]),
        node("DequantizeLinear", ["weights", "scales", "zeros"], ["w2"], axis=0),
        node("Conv", ["yd", "w2"], ["z"]),
        *(
            [
                node("QuantizeLinear", ["z", "step", "zero"], ["zq"]),
                node("DequantizeLinear", ["zq", "step", "zero"], ["zd"]),
            ]
            if whole
            else []
        ),
        node("ReduceMean", ["zd" if whole else "z", "over"], ["scores"], keepdims=0),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [value("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [value("scores", TensorProto.FLOAT, ["N"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_multiply_adds_are_counted_as_papers_do():
    """Convolution 3 -> 8, 3 x 3, stride 2, each output 27 products; then each channel alone; then 8 -> 5."""
    weights = {
        "first": np.zeros((8, 3, 3, 3), np.float32),
        "alone": np.zeros((8, 1, 3, 3), np.float32),
        "head": np.zeros((5, 8), np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["half"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["half", "alone"], ["seen"], group=8, pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["seen"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head"], ["scores"], transB=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "counted",
        [value("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [value("scores", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    assert measure.count_macs(model, 16) == 8 * 8 * 8 * 27 + 8 * 8 * 8 * 9 + 5 * 8
    assert measure.count_macs(model, 32) == 4 * (8 * 8 * 8 * 27 + 8 * 8 * 8 * 9) + 5 * 8
    model.graph.node.append(helper.make_node("Einsum", ["flat", "head"], ["more"], equation="nd,ld->nl"))
    assert measure.count_macs(model, 16) is None


def test_what_ships_is_counted_as_the_network_that_it_was_with_a_wide_stem():
    """In 8 bits; `eyebright encoders` counts layer by layer, in torch."""
    pytest.importorskip("torch")
    from eyebright.cli.encoders import network
    from eyebright.encoders.count import count

    expected = count(network("efficientnet-lite0"), (224, 224, 3)).num_macs
    stem, wide = 112 * 112 * 32 * 3 * 3 * 3, 112 * 56 * 64 * 12 * 3 * 2
    assert measure.count_macs(onnx.load(str(shipped.path("lite0"))), 224) == expected - stem + wide


def test_a_graph_without_products_is_not_said_to_cost_nothing():
    """A forest walks trees by other operators."""
    graph = models.graph()
    for node in graph.graph.node:
        if node.op_type == "MatMul":
            node.op_type = "Sub"
    assert measure.count_macs(graph, 8) is None


def test_what_cannot_be_measured_is_named(monkeypatch):
    """The process says why it ended, or it is said that it did."""
    fine = models.sealed()
    with pytest.raises(BadModelFile, match="no provider is called 'abacus'"):
        measure.in_turns([fine], "abacus", turns=1)
    broken = modelfile.ModelFile("bad.onnx", fine.data[:99], fine.metadata, fine.contents, fine.sha256, 99)
    with pytest.raises(BadModelFile, match=r"^bad.onnx: not an ONNX model"):
        measure.in_turns([fine, broken], turns=1)
    monkeypatch.setattr(worker, "TIME_S", 0.01)
    with pytest.raises(BadModelFile, match=r"^tiny.onnx: its process ended while it was measured"):
        measure.in_turns([fine], turns=1)


def test_no_process_stays_behind(monkeypatch):
    ended = []
    end = worker.Worker._end
    monkeypatch.setattr(worker.Worker, "_end", lambda one: (end(one), ended.append(one._child.poll())))
    measure.in_turns([models.sealed()], turns=1)
    assert len(ended) == 1
    assert ended[0] is not None


def test_inside_another_program_it_is_said_that_nothing_can_be_measured(monkeypatch):
    """Starting sys.executable would start that program all over."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(BadRequest, match="no Python here to measure"):
        measure.in_turns([models.sealed()])
