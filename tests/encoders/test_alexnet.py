"""AlexNet is torchvision's."""

import pytest

torch = pytest.importorskip("torch")

from eyebright.encoders import ENCODERS  # noqa: E402
from oracle import same_as, torchvision_models  # noqa: E402


def test_alexnet_says_what_torchvisions_says(tmp_path):
    same_as(torchvision_models().alexnet(num_classes=10), "alexnet", tmp_path, side=224)


def test_depth_is_convolutions_a_stage():
    """Two in the first two stages and six in the last, whose channels still go from many to few."""
    layers = [module for module in ENCODERS["alexnet"](depth=2.0).modules() if isinstance(module, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in layers] == [64, 64, 192, 192, 384, 384, 256, 256, 256, 256]


@pytest.mark.parametrize(("size", "first"), [(224, 4), (64, 2), (32, 1)])
def test_the_first_stride_fits_the_picture(size, first):
    encoder = ENCODERS["alexnet"](size=size)
    assert encoder.stage1[0].conv.stride == (first, first)
    assert encoder(torch.zeros(1, 3, size, size)).shape[2] >= 2
