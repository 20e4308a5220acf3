"""Networks have the sizes that were published, and counting them is right."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from eyebright.classifier.heads import paper_head  # noqa: E402
from eyebright.encoders import ENCODERS, catalog  # noqa: E402
from eyebright.encoders.count import count, layers, weightless  # noqa: E402

PUBLISHED = {  # parameters, and multiply-adds in billions, with the paper's head for 1000 labels
    "alexnet": (61_100_840, 0.714),
    "googlenet": (6_624_904, 1.498),
    "mobilenet-v2": (3_504_872, 0.301),
    "mobilenet-v3-large": (5_483_032, 0.217),
    "mobilenet-v3-small": (2_542_856, 0.0565),
    "resnet-18": (11_689_512, 1.814),
    "resnet-34": (21_797_672, 3.664),
    "resnet-50": (25_557_032, 4.089),
    "resnet-101": (44_549_160, 7.80),
    "resnet-152": (60_192_808, 11.51),
    "squeezenet-1.0": (1_248_424, 0.819),
    "squeezenet-1.1": (1_235_496, 0.349),
    "vgg-11": (132_863_336, 7.609),
    "vgg-13-bn": (133_053_736, 11.308),
    "vgg-16": (138_357_544, 15.47),
    "vgg-19": (143_667_240, 19.63),
}


class Whole(nn.Module):
    """Encoder and head, from images to logits."""

    def __init__(self, name):
        super().__init__()
        self.encoder = catalog.build(name)
        self.head = paper_head(name, self.encoder, 1000)

    def forward(self, images):
        features = self.encoder.features(images)
        return self.head(features if getattr(self.head, "spatial", False) else features.mean((2, 3)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_has_the_size_that_was_published(name):
    parameters, billions = PUBLISHED[name]
    found = count(weightless(lambda: Whole(name)), (3, 224, 224))
    assert found.num_parameters == parameters
    assert found.num_macs == pytest.approx(billions * 1e9, rel=0.005)
    assert found.size_bytes == 4 * parameters


def test_multiply_adds_are_those_of_convolutions_and_dense_layers():
    network = nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, bias=False),  # 6 x 5 places, each 4 * 9 products for 8 channels
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),  # 3 x 3 places, each 9 products for 8 channels
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(72, 2),
    )
    found = layers(network, (4, 6, 5))
    assert [row.num_macs for row in found] == [6 * 5 * 4 * 9 * 8, 0, 3 * 3 * 9 * 8, 0, 0, 72 * 2]
    assert [row.num_parameters for row in found] == [4 * 9 * 8, 16, 9 * 8 + 8, 0, 0, 72 * 2 + 2]
    assert [row.shape for row in found] == [(8, 6, 5), (8, 6, 5), (8, 3, 3), (8, 3, 3), (72,), (2,)]
    assert [row.what for row in found][:3] == [
        "convolution 3 x 3",
        "batch norm",
        "convolution 3 x 3, stride 2, each channel alone",
    ]


def test_a_layer_that_is_met_twice_works_twice_and_has_its_weights_once():
    dense = nn.Linear(3, 3)
    assert count(nn.Sequential(dense, dense), (3,))[:2] == (12, 18)


def test_counting_leaves_the_network_as_it_was():
    encoder = ENCODERS["resnet-8"]().train()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    count(encoder, (3, 32, 32))
    assert encoder.training
    assert not any(module._forward_hooks for module in encoder.modules())
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())


def test_half_precision_takes_half_the_bytes():
    assert count(ENCODERS["resnet-8"]().half(), (3, 32, 32)).size_bytes == 2 * 77_296
