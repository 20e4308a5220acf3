"""MobileNet-v1 is the paper's, at every width and size of its tables, and timm's."""

from functools import partial

import pytest

torch = pytest.importorskip("torch")

from eyebright.cli.encoders import network  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.encoders.count import count, weightless  # noqa: E402
from eyebright.encoders.mobilenet_v1 import translate  # noqa: E402

PARAMETERS = {1.0: 4.24, 0.75: 2.59, 0.5: 1.34, 0.25: 0.47}  # millions, with the head for 1000 classes
SIZES = (224, 192, 160, 128)
MACS = {  # millions, by width, at each of SIZES
    1.0: (569, 418, 291, 186),
    0.75: (325.4, 239.3, 166.4, 106.8),
    0.5: (149, 110, 76, 49),
    0.25: (41, 30, 21, 14),
}


@pytest.mark.parametrize("width", MACS)
def test_every_width_and_size_costs_what_the_paper_says(width):
    """To 1%; of 14 million, which the paper has rounded, to what would be rounded so."""
    for size, macs in zip(SIZES, MACS[width], strict=True):
        counts = count(network("mobilenet-v1", width, size=size), (size, size, 3))
        assert counts.num_macs / 1e6 == pytest.approx(macs, rel=0.01, abs=0.5 if macs < 50 else None)
        assert counts.num_parameters / 1e6 == pytest.approx(PARAMETERS[width], rel=0.01)


@pytest.mark.parametrize(("size", "stride"), [(224, 32), (64, 16), (32, 8)])
def test_small_pictures_keep_a_map_of_four_places_a_side(size, stride):
    encoder = weightless(partial(ENCODERS["mobilenet-v1"], size=size))
    assert encoder.stride == stride
    assert encoder(torch.empty(1, 3, size, size, device="meta")).shape == (1, 1024, size // stride, size // stride)


def test_timms_layers_are_ours_in_the_same_order():
    blocks = [f"blocks.{stage}.{place}" for stage, places in enumerate((1, 2, 2, 6, 2)) for place in range(places)]
    inside = [f"{block}.{layer}" for block in blocks for layer in ("conv_dw", "bn1", "conv_pw", "bn2")]
    published = {f"{layer}.weight": torch.empty(0) for layer in ("conv_stem", "bn1", *inside, "classifier")}
    encoder = ENCODERS["mobilenet-v1"](width=0.25)
    ours = [key for key in encoder.state_dict() if key.endswith(".weight")]
    assert list(translate(published, encoder)) == [*ours, "head.weight"]


def test_depth_is_blocks_and_every_stage_keeps_one():
    for depth, blocks in ((0.1, [1, 1, 1, 1, 1]), (0.5, [1, 1, 1, 3, 1]), (1.5, [2, 3, 3, 9, 3])):
        stages = weightless(partial(ENCODERS["mobilenet-v1"], depth=depth)).stages()
        assert [len(stages[f"stage{number}"]) for number in range(1, 6)] == blocks
