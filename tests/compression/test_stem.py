"""A wide first convolution gives what the narrow one gave, to the bit, whatever its kernel and its padding."""

import numpy as np
import onnxruntime
import pytest
from onnx import numpy_helper

torch = pytest.importorskip("torch")

from eyebright.classifier import Classifier  # noqa: E402
from eyebright.compression.quantize import quantize, with_even_pixels  # noqa: E402
from eyebright.compression.ranges import measure_ranges  # noqa: E402
from eyebright.compression.stem import with_wide_stem  # noqa: E402
from eyebright.encoders import Encoder  # noqa: E402
from eyebright.export import parity  # noqa: E402
from eyebright.export.network import Network  # noqa: E402
from eyebright.export.onnx import to_onnx  # noqa: E402

SIZE, CHANNELS = 32, 8
PADS = [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 1), (3, 3, 3, 3), (2, 3, 2, 3)]  # left, right, top, bottom


def graphs(kernel=3, pad=PADS[1], stride=2, normalized=((123.7, 116.3, 103.5), (58.4, 57.1, 57.4))):
    """The int8 form of a convolution and a layer after it, and of that the wide form."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, CHANNELS, kernel, stride)
    stem = torch.nn.Sequential(torch.nn.ZeroPad2d(pad), conv, torch.nn.ReLU6())
    after = torch.nn.Sequential(torch.nn.Conv2d(CHANNELS, CHANNELS, 3), torch.nn.ReLU())
    encoder = Encoder({"stem": stem, "after": after}, CHANNELS, 2)
    network = Classifier(encoder, torch.nn.Linear(CHANNELS, 3), "multi", *normalized)
    full = with_even_pixels(to_onnx(network.eval(), SIZE))
    small = quantize(full, measure_ranges(full, [parity.pictures(SIZE)]))
    return small, with_wide_stem(small, [SIZE])


def run(model, images):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["features", "logits"], {"image": images})


@pytest.mark.parametrize("kernel", [2, 3, 5, 7])
@pytest.mark.parametrize("pad", PADS)
def test_the_answers_are_the_same_to_the_bit(kernel, pad):
    small, wide = graphs(kernel, pad)
    fits = -1 - (pad[0] + pad[1] - kernel) // 2 in (0, 1)
    assert (wide is not small) == fits
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    for ours, theirs in zip(run(wide, images), run(small, images), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("pad", PADS[:2])
def test_it_is_learned_through_as_before(pad):
    """Between what is rounded and what restores it, the places of the map are moved about."""
    images = torch.from_numpy(parity.pictures(SIZE))
    with torch.inference_mode():
        ours, theirs = (Network(model)(images)["logits"] for model in graphs(pad=pad)[::-1])
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_what_is_multiplied_has_twelve_channels():
    small, wide = graphs()
    shapes = [{one.name: tuple(one.dims) for one in model.graph.initializer} for model in (small, wide)]
    (name,) = (name for name, shape in shapes[0].items() if shape == (CHANNELS, 3, 3, 3))
    assert shapes[1][name] == (2 * CHANNELS, 12, 3, 2)
    kernels = [
        numpy_helper.to_array(one) for model in (small, wide) for one in model.graph.initializer if one.name == name
    ]
    assert np.sort(kernels[1][kernels[1] != 0]).tolist() == np.sort(np.tile(kernels[0][kernels[0] != 0], 2)).tolist()


def test_other_first_layers_stay_as_they_are():
    for options in ({"stride": 1}, {"stride": 4, "kernel": 5}):
        small, wide = graphs(**options)
        assert wide is small
    small, _ = graphs()
    assert with_wide_stem(small, [SIZE, SIZE + 2]) is small  # a side that four does not divide
    full = to_onnx(
        Classifier(
            Encoder({"stem": torch.nn.Conv2d(3, 8, 3, 2)}, 8, 2), torch.nn.Linear(8, 3), "multi", (0.0,), (1.0,)
        ),
        SIZE,
    )
    assert with_wide_stem(full, [SIZE]) is full  # in float
