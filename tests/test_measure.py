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
from eyebright.measure import Measured


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


def test_what_ships_is_counted_as_the_network_that_it_was():
    """In 8 bits; `eyebright encoders` counts layer by layer, in torch."""
    pytest.importorskip("torch")
    from eyebright.cli.encoders import network
    from eyebright.encoders.count import count

    expected = count(network("efficientnet-lite0"), (224, 224, 3)).num_macs
    assert measure.count_macs(onnx.load(str(shipped.path("lite0"))), 224) == expected


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
    broken = modelfile.ModelFile("bad.onnx", fine.data[:99], fine.metadata, fine.contents, fine.sha256)
    with pytest.raises(BadModelFile, match=r"^bad.onnx: not an ONNX model"):
        measure.in_turns([fine, broken], turns=1)
    monkeypatch.setattr(measure, "TIME_S", 0.01)
    with pytest.raises(BadModelFile, match=r"^tiny.onnx: its process ended while it was measured"):
        measure.in_turns([fine], turns=1)


def test_no_process_stays_behind(monkeypatch):
    ended = []
    end = measure._Worker._end
    monkeypatch.setattr(measure._Worker, "_end", lambda worker: (end(worker), ended.append(worker._child.poll())))
    measure.in_turns([models.sealed()], turns=1)
    assert len(ended) == 1
    assert ended[0] is not None


def test_inside_another_program_it_is_said_that_nothing_can_be_measured(monkeypatch):
    """Starting sys.executable would start that program all over."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(BadRequest, match="no Python here to measure"):
        measure.in_turns([models.sealed()])
