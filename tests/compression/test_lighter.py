"""Weights in fewer bits: a smaller file, the same answers but for rounding, and no work that was not there before."""

from collections import Counter

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from eyebright import modelfile, selftest  # noqa: E402
from eyebright.classifier import Classifier  # noqa: E402
from eyebright.classifier.heads import linear  # noqa: E402
from eyebright.compression.lighter import half, lightened, weight_only_int8  # noqa: E402
from eyebright.compression.trim import trim  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.errors import BadRequest  # noqa: E402
from eyebright.evaluation.explain.activation_map import linear_head  # noqa: E402
from eyebright.export import parity  # noqa: E402
from eyebright.export.onnx import to_onnx  # noqa: E402
from eyebright.modelfile import Head  # noqa: E402
from eyebright.runtime import open_runtime  # noqa: E402
from models import metadata  # noqa: E402
from pictures import color_model  # noqa: E402

LABELS = 40
SIDE = 32


@pytest.fixture(scope="module")
def full():
    torch.manual_seed(0)
    encoder = ENCODERS["resnet-8"](size=SIDE)
    return to_onnx(Classifier(encoder, linear(encoder, LABELS), "single", [127.0], [60.0]).eval(), SIDE)


@pytest.fixture(scope="module")
def file(full):
    graph = onnx.ModelProto()
    graph.CopyFrom(full)
    said = metadata("single", LABELS, head=Head("head.weight", "head.bias"))
    said = msgspec.structs.replace(said, input=modelfile.Input(size=SIDE), golden=selftest.placeholder(SIDE, LABELS))
    return modelfile.from_bytes(selftest.seal(graph, said), "small.onnx")


def run(model, options=None):
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["scores", "logits", "embedding", "features"], {"image": parity.pictures(SIDE)})


def tensors(model):
    return {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}


@pytest.mark.parametrize(("make", "size", "off"), [(half, 0.52, 1e-3), (weight_only_int8, 0.30, 0.02)])
def test_the_file_shrinks_and_the_answers_stay(full, make, size, off):
    before = full.SerializeToString()
    small = make(full)
    assert full.SerializeToString() == before
    assert make(full).SerializeToString() == small.SerializeToString()
    assert small.ByteSize() < size * full.ByteSize()
    assert small.graph.input == full.graph.input
    assert small.graph.output == full.graph.output
    for ours, theirs in zip(run(small), run(full), strict=True):
        assert ours.dtype == np.float32
        assert np.abs(ours - theirs).max() <= off * np.abs(theirs).max()


@pytest.mark.parametrize("make", [half, weight_only_int8])
def test_a_runtime_restores_the_weights_once(full, make, tmp_path):
    """After it loaded the file nothing is left of the 8 or 16 bits: each run is that of the float model."""
    found = []
    for name, model in (("small", make(full)), ("full", full)):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{name}.onnx")
        options.log_severity_level = 3
        run(model, options)
        found.append(Counter(node.op_type for node in onnx.load(tmp_path / f"{name}.onnx").graph.node))
    assert found[0] == found[1]


def test_eight_bits_are_off_by_half_a_step_of_their_channel_at_most(full):
    original, found = tensors(full), tensors(weight_only_int8(full))
    for name in ("head.weight", "encoder.stage1.0.conv1.conv.weight"):
        name = name if name in original else next(one for one in original if f"{one}_quantized" in found)
        stored, scale = found[f"{name}_quantized"], found[f"{name}_scale"]
        assert stored.dtype == np.int8
        assert scale.size == original[name].shape[0]
        assert (np.abs(stored * scale - original[name]) <= scale / 2 * 1.001).all()
    assert found["temperature"] == original["temperature"]


@pytest.mark.parametrize("factor", [1e6, 1e-9])
def test_what_sixteen_bits_cannot_hold_stays_float(full, factor):
    model = onnx.ModelProto()
    model.CopyFrom(full)
    home = next(one for one in model.graph.initializer if one.name == "head.weight")
    home.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(home) * np.float32(factor), home.name))
    small = half(model)
    assert tensors(small)["head.weight"].dtype == np.float32
    assert np.isfinite(run(small)[1]).all()


def test_a_channel_of_nothing_stays_nothing(full):
    model = onnx.ModelProto()
    model.CopyFrom(full)
    home = next(one for one in model.graph.initializer if one.name == "head.weight")
    values = onnx.numpy_helper.to_array(home).copy()
    values[3] = 0
    home.CopyFrom(onnx.numpy_helper.from_array(values, home.name))
    assert run(weight_only_int8(model))[1][:, 3] == pytest.approx(tensors(full)["head.bias"][3], abs=1e-6)


@pytest.mark.parametrize("how", ["half", "int8"])
def test_a_lighter_model_file_passes_its_own_test_and_tells_what_it_is(file, how):
    small = modelfile.from_bytes(lightened(file, how))
    selftest.open_tested(small)
    assert small.metadata.golden.tolerance == 1e-4
    assert small.metadata.card.precision == "mixed"
    assert "computed in float32" in small.metadata.card.lineage[-1]
    assert small.metadata.labels == file.metadata.labels


@pytest.mark.parametrize("how", ["half", "int8"])
def test_its_head_is_found_for_heat_maps_and_trimming(file, how):
    small = modelfile.from_bytes(lightened(file, how))
    features, logits = open_runtime(small).run(parity.pictures(SIDE)[1:2], ["features", "logits"])
    head = linear_head(small, features[0], logits[0])
    assert head is not None
    assert head.exact
    few = modelfile.from_bytes(trim(small, ["id3", "id7", "id39"]).data)
    ours = open_runtime(few).run(parity.pictures(SIDE), ["logits"])[0]
    theirs = open_runtime(small).run(parity.pictures(SIDE), ["logits"])[0][:, [3, 7, 39]]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_nothing_large_is_said():
    with pytest.raises(BadRequest, match="no large weights"):
        lightened(modelfile.from_bytes(color_model()), "half")
