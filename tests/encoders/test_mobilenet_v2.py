"""MobileNet-v2 is torchvision's and timm's."""

from functools import partial

import pytest

torch = pytest.importorskip("torch")

from eyebright.cli.encoders import network  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.encoders.count import count, weightless  # noqa: E402
from eyebright.encoders.mobilenet_v2 import STAGES, Block, translate  # noqa: E402
from oracle import same_as, torchvision_models  # noqa: E402


def test_it_says_what_torchvisions_says(tmp_path):
    same_as(torchvision_models().mobilenet_v2(num_classes=10), "mobilenet-v2", tmp_path)


def test_it_has_its_published_size_and_cost():
    counts = count(network("mobilenet-v2"), (224, 224, 3))
    assert counts.num_parameters == 3_504_872
    assert counts.num_macs == pytest.approx(0.301e9, rel=0.005)


@pytest.mark.parametrize(("size", "stride"), [(224, 32), (64, 16), (32, 8)])
def test_small_pictures_keep_a_map_of_four_places_a_side(size, stride):
    encoder = weightless(partial(ENCODERS["mobilenet-v2"], size=size))
    assert encoder.stride == stride
    assert encoder(torch.empty(1, 3, size, size, device="meta")).shape == (1, 1280, size // stride, size // stride)


def test_timms_layers_are_ours_in_the_same_order():
    layers = ["conv_stem", "bn1"]
    for stage, row in enumerate(STAGES):
        parts = (
            ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3") if stage else ("conv_dw", "bn1", "conv_pw", "bn2")
        )
        layers += [f"blocks.{stage}.{place}.{part}" for place in range(row.blocks) for part in parts]
    layers += ["conv_head", "bn2", "classifier"]
    encoder = ENCODERS["mobilenet-v2"](width=0.25)
    ours = [key for key in encoder.state_dict() if key.endswith(".weight")]
    assert list(translate({f"{layer}.weight": torch.empty(0) for layer in layers}, encoder)) == [*ours, "head.weight"]


@torch.inference_mode()
def test_a_block_that_keeps_the_shape_adds_to_what_enters():
    """With nothing to add, the picture passes as it is."""
    images = torch.randn(1, 16, 4, 4)
    for block, adds in ((Block(16, 16, 6, 1), True), (Block(16, 24, 6, 1), False), (Block(16, 16, 6, 2), False)):
        block.eval().narrow.conv.weight.zero_()
        assert (block(images) == images).all() if adds else not block(images).any()


def test_narrow_channels_are_multiples_of_8_and_the_last_layer_shrinks_too():
    encoder = weightless(partial(ENCODERS["mobilenet-v2"], width=0.35))
    assert encoder.num_features == 448
    assert all(block.narrow.conv.out_channels % 8 == 0 for block in encoder.modules() if isinstance(block, Block))
