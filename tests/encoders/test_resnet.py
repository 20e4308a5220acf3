"""ResNets are torchvision's, and ResNet-8 is MLPerf Tiny's."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from eyebright.encoders import ENCODERS  # noqa: E402
from oracle import same_as, torchvision_models  # noqa: E402


@pytest.mark.parametrize("layers", [18, 50])
def test_a_resnet_says_what_torchvisions_says(layers, tmp_path):
    """Eighteen layers in basic blocks, fifty in bottlenecks; deeper ones have more of the same."""
    network = getattr(torchvision_models(), f"resnet{layers}")(num_classes=10)
    same_as(network, f"resnet-{layers}", tmp_path)


def test_resnet_8_is_the_reference_network():
    """MLPerf Tiny's has 78,666 values: 480 are running statistics, 240 biases that a norm after them makes useless."""
    encoder = ENCODERS["resnet-8"]()
    head = encoder.num_features * 10 + 10
    assert sum(weight.numel() for weight in encoder.parameters()) + head == 78_666 - 480 - 240


def test_resnet_8_keeps_a_map_of_8_x_8():
    assert ENCODERS["resnet-8"]()(torch.zeros(1, 3, 32, 32)).shape == (1, 64, 8, 8)


def test_a_bottleneck_strides_in_the_middle():
    """In the paper the first convolution does; "v1.5", which all published weights are for, keeps more of the map."""
    body = ENCODERS["resnet-50"](width=0.25).stage2[0].body
    assert [layer.conv.stride for layer in body] == [(1, 1), (2, 2), (1, 1)]


@pytest.mark.parametrize(("size", "stride", "pools"), [(224, 32, 1), (64, 16, 1), (32, 8, 0)])
def test_small_pictures_keep_their_places(size, stride, pools):
    """Below 96 pixels the stem does not stride, below 48 it does not pool either."""
    encoder = ENCODERS["resnet-18"](width=0.25, size=size)
    assert encoder.stride == stride
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in encoder.modules()) == pools
