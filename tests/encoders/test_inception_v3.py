"""Inception-v3 is torchvision's, and timm's by the same names."""

from functools import partial

import pytest

torch = pytest.importorskip("torch")

from eyebright.cli.encoders import network  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.encoders.count import count, weightless  # noqa: E402
from eyebright.encoders.inception_v3 import AUXILIARIES, translate  # noqa: E402
from oracle import same_as, torchvision_models  # noqa: E402


def test_it_says_what_torchvisions_says(tmp_path):
    torchvisions = torchvision_models().inception_v3(num_classes=10, aux_logits=False, init_weights=False)
    same_as(torchvisions, "inception-v3", tmp_path, side=128)


def test_the_published_auxiliary_head_is_left_out():
    torchvisions = torchvision_models().inception_v3(num_classes=10, init_weights=False).state_dict()
    assert any(key.startswith("AuxLogits.") for key in torchvisions)
    encoder = ENCODERS["inception-v3"]()
    assert set(translate(torchvisions, encoder)) == set(encoder.state_dict()) | {"head.weight", "head.bias"}


def test_it_has_its_published_size_and_cost():
    """Torchvision's figures; of its 27,161,264 parameters the auxiliary head has 3,326,696."""
    counts = count(network("inception-v3"), (299, 299, 3))
    assert counts.num_parameters == 27_161_264 - 3_326_696
    assert counts.num_macs == pytest.approx(5.713e9, rel=0.005)


@pytest.mark.parametrize(("size", "stride", "side"), [(299, 32, 8), (128, 16, 6), (64, 8, 6), (32, 8, 2)])
def test_small_pictures_keep_some_places_though_the_stem_eats_their_border(size, stride, side):
    encoder = weightless(partial(ENCODERS["inception-v3"], size=size))
    assert encoder.stride == stride
    assert encoder(torch.empty(1, 3, size, size, device="meta")).shape == (1, 2048, side, side)


def test_the_maps_are_the_papers():
    """35 x 35, 17 x 17 with the auxiliary head behind it, and 8 x 8."""
    images = torch.empty(1, 3, 299, 299, device="meta")
    shapes = {}
    for name, stage in weightless(ENCODERS["inception-v3"]).stages().items():
        images = stage(images)
        shapes[name] = tuple(images.shape[1:])
    assert shapes == {"stem": (192, 35, 35), "stage1": (288, 35, 35), "stage2": (768, 17, 17), "stage3": (2048, 8, 8)}
    assert AUXILIARIES == ("stage2",)


def test_a_shallow_one_still_halves_between_its_stages():
    encoder = weightless(partial(ENCODERS["inception-v3"], depth=0.1))
    assert [len(stage) for name, stage in encoder.stages().items() if name != "stem"] == [1, 2, 2]
