"""GoogLeNet is torchvision's."""

from functools import partial

import pytest

torch = pytest.importorskip("torch")

from eyebright.cli.encoders import network  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.encoders.count import count, weightless  # noqa: E402
from eyebright.encoders.googlenet import AUXILIARIES, translate  # noqa: E402
from eyebright.encoders.layers import Branches  # noqa: E402
from oracle import same_as, torchvision_models  # noqa: E402


def test_it_says_what_torchvisions_says(tmp_path):
    torchvisions = torchvision_models().googlenet(num_classes=10, aux_logits=False, init_weights=False)
    same_as(torchvisions, "googlenet", tmp_path)


def test_published_auxiliary_heads_are_left_out():
    torchvisions = torchvision_models().googlenet(num_classes=10, init_weights=False).state_dict()
    assert any(key.startswith("aux1.") for key in torchvisions)
    encoder = ENCODERS["googlenet"]()
    ours = translate(torchvisions, encoder)
    assert set(ours) == set(encoder.state_dict()) | {"head.weight", "head.bias"}


def test_it_has_its_published_size_and_cost():
    counts = count(network("googlenet"), (224, 224, 3))
    assert counts.num_parameters == 6_624_904
    assert counts.num_macs == pytest.approx(1.498e9, rel=0.005)


@pytest.mark.parametrize(("size", "stride"), [(224, 32), (64, 16), (32, 8)])
def test_small_pictures_keep_a_map_of_four_places_a_side(size, stride):
    encoder = weightless(partial(ENCODERS["googlenet"], size=size))
    assert encoder.stride == stride
    assert encoder(torch.empty(1, 3, size, size, device="meta")).shape == (1, 1024, size // stride, size // stride)


def test_auxiliary_heads_can_hang_where_the_paper_has_them():
    """After modules 4a and 4d: 512 and 528 channels of 14 x 14 places."""
    images = torch.empty(1, 3, 224, 224, device="meta")
    shapes = {}
    for name, stage in weightless(ENCODERS["googlenet"]).stages().items():
        images = stage(images)
        shapes[name] = tuple(images.shape[1:])
    assert [shapes[name] for name in AUXILIARIES] == [(512, 14, 14), (528, 14, 14)]


def test_depth_is_modules_and_every_stage_keeps_one():
    for depth, modules in ((0.1, 5), (1.0, 9), (2.0, 18)):
        encoder = weightless(partial(ENCODERS["googlenet"], depth=depth))
        assert sum(isinstance(module, Branches) for module in encoder.modules()) == modules
