"""torchvision's own model code, to compare encoders with; tests that need it are skipped where it is absent."""

from importlib.util import find_spec

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from eyebright.classifier.heads import paper_head  # noqa: E402
from eyebright.encoders import weights  # noqa: E402

_kept = []  # the operators last as long as this object


def torchvision_models():
    """`torchvision.models`; its wheel is of another build, which lacks two operators that it asks for on import."""
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    if not _kept:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
    from torchvision import models

    return models


def lively(network):
    """The same network, its batch norms with statistics and gains as after training: one that is mixed up shows."""
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(std=0.1)
                layer.running_var.uniform_(0.5, 1.5)
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.normal_(std=0.1)
    return network.eval()


@torch.inference_mode()
def same_as(network, name, tmp_path, side=96):
    """Load a torchvision network's weights into the encoder `name`, and compare features and logits on noise."""
    file = tmp_path / f"{name}.pth"
    torch.save(lively(network).state_dict(), file)
    found = weights.load(str(file), name, make_head=lambda encoder, labels: paper_head(name, encoder, labels))
    images = torch.randn(2, 3, side, side)
    features = found.encoder.features(images)
    close(features, features_of(network, images))
    assert found.head is not None
    spatial = getattr(found.head, "spatial", False)
    close(found.head(features if spatial else features.mean((2, 3))), network(images))


def features_of(network, images):
    """What enters the first of torchvision's layers that is no part of the encoder."""
    if hasattr(network, "features"):
        return network.features(images)
    seen = []
    hook = network.avgpool.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    network(images)
    hook.remove()
    return seen[0]


def close(ours, theirs):
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    assert theirs.std() > 0, "an answer that says nothing"
