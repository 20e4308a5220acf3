"""Encoders: images to features, a family a file. `ENCODERS[name]()` builds one with random weights."""

from collections.abc import Callable
from functools import partial

from eyebright.encoders.efficientnet_lite import efficientnet_lite
from eyebright.encoders.encoder import Encoder
from eyebright.encoders.mobilenet_v2 import mobilenet_v2

ENCODERS: dict[str, Callable[..., Encoder]] = {
    "efficientnet-lite0": partial(efficientnet_lite, width=1.0, depth=1.0),
    "efficientnet-lite1": partial(efficientnet_lite, width=1.0, depth=1.1),
    "efficientnet-lite2": partial(efficientnet_lite, width=1.1, depth=1.2),
    "mobilenet-v2": mobilenet_v2,
}

__all__ = ["ENCODERS", "Encoder"]
