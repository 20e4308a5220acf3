"""The int8 form answers like the float form, is computed in integers, and is the same file on every machine."""

import io
import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from eyebright.classifier import Classifier  # noqa: E402
from eyebright.classifier.heads import linear  # noqa: E402
from eyebright.compression import shipped  # noqa: E402
from eyebright.compression.quantize import EVEN_STD, quantize, with_even_pixels, with_float_biases  # noqa: E402
from eyebright.compression.ranges import measure_ranges, ranges_from_json  # noqa: E402
from eyebright.compression.stem import with_wide_stem  # noqa: E402
from eyebright.encoders import ENCODERS, Encoder  # noqa: E402
from eyebright.encoders.layers import same_conv  # noqa: E402
from eyebright.errors import BadRequest  # noqa: E402
from eyebright.export import parity  # noqa: E402
from eyebright.export.onnx import to_onnx  # noqa: E402

OUTPUTS = ["scores", "logits", "embedding", "features"]


@pytest.fixture(scope="module")
def full(lite0_graph):
    return lite0_graph


@pytest.fixture(scope="module")
def small(full):
    return quantize(full, shipped_ranges())


def of_one_convolution(mean, std):
    torch.manual_seed(0)
    conv = same_conv(3, 8, 3, 2, act=torch.nn.ReLU6)
    torch.nn.init.uniform_(conv.norm.running_mean, -1, 1)
    return to_onnx(Classifier(Encoder({"stem": conv}, 8, 2), torch.nn.Linear(8, 3), "multi", mean, std), 32)


@pytest.fixture(scope="module")
def tiny():
    """A float model of one convolution, whose colors are normalized each by its own numbers."""
    return of_one_convolution((123.7, 116.3, 103.5), (58.4, 57.1, 57.4))


def shipped_ranges():
    return ranges_from_json((Path(shipped.__file__).parents[1] / "models" / "lite0-ranges.json").read_text("utf-8"))


def run(model, images, options=None):
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(OUTPUTS, {"image": images})


def photos(size):
    """Every 50th photo of the sample, none of which calibrated, cropped as the models want it."""
    with zipfile.ZipFile(Path(os.environ["EYEBRIGHT_DATA"]) / "imagenet-sample.zip") as sample:
        for name in sorted(sample.namelist())[7::50]:
            with Image.open(io.BytesIO(sample.read(name))) as photo:
                side = min(photo.size) * size / (size + 32)
                left, top = ((length - side) / 2 for length in photo.size)
                box = (left, top, left + side, top + side)
                yield np.asarray(photo.convert("RGB").resize((size, size), Image.Resampling.BICUBIC, box=box))


@pytest.mark.slow
def test_the_shipped_file_is_the_same_every_time(small):
    lean = with_float_biases(with_wide_stem(small, [224]))
    assert shipped.build("lite0", "int8").SerializeToString() == lean.SerializeToString()


def test_quantizing_gives_the_same_bytes_and_leaves_the_float_model_as_it_is(full, small):
    before = full.SerializeToString()
    assert quantize(full, shipped_ranges()).SerializeToString() == small.SerializeToString()
    assert full.SerializeToString() == before


def test_the_small_file_is_small(small):
    assert small.ByteSize() < 5_200_000


def test_outputs_keep_their_names_shapes_and_types(full, small):
    assert small.graph.input == full.graph.input
    assert small.graph.output == full.graph.output
    assert [(entry.domain, entry.version) for entry in small.opset_import] == [("", 20)]
    assert small.ir_version == full.ir_version
    for output in run(small, parity.pictures(224)):
        assert output.dtype == np.float32


def test_biases_in_float_say_the_same_to_the_bit_in_integers_and_in_fewer_bytes(small, tmp_path):
    lean = with_float_biases(small)
    for ours, theirs in zip(run(lean, parity.pictures(224)), run(small, parity.pictures(224)), strict=True):
        assert np.array_equal(ours, theirs)
    assert optimized(lean, 224, tmp_path)["QLinearConv"] == optimized(small, 224, tmp_path)["QLinearConv"] > 40
    assert small.ByteSize() - lean.ByteSize() > 60_000


