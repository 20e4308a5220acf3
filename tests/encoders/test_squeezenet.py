"""SqueezeNets are torchvision's."""

import pytest

torch = pytest.importorskip("torch")

from eyebright.encoders import ENCODERS  # noqa: E402
from eyebright.encoders.squeezenet import Fire  # noqa: E402
from oracle import same_as, torchvision_models  # noqa: E402


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_squeezenet_says_what_torchvisions_says(version, tmp_path):
    network = getattr(torchvision_models(), f"squeezenet{version.replace('.', '_')}")(num_classes=10)
    same_as(network, f"squeezenet-{version}", tmp_path)


@torch.inference_mode()
def test_half_of_what_leaves_a_fire_module_saw_one_place_only():
    """A bright pixel spreads by the 3 x 3 convolution and by no other."""
    fire = Fire(4, 8)
    dark, bright = torch.zeros(1, 4, 5, 5), torch.zeros(1, 4, 5, 5)
    bright[:, :, 2, 2] = 1
    changed = (fire(dark) != fire(bright))[0]
    assert changed.shape == (64, 5, 5)
    assert changed[:32].any(0).sum() == 1
    assert changed[32:].any(0).sum() == 9


@pytest.mark.parametrize(("depth", "fires"), [(0.5, 4), (1.0, 8), (2.0, 16)])
def test_depth_is_fire_modules(depth, fires):
    assert sum(isinstance(module, Fire) for module in ENCODERS["squeezenet-1.1"](depth=depth).modules()) == fires
