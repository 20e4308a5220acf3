"""A model file is judged by its bytes before any library parses them."""

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, TensorProto, helper, numpy_helper

import eyebright
import models
from eyebright import gate
from eyebright.errors import BadModelFile

HONEST = models.graph().SerializeToString()


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def with_node(*nodes, initializers=()):
    made = models.graph(extra=list(nodes))
    made.graph.initializer.extend(initializers)
    return made


def external():
    tensor = TensorProto(name="far", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "*/_ORT_MEM_ADDR_/*"
    return tensor


def holding(tensor):
    node = helper.make_node("Constant", [], ["held"])
    node.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=tensor))
    return node


def test_an_honest_graph_passes_and_is_counted():
    found = gate.inspect(HONEST)
    assert found.nodes == 7
    assert found.operators["MatMul"] == 1
    assert found.values == 9 + 1 + 1 + 2
    assert found.weight_bytes == 9 * 4 + 4 + 4 + 16
    assert found.opsets == {"": 18}


def test_metadata_that_is_no_text_is_refused():
    entry = field(14, field(1, b"eyebright") + field(2, b'{"name":"\x80"}'))
    with pytest.raises(BadModelFile, match="not text"):
        gate.inspect(HONEST + entry)


def test_the_shipped_model_passes_without_a_walk_through_its_weights():
    """Its five million bytes cost as many calls as its few hundred nodes ask for."""
    data = (Path(eyebright.__file__).parent / "models" / "lite0.onnx").read_bytes()
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        found = gate.inspect(data)
    finally:
        sys.setprofile(None)
    assert found.weight_bytes > 4_000_000
    assert calls < 300 * found.nodes


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (with_node(initializers=[external()]), "in another file"),
        (with_node(holding(external())), "in another file"),
        (with_node(helper.make_node("f", ["first"], ["y"], domain="mine")), "custom operator mine.f"),
        (with_node(helper.make_node("Gelu", ["first"], ["y"], domain="com.microsoft")), "com.microsoft.Gelu"),
        (with_node(helper.make_node("Loop", ["first"], ["y"])), "control flow (Loop)"),
        (with_node(helper.make_node("If", ["first"], ["y"], then_branch=models.graph().graph)), "control flow"),
        (with_node(initializers=[TensorProto(name="t", data_type=1, dims=[9], raw_data=bytes(4))]), "'t'"),
        (with_node(initializers=[TensorProto(name="t", data_type=99, dims=[9], raw_data=b"")]), "'t'"),
        (with_node(initializers=[TensorProto(data_type=1, dims=[1 << 20, 1 << 20])]), "impossible size"),
        (with_node(initializers=[TensorProto(data_type=1, dims=[-1, -1], raw_data=bytes(4))]), "impossible size"),
        (with_node(initializers=[TensorProto(data_type=1, dims=[1] * 65, raw_data=bytes(4))]), "dimensions"),
    ],
)
def test_what_a_classifier_has_no_need_of_is_refused(model, says):
    with pytest.raises(BadModelFile) as refused:
        gate.inspect(model.SerializeToString())
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not an ONNX model"),
        (HONEST[:-1], "cut short"),
        (HONEST + field(7, b""), "not an ONNX model"),
        (HONEST + field(20, b""), "training steps"),
        (HONEST + field(25, b""), "functions of its own"),
        (HONEST + field(8, field(1, b"mine")), "custom operators ('mine')"),
        (HONEST + field(8, b"\x10\x63"), "newer than"),
        (HONEST + b"\x0b\x0c", "not an ONNX model"),
        (HONEST + b"\x08" + b"\x80" * 12, "cut short"),
        (HONEST + field(14, field(1, b"k")) * 2, "twice"),
        (HONEST + field(14, field(2, bytes(gate.MAX_METADATA_BYTES + 1))), "metadata is over"),
        (HONEST + field(7, field(1, field(3, bytes(5000)))), "longer than"),
        (HONEST + field(7, field(1, field(3, b"\xff"))), "not text"),
        (HONEST + field(999, bytes(gate.MAX_OTHER_BYTES)), "no weights"),
        (HONEST + b"\x08\x01" * (gate.MAX_FIELDS + 1), "fields"),
    ],
)
def test_bytes_that_are_more_than_a_graph_are_refused(data, says):
    with pytest.raises(BadModelFile) as refused:
        gate.inspect(data)
    assert says in str(refused.value)


def test_a_field_number_that_a_32_bit_parser_would_cut_is_refused():
    """Such a parser drops the upper bits, and would see data outside the file where the gate sees nothing it knows."""
    hidden = varint(1 << 32 | 13 << 3 | 2) + varint(2) + b"\x0a\x00"
    with pytest.raises(BadModelFile):
        gate.inspect(HONEST + field(7, field(5, hidden)))


@pytest.mark.parametrize("other", [b"ORTM", b"TFL3"])
def test_a_file_that_is_of_two_formats_is_refused(other):
    """ONNX Runtime takes bytes with ORTM at 4 for its own format, in which nothing was judged."""
    with pytest.raises(BadModelFile):
        gate.inspect(b"\x12\x7f" + (bytes(2) + other).ljust(127, b"x") + HONEST)


def test_numbers_in_every_form_that_the_format_has_are_counted():
    forms = [
        TensorProto(data_type=1, dims=[2], float_data=[1, 2]),
        TensorProto(data_type=11, dims=[2], double_data=[1, 2]),
        TensorProto(data_type=7, dims=[2], int64_data=[1, -2]),
        TensorProto(data_type=3, dims=[2], int32_data=[1, -2]),
        TensorProto(data_type=8, dims=[2], string_data=[b"a", b"b"]),
        TensorProto(data_type=22, dims=[3], raw_data=bytes(2)),
        numpy_helper.from_array(np.zeros((0, 4), np.float32)),
    ]
    assert gate.inspect(with_node(initializers=forms).SerializeToString()).values == 13 + 2 * 5 + 3


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(HONEST) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_bytes_end_as_contents_or_as_a_bad_model_file(changes):
    data = bytearray(HONEST)
    for at, value in changes:
        data[at] = value
    with contextlib.suppress(BadModelFile):
        gate.inspect(bytes(data))