def test_every_convolution_runs_in_integers_and_no_pixel_in_float(small, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    run(small, parity.pictures(224), options)
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    count = Counter(node.op_type for node in nodes)
    assert (count["QLinearConv"], count["QLinearAdd"], count["QGemm"]) == (49, 9, 1)
    assert not {"Conv", "Add", "Gemm", "Clip", "Cast", "Sub"} & count.keys()
    assert [node.op_type for node in nodes if "image" in node.input] == ["QLinearConv"]


def test_the_head_and_the_temperature_are_found_by_name(full, small):
    found, original = (
        {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for model in (small, full)
    )
    assert found["temperature"] == original["temperature"]
    for name, scale in (
        ("head.weight", found["head.weight_scale"][:, None]),
        ("head.bias", found["head.bias_quantized_scale"]),
    ):
        restored = found[f"{name}_quantized"] * scale
        assert (np.abs(restored - original[name]) <= scale / 2 * 1.001).all()


def test_embedding_and_logits_are_not_rounded(small):
    _, logits, embedding, features = run(small, parity.pictures(224))
    assert embedding == pytest.approx(features.mean((2, 3)), abs=1e-5)
    assert len(np.unique(logits[1])) > 256


def drawings():
    """Easy pictures (224, 224, 3) and the class that each shows."""
    y, x = np.mgrid[0:224, 0:224].astype(float)
    radius, angle = np.hypot(y - 112, x - 112), np.arctan2(y - 112, x - 112)
    light = np.clip(1.1 - np.hypot(y - 80, x - 80) / 200, 0, 1)[..., None]
    for color, ground in (((255, 255, 255), (90, 160, 230)), ((255, 255, 255), (0, 0, 0)), ((240, 220, 20), (0, 0, 0))):
        yield np.where((radius < 80)[..., None], color * light, ground), PING_PONG_BALL
    yield np.where(np.sin(radius / 6 + angle) > 0, 255, 0)[..., None], MAZE
    cells = np.sin(x / 4) + np.sin(x / 8 + y * 0.2165) + np.sin(x / 8 - y * 0.2165) > 0.5
    yield cells[..., None] * (220, 170, 40), HONEYCOMB
    yield 127 + 127 * np.sin(x[..., None] / 5), RADIATOR


PING_PONG_BALL, MAZE, HONEYCOMB, RADIATOR = 722, 646, 599, 753


def test_easy_drawings_get_the_right_name_from_both(full, small):
    images = np.stack([np.broadcast_to(picture, (224, 224, 3)).astype(np.uint8) for picture, _ in drawings()])
    classes = [number for _, number in drawings()]
    for model in (full, small):
        assert run(model, images)[0].argmax(1).tolist() == classes


@pytest.mark.skipif("EYEBRIGHT_DATA" not in os.environ, reason="needs the sample photos")
def test_photos_get_the_same_name(full, small):
    images = np.stack(list(photos(224)))
    scores, small_scores = run(full, images)[0], run(small, images)[0]
    assert (scores.argmax(1) == small_scores.argmax(1)).mean() >= 0.95


def test_ranges_of_another_model_are_refused(tiny, full):
    with pytest.raises(BadRequest, match="another model"):
        quantize(full, measure_ranges(tiny, [parity.pictures(32)]))


def test_pixels_that_need_arithmetic_get_it(tiny):
    """A mean and a std a color do not fit one zero point and scale, so they stay in float, and the result holds."""
    images = parity.pictures(32)
    small = quantize(tiny, measure_ranges(tiny, [images]))
    assert {"Cast", "Sub", "Div"} <= {node.op_type for node in small.graph.node}
    assert run(small, images)[0] == pytest.approx(run(tiny, images)[0], abs=0.02)


def inner(image):
    """Values away from the rim, which alone may see what a convolution adds around a picture."""
    return image[..., 2:-2, 2:-2]


def test_even_pixels_change_nothing_but_the_rim(tiny):
    images = parity.pictures(32)
    before = tiny.SerializeToString()
    even = with_even_pixels(tiny)
    assert tiny.SerializeToString() == before
    ours, theirs = run(even, images)[3], run(tiny, images)[3]
    assert inner(ours) == pytest.approx(inner(theirs), abs=1e-4)
    assert ours == pytest.approx(theirs, abs=0.5)
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in even.graph.initializer}
    assert np.unique(found["pixel_mean"]).tolist() == [114]
    assert np.unique(found["pixel_std"]).tolist() == [EVEN_STD]


def test_even_pixels_are_taken_as_they_are(tiny):
    images = parity.pictures(32)
    even = with_even_pixels(tiny)
    small = quantize(even, measure_ranges(even, [images]))
    assert not {"Cast", "Sub", "Div"} & {node.op_type for node in small.graph.node if "image" in node.input}
    assert run(small, images)[0] == pytest.approx(run(even, images)[0], abs=0.02)


def test_a_convolution_without_bias_gets_one_for_even_pixels(tiny):
    (conv,) = (node for node in tiny.graph.node if node.op_type == "Conv")
    bare = onnx.ModelProto()
    bare.CopyFrom(tiny)
    next(node for node in bare.graph.node if node.op_type == "Conv").input.pop()
    zero = onnx.ModelProto()
    zero.CopyFrom(tiny)
    for tensor in zero.graph.initializer:
        if tensor.name == conv.input[2]:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros(8, np.float32), tensor.name))
    images = parity.pictures(32)
    even = with_even_pixels(bare)
    assert inner(run(even, images)[3]) == pytest.approx(inner(run(bare, images)[3]), abs=1e-4)
    assert run(even, images)[3] == pytest.approx(run(with_even_pixels(zero), images)[3], abs=1e-6)


