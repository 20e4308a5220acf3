"""VGGs are torchvision's, with batch norm and without."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from eyebright.encoders import ENCODERS, weights  # noqa: E402
from oracle import close, lively, torchvision_models  # noqa: E402


@pytest.mark.parametrize(("name", "column"), [("vgg-11-bn", "A"), ("vgg-16", "D"), ("vgg-19-bn", "E")])
@torch.inference_mode()
def test_the_features_are_torchvisions(name, column, tmp_path):
    """Without the dense layers, whose 124 million weights take long to draw; AlexNet's are of the same kind."""
    vgg = torchvision_models().vgg
    network = lively(vgg.make_layers(vgg.cfgs[column], batch_norm=name.endswith("bn")))
    file = tmp_path / "vgg.pth"
    torch.save({f"features.{key}": value for key, value in network.state_dict().items()}, file)
    found = weights.load(str(file), name)
    images = torch.randn(1, 3, 64, 64)
    close(found.encoder.features(images), network(images))
    assert found.head is None


@pytest.mark.parametrize("name", ["vgg-13", "vgg-16-bn"])
def test_every_weight_of_torchvision_has_its_place(name):
    with torch.device("meta"):
        network = getattr(torchvision_models(), name.replace("-", "", 1).replace("-", "_"))()
        encoder = ENCODERS[name]()
    ours = weights.translated(network.state_dict(), name, encoder)
    assert {key: value.shape for key, value in ours.items() if not key.startswith("head.")} == {
        key: value.shape for key, value in encoder.state_dict().items()
    }
    assert {key: tuple(value.shape) for key, value in ours.items() if key.startswith("head.")} == {
        "head.hidden1.weight": (4096, 25088),
        "head.hidden1.bias": (4096,),
        "head.hidden2.weight": (4096, 4096),
        "head.hidden2.bias": (4096,),
        "head.output.weight": (1000, 4096),
        "head.output.bias": (1000,),
    }


def test_timms_dense_layers_are_convolutions():
    """The same numbers in another shape."""
    encoder = ENCODERS["vgg-11"](width=0.125)
    theirs = {"pre_logits.fc1.weight": torch.arange(4.0 * 64 * 49).reshape(4, 64, 7, 7), "head.fc.bias": torch.ones(5)}
    ours = weights.translated(theirs, "vgg-11", encoder)
    assert ours["head.hidden1.weight"].shape == (4, 64 * 49)
    assert torch.equal(ours["head.hidden1.weight"].flatten(), torch.arange(4.0 * 64 * 49))
    assert torch.equal(ours["head.output.bias"], torch.ones(5))


@pytest.mark.parametrize(("size", "pools"), [(224, 5), (64, 4), (32, 3)])
def test_small_pictures_leave_out_the_first_pools(size, pools):
    encoder = ENCODERS["vgg-11"](width=0.125, size=size)
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in encoder.modules()) == pools
    assert encoder.features(torch.zeros(1, 3, size, size)).shape[2:] == (size >> pools, size >> pools)
