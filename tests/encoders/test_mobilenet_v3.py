"""MobileNet-v3, small and large, are torchvision's and timm's."""

from functools import partial

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from eyebright.cli.encoders import network  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.encoders.count import count, weightless  # noqa: E402
from eyebright.encoders.mobilenet_v3 import LARGE, Weigh, translate  # noqa: E402
from oracle import same_as, torchvision_models  # noqa: E402

PUBLISHED = {"small": (2_542_856, 0.0565e9), "large": (5_483_032, 0.217e9)}  # parameters, multiply-adds


@pytest.mark.parametrize("variant", PUBLISHED)
def test_it_says_what_torchvisions_says(variant, tmp_path):
    torchvisions = getattr(torchvision_models(), f"mobilenet_v3_{variant}")(num_classes=10)
    same_as(torchvisions, f"mobilenet-v3-{variant}", tmp_path)


@pytest.mark.parametrize("variant", PUBLISHED)
def test_it_has_its_published_size_and_cost(variant):
    parameters, macs = PUBLISHED[variant]
    counts = count(network(f"mobilenet-v3-{variant}"), (224, 224, 3))
    assert counts.num_parameters == parameters
    assert counts.num_macs == pytest.approx(macs, rel=0.005)


@pytest.mark.parametrize(("variant", "channels"), [("small", 576), ("large", 960)])
@pytest.mark.parametrize(("size", "stride"), [(224, 32), (64, 16), (32, 8)])
def test_small_pictures_keep_a_map_of_four_places_a_side(variant, channels, size, stride):
    encoder = weightless(partial(ENCODERS[f"mobilenet-v3-{variant}"], size=size))
    assert encoder.stride == stride
    assert encoder(torch.empty(1, 3, size, size, device="meta")).shape == (1, channels, size // stride, size // stride)


def timm_layers():
    """The layers of timm's mobilenetv3_large_100 that have a weight, in its order."""
    yield from ("conv_stem", "bn1")
    for stage, row in enumerate(LARGE):
        weighs = ("se.conv_reduce", "se.conv_expand") if row.weighs else ()
        first = ("conv_dw", "bn1", *weighs, "conv_pw", "bn2")
        others = ("conv_pw", "bn1", "conv_dw", "bn2", *weighs, "conv_pwl", "bn3")
        for place in range(len(row.wide)):
            yield from (f"blocks.{stage}.{place}.{part}" for part in (others if stage else first))
    yield from ("blocks.6.0.conv", "blocks.6.0.bn1", "conv_head", "classifier")


def test_timms_layers_are_ours_in_the_same_order():
    published = {f"{layer}.weight": torch.empty(0) for layer in timm_layers()}
    published["conv_head.weight"] = torch.empty(1280, 960, 1, 1)
    encoder = ENCODERS["mobilenet-v3-large"](width=0.5)
    translated = translate(published, encoder)
    ours = [key for key in encoder.state_dict() if key.endswith(".weight")]
    assert list(translated) == [*ours, "head.hidden.weight", "head.output.weight"]
    assert translated["head.hidden.weight"].shape == (1280, 960)


@torch.inference_mode()
def test_timms_norms_give_the_same_though_they_add_another_epsilon():
    """Even to a variance that is smaller than ours."""
    timms = nn.BatchNorm2d(2, eps=1e-5).eval()
    timms.running_var.copy_(torch.tensor([0.5, 1e-4]))
    published = {f"bn1.{part}": value for part, value in timms.state_dict().items()}
    published |= {"conv_stem.weight": torch.empty(0), "conv_head.weight": torch.empty(1, 1, 1, 1)}
    encoder = ENCODERS["mobilenet-v3-small"](width=0.25)
    ours = nn.BatchNorm2d(2, eps=encoder.stem.norm.eps).eval()
    translated = translate(published, encoder)
    ours.load_state_dict({part: translated[f"stem.norm.{part}"] for part in ours.state_dict()})
    images = torch.randn(1, 2, 4, 4)
    assert torch.allclose(ours(images), timms(images), rtol=1e-4)
    assert ours.eps != timms.eps


@torch.inference_mode()
def test_a_channel_is_weighed_by_what_is_in_the_whole_picture():
    weigh = Weigh(8)
    images = torch.rand(1, 8, 4, 4)
    weights = weigh(images) / images
    assert torch.allclose(weights, weights[..., :1, :1].expand_as(weights), atol=1e-6)
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert not torch.equal(weigh(images.roll(1, 1)).roll(-1, 1), weigh(images))


def test_a_deeper_stage_repeats_its_blocks_in_their_order():
    stage = weightless(partial(ENCODERS["mobilenet-v3-large"], depth=1.5)).stage4
    assert [block.look.conv.out_channels for block in stage] == [240, 240, 200, 184, 184, 184]
