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
from eyebright.compression import shipped  # noqa: E402
from eyebright.compression.quantize import quantize  # noqa: E402
from eyebright.compression.ranges import (  # noqa: E402
    BINS,
    least_error,
    measure_ranges,
    ranges_from_json,
    ranges_to_json,
)
from eyebright.encoders import Encoder  # noqa: E402
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


@pytest.fixture(scope="module")
def tiny():
    """A float model of one convolution, whose colors are normalized each by its own numbers."""
    torch.manual_seed(0)
    encoder = Encoder({"stem": same_conv(3, 8, 3, 2, act=torch.nn.ReLU6)}, 8, 2)
    classifier = Classifier(encoder, torch.nn.Linear(8, 3), "multi", (123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
    return to_onnx(classifier, 32)


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
    assert shipped.build("lite0", "int8").SerializeToString() == small.SerializeToString()


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


def test_ranges_survive_json(tiny):
    ranges = measure_ranges(tiny, [parity.pictures(32)])
    assert ranges_from_json(ranges_to_json(ranges)) == ranges
    assert all(low <= 0 <= high for low, high in ranges.values())


def test_a_rare_value_does_not_coarsen_the_steps_of_the_many():
    """256 steps over 0..100 would leave six of them to a hundred million values below 3, for the sake of one."""
    counts = np.zeros(BINS, np.int64)
    counts[: BINS * 3 // 100], counts[-1] = 100_000_000, 1
    assert least_error(0.0, 100.0, counts) == (0.0, pytest.approx(30, abs=1))


def test_ranges_do_not_depend_on_the_batches(tiny):
    images = parity.pictures(32)
    assert measure_ranges(tiny, [images]) == measure_ranges(tiny, [images[:1], images[1:]])


def test_ranges_of_another_model_are_refused(tiny, full):
    with pytest.raises(BadRequest, match="another model"):
        quantize(full, measure_ranges(tiny, [parity.pictures(32)]))


def test_pixels_that_need_arithmetic_get_it(tiny):
    """A mean and a std a color do not fit one zero point and scale, so they stay in float, and the result holds."""
    images = parity.pictures(32)
    small = quantize(tiny, measure_ranges(tiny, [images]))
    assert {"Cast", "Sub", "Div"} <= {node.op_type for node in small.graph.node}
    assert run(small, images)[0] == pytest.approx(run(tiny, images)[0], abs=0.02)