def test_what_is_joined_has_one_scale(tmp_path):
    """A tensor that only a Concat reads is rounded as the joined one is, so that joining is copying."""
    full = with_even_pixels(network("squeezenet-1.1", 64))
    small = quantize(full, measure_ranges(full, [parity.pictures(64)]))
    maker = {name: node for node in small.graph.node for name in node.output}
    joins = [node for node in small.graph.node if node.op_type == "Concat"]
    assert len(joins) == 8
    for join in joins:
        (after,) = (node for node in small.graph.node if join.output[0] in node.input)
        parts = [maker[name].input[1:] for name in join.input]
        values = [
            [
                onnx.numpy_helper.to_array(one).item()
                for name in names
                for one in small.graph.initializer
                if one.name == name
            ]
            for names in (*parts, after.input[1:])
        ]
        assert values[0] == values[1] == values[2]


@pytest.mark.parametrize("number", [127.5, 128.0])
def test_one_number_for_mean_and_std_is_stored_once_and_found(number):
    model = of_one_convolution((number,) * 3, (number,) * 3)
    images = parity.pictures(32)
    even = with_even_pixels(model)
    small = quantize(even, measure_ranges(even, [images]))
    assert "Cast" not in {node.op_type for node in small.graph.node}
    assert run(small, images)[0] == pytest.approx(run(even, images)[0], abs=0.02)
    assert inner(run(even, images)[3]) == pytest.approx(inner(run(model, images)[3]), abs=1e-4)


def optimized(model, size, folder):
    """How often ONNX Runtime uses each operator of a graph."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    run(model, parity.pictures(size), options)
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


def network(name, size, width=1.0, labels=10):
    torch.manual_seed(0)
    encoder = ENCODERS[name](width=width, size=size)
    return to_onnx(Classifier(encoder, linear(encoder, labels), "single", (127.0,), (60.0,)).eval(), size)


def test_a_layer_that_is_to_stay_in_float_does(tmp_path):
    """ONNX Runtime would give it 8 bits on its own, since what it reads and makes is rounded."""
    full = with_even_pixels(network("resnet-8", 32))
    ranges = measure_ranges(full, [parity.pictures(32)])
    layers = [node.name for node in full.graph.node if node.op_type == "Conv"]
    for kept in ([layers[2]], layers[1:4], [layers[-1]]):
        found = optimized(quantize(full, ranges, kept), 32, tmp_path)
        assert found["QLinearConv"] == len(layers) - len(kept)
        assert found["Conv"] + found["FusedConv"] == len(kept)


@pytest.mark.parametrize("name", ["squeezenet-1.1", pytest.param("googlenet", marks=pytest.mark.slow)])
def test_branches_are_joined_and_pooled_in_integers(name, tmp_path):
    """A single float operator between two convolutions would cost more than the convolutions gain."""
    full = with_even_pixels(network(name, 64, 0.25))
    small = quantize(full, measure_ranges(full, [parity.pictures(64)]))
    before = Counter(node.op_type for node in full.graph.node)
    found = optimized(small, 64, tmp_path)
    assert found["QLinearConv"] == before["Conv"]
    assert found["QLinearConcat"] == before["Concat"] > 0
    assert found["MaxPool"] + found["NhwcMaxPool"] == before["MaxPool"] > 0
    assert not {"Conv", "Concat", "AveragePool", "Relu"} & found.keys()
    # what is left: the embedding, which leaves in float, and the logits
    assert found["QuantizeLinear"] + found["DequantizeLinear"] <= 4


QUICK = ("mobilenet-v3-small", "squeezenet-1.1")
FAMILIES = ("alexnet", "efficientnet-lite0", "googlenet", "inception-v3", "mobilenet-v1", "mobilenet-v2",
            "mobilenet-v3-large", "nasnet-mobile", "resnet-18", "resnet-50", "squeezenet-1.0", "vgg-11-bn")  # fmt: skip


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES)])
def test_a_file_of_any_family_has_not_a_third_of_its_bytes(name):
    """Scales and biases of every channel with it, which weigh more in narrow networks."""
    full = with_even_pixels(network(name, 96))
    small = quantize(full, measure_ranges(full, [parity.pictures(96)]))
    assert weights(small) <= 0.26 * weights(full)
    assert small.ByteSize() <= 0.30 * full.ByteSize()


def weights(model):
    """Bytes of all that is multiplied, with the scales of what is rounded."""
    multiplied = {node.input[1] for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")}
    held = {node.output[0]: node.input[:2] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    names = {part for name in multiplied for part in held.get(name, [name])}
    return sum(onnx.numpy_helper.to_array(one).nbytes for one in model.graph.initializer if one.name in names)
