"""What every encoder keeps, whatever the family."""

import re
from functools import cache
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from eyebright.encoders import ENCODERS, catalog  # noqa: E402
from eyebright.encoders.count import weightless  # noqa: E402
from eyebright.encoders.weights import fill, translated  # noqa: E402
from eyebright.errors import BadModelFile, BadRequest  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "encoders.md"
every_encoder = pytest.mark.parametrize("name", ENCODERS)


@cache
def small(name):
    """A quarter as wide and of the least depth, for pictures of 32 x 32; a few images to look at."""
    torch.manual_seed(0)
    return catalog.build(name, width=0.25, depth=0.25, size=32), torch.randn(4, 3, 32, 32)


@cache
def sketch(name, width=1.0, depth=1.0, colors=3, size=None):
    """Without weights: shapes alone, and quick."""
    return weightless(lambda: catalog.build(name, width, depth, colors, size)).eval()


@every_encoder
@torch.inference_mode()
def test_the_map_has_the_channels_and_the_stride_that_the_encoder_states(name):
    """At the smallest size and at its own, narrow and as wide as in the paper."""
    for pixels, depth in ((32, 0.25), (catalog.input_size(name), 1.0)):
        for encoder, images in (
            (catalog.build(name, 0.25, 0.25, size=pixels).eval(), torch.rand(1, 3, pixels, pixels)),
            (sketch(name, depth=depth, size=pixels), torch.empty(1, 3, pixels, pixels, device="meta")),
        ):
            features = encoder.features(images)
            assert features.shape[:2] == (1, encoder.num_features)
            for places in features.shape[2:]:
                # where convolutions do not pad, the edges have no place: up to two fewer than the quotient, never more
                assert 0 <= -(-pixels // encoder.stride) - places <= 2
                assert places >= 2


@every_encoder
def test_gradient_reaches_every_parameter(name):
    encoder, images = small(name)
    encoder.train()
    features = encoder.features(images)
    (features * torch.randn_like(features)).sum().backward()
    unreached = [key for key, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not unreached


@every_encoder
@torch.inference_mode()
def test_the_stages_one_after_the_other_are_the_encoder(name):
    encoder, images = small(name)
    encoder.eval()
    features = images
    for stage in encoder.stages().values():
        features = stage(features)
    assert torch.equal(features, encoder.features(images))
    assert features.isfinite().all()
    assert features.std(0).any(), "every image gives the same"


@every_encoder
def test_depth_adds_and_removes_blocks(name):
    shallow, usual, deep = (size(sketch(name, depth=depth, size=catalog.input_size(name))) for depth in (0.5, 1.0, 1.5))
    assert usual < deep
    assert shallow < usual or name == "resnet-8", "one block a stage always stays"


@every_encoder
def test_width_changes_every_stage(name):
    narrow, usual = (sketch(name, width, 0.25, size=32).stages() for width in (0.25, 1.0))
    assert list(narrow) == list(usual)
    for stage in usual:
        assert size(narrow[stage]) < size(usual[stage]) or size(usual[stage]) == 0


def size(network):
    return sum(weight.numel() for weight in network.parameters())


@every_encoder
@torch.inference_mode()
def test_a_gray_image_has_one_color(name):
    encoder = catalog.build(name, 0.25, 0.25, colors=1, size=32).eval()
    assert encoder.features(torch.ones(1, 1, 32, 32)).shape[1] == encoder.num_features


@every_encoder
def test_a_norm_stands_beside_its_convolution(name):
    """The export folds a `norm` into the `conv` of the same group, and would leave others in the model file."""
    encoder = sketch(name, size=catalog.input_size(name))
    beside = {
        group.norm
        for group in encoder.modules()
        if isinstance(getattr(group, "norm", None), nn.BatchNorm2d) and isinstance(group.conv, nn.Conv2d)
    }
    assert beside == {module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)}


@every_encoder
def test_every_encoder_has_its_paper_in_the_documents(name):
    assert "arXiv:" in catalog.paper(name)
    assert catalog.input_size(name) in range(32, 400)
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if f"`{name}`" in line and "arXiv:" in line]
    assert [catalog.paper(name) in row for row in rows] == [True], "docs/encoders.md lists it once, with its paper"


@every_encoder
def test_weights_of_something_else_are_refused_in_a_sentence(name):
    """Whoever mixes up two files should read which name was not understood, or which is missing."""
    encoder, _ = small(name)
    for key in ("weight", "features.0.weight", "layer1.0.conv9.weight", "blocks.99.bn1.bias", "_blocks.x.y", "x" * 99):
        try:
            ours = translated({key: torch.zeros(3)}, name, encoder)
        except (BadModelFile, BadRequest):
            continue
        with pytest.raises(BadModelFile):
            fill(encoder, ours)


def test_python_in_the_documents_runs():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    exec(code, {})
