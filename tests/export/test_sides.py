"""A graph that takes other sizes says at each of them what the network says."""

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from eyebright.classifier import Classifier  # noqa: E402
from eyebright.classifier.heads import linear, paper_head  # noqa: E402
from eyebright.classifier.pixel_features import pixel_features  # noqa: E402
from eyebright.encoders import ENCODERS, Encoder  # noqa: E402
from eyebright.encoders.layers import same_conv  # noqa: E402
from eyebright.export import parity  # noqa: E402
from eyebright.export.onnx import to_onnx  # noqa: E402
from eyebright.export.sides import alike, free_sides, sides, with_free_sides  # noqa: E402

QUICK = {"efficientnet-lite0": 100, "squeezenet-1.1": 96, "resnet-8": 32}
"""Padding that depends on the size, pools that round up, small pictures."""


def network(name, size, head=linear):
    """With norms that have seen pictures, so that what is in the middle of a network matters at its end."""
    torch.manual_seed(0)
    encoder = ENCODERS[name](width=0.25, size=size)
    classifier = Classifier(encoder, head(encoder, 5), "single", [127.0], [60.0])
    for layer in classifier.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.inference_mode():
        classifier.train()(torch.from_numpy(parity.pictures(size)))
    return classifier.eval()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *QUICK.items(),
        *(pytest.param(name, 128, marks=pytest.mark.slow) for name in ENCODERS if name not in QUICK),
    ],
)
def test_every_family_takes_the_sizes_that_are_padded_alike(name, size):
    classifier = network(name, size)
    free, taken = with_free_sides(classifier, to_onnx(classifier, size), size)
    assert taken == sides(size, classifier.encoder.stride)
    assert len(taken) > 1
    for side in (taken[0], size, taken[-1]):
        assert parity.check(classifier, free, parity.pictures(side)) < 1e-4
    dimensions = free.graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_param or one.dim_value for one in dimensions] == ["N", "H", "W", 3]


def test_padding_for_another_size_is_noticed():
    """At an even size the first convolution pads on one side alone, at an odd one on both."""
    torch.manual_seed(0)
    stem = same_conv(3, 8, 3, 2, act=torch.nn.ReLU)
    classifier = Classifier(Encoder({"stem": stem}, 8, 2), torch.nn.Linear(8, 3), "single", [127.0], [60.0]).eval()
    graph = to_onnx(classifier, 32)
    free_sides(graph)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    assert alike(classifier, session, parity.pictures(34))
    assert not alike(classifier, session, parity.pictures(33))


def test_a_head_of_fixed_places_keeps_its_size():
    classifier = network("alexnet", 96, lambda encoder, labels: paper_head("alexnet", encoder, labels, 0.25))
    graph = to_onnx(classifier, 96)
    kept, taken = with_free_sides(classifier, graph, 96)
    assert taken == ()
    assert kept.SerializeToString() == graph.SerializeToString()


def test_plain_features_of_pixels_keep_their_size():
    assert sides(96, pixel_features(96).stride) == (96,)


@pytest.mark.parametrize("size", [32, 64, 96, 128, 160, 224, 240, 260, 299, 512])
@pytest.mark.parametrize("stride", [4, 8, 16, 32])
def test_there_are_a_few_sizes_around_its_own(size, stride):
    found = sides(size, stride)
    assert size in found
    assert len(found) <= 9
    assert all((side - size) % stride == 0 and size / 2 < side < 1.5 * size for side in found)
    assert np.all(np.diff(found) > 0)
