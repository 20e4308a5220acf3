"""Encoders: images to features, a family a file. `ENCODERS[name]()` builds one with random weights."""

from collections.abc import Callable
from functools import partial

from eyebright.encoders.efficientnet_lite import efficientnet_lite
from eyebright.encoders.encoder import Encoder
from eyebright.encoders.mobilenet_v2 import mobilenet_v2
from eyebright.encoders.resnet import resnet, resnet_8

ENCODERS: dict[str, Callable[..., Encoder]] = {
    "efficientnet-lite0": partial(efficientnet_lite, width=1.0, depth=1.0),
    "efficientnet-lite1": partial(efficientnet_lite, width=1.0, depth=1.1),
    "efficientnet-lite2": partial(efficientnet_lite, width=1.1, depth=1.2),
    "mobilenet-v2": mobilenet_v2,
    "resnet-8": resnet_8,
    "resnet-18": partial(resnet, 18),
    "resnet-34": partial(resnet, 34),
    "resnet-50": partial(resnet, 50),
    "resnet-101": partial(resnet, 101),
    "resnet-152": partial(resnet, 152),
}

__all__ = ["ENCODERS", "Encoder"]
