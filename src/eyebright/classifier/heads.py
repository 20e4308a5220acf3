"""Heads: features become logits, by one linear layer or by the layers that a network's own paper ends with.

A head takes the embedding (B, D), the mean over the map; a spatial one takes the map (B, C, h, w). The layer that
gives the logits is the head itself (`head.weight`) where it is linear, and `head.output` in all others.
"""

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from eyebright.classifier.classifier import colors_of
from eyebright.encoders import Encoder
from eyebright.encoders.encoder import initialize
from eyebright.encoders.googlenet import AUXILIARIES as AFTER_GOOGLENET
from eyebright.encoders.inception_v3 import AUXILIARIES as AFTER_INCEPTION
from eyebright.encoders.layers import conv, multiple_of_8


def linear(encoder: Encoder, labels: int) -> nn.Linear:
    """(B, D) -> (B, L)."""
    return nn.Linear(encoder.num_features, labels)


def paper_head(name: str, encoder: Encoder, labels: int, width: float = 1.0) -> nn.Module:
    """The head that the paper of the encoder called `name` describes; `width` multiplies its hidden layers.

    With 1000 labels at width 1, encoder and head have the papers' numbers of parameters.
    """
    make = next(make for family, make in PAPER_HEADS.items() if name.startswith(family))
    return make(encoder.num_features, labels, width)


def auxiliary_heads(name: str, encoder: Encoder, labels: int, width: float = 1.0) -> dict[str, nn.Module]:
    """The heads by stage that the paper trains the encoder called `name` with; none for most."""
    if name not in AUXILIARIES:
        return {}
    make, stages = AUXILIARIES[name]
    return {stage: make(channels_after(encoder, stage), labels, width) for stage in stages}


class Dense(nn.Module):
    """(B, C, h, w) -> (B, L): AlexNet's and VGG's two hidden layers over a map of side x side places."""

    spatial = True

    def __init__(self, channels: int, side: int, hidden: int, labels: int) -> None:
        super().__init__()
        self.pool = AdaptivePool(side)
        self.hidden1 = nn.Linear(channels * side * side, hidden)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.act = nn.ReLU()
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(hidden, labels)

    def forward(self, features: Tensor) -> Tensor:
        x = self.dropout(self.pool(features).flatten(1))
        x = self.dropout(self.act(self.hidden1(x)))
        logits: Tensor = self.output(self.act(self.hidden2(x)))
        return logits


class Convolution(nn.Module):
    """(B, C, h, w) -> (B, L): SqueezeNet's logits at each place of the map, rectified, and their mean."""

    spatial = True

    def __init__(self, channels: int, labels: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Conv2d(channels, labels, 1)
        self.act = nn.ReLU()
        initialize(self.output)
        nn.init.normal_(self.output.weight, std=0.01)  # as the paper: no label begins deep behind the ReLU

    def forward(self, features: Tensor) -> Tensor:
        places: Tensor = self.act(self.output(self.dropout(features)))
        return places.mean((2, 3))


class AdaptivePool(nn.Module):
    """(B, C, h, w) -> (B, C, side, side): means over areas that cover the map evenly, as torch's adaptive pooling.

    Written as two matrices, since runtimes have no such operator.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        if h != self.side:
            x = means(self.side, h).to(x) @ x
        if w != self.side:
            x = x @ means(self.side, w).to(x).T
        return x


def means(parts: int, length: int) -> Tensor:
    """(parts, length): row i averages the places from i * length / parts, rounded down, to the next, rounded up."""
    at, part = np.arange(length), np.arange(parts)[:, None]
    inside = (at >= part * length // parts) & (at < -(-(part + 1) * length // parts))
    return torch.from_numpy(np.float32(inside / inside.sum(1, keepdims=True)))


class GoogLeNetAuxiliary(nn.Module):
    """(B, C, h, w) -> (B, L): a network of its own on a map halfway (Szegedy et al. 2014, arXiv:1409.4842)."""

    spatial = True

    def __init__(self, channels: int, labels: int, width: float) -> None:
        super().__init__()
        hidden = multiple_of_8(1024 * width)
        self.pool = AdaptivePool(4)
        self.reduce = conv(channels, 128, 1, eps=1e-3)
        self.hidden = nn.Linear(128 * 4 * 4, hidden)
        self.act = nn.ReLU()
        self.dropout = nn.Dropout(0.7)
        self.output = nn.Linear(hidden, labels)

    def forward(self, features: Tensor) -> Tensor:
        x = self.reduce(self.pool(features)).flatten(1)
        logits: Tensor = self.output(self.dropout(self.act(self.hidden(x))))
        return logits


class InceptionAuxiliary(nn.Module):
    """(B, C, h, w) -> (B, L): the batch-normalized one of Inception-v3 (Szegedy et al. 2015, arXiv:1512.00567)."""

    spatial = True

    def __init__(self, channels: int, labels: int, width: float) -> None:
        super().__init__()
        hidden = multiple_of_8(768 * width)
        self.pool = AdaptivePool(5)
        self.reduce = conv(channels, 128, 1, eps=1e-3)
        self.hidden = conv(128, hidden, 5, padding=0, eps=1e-3)
        self.output = nn.Linear(hidden, labels)

    def forward(self, features: Tensor) -> Tensor:
        # the paper's map has 17 x 17 places; smaller pictures give fewer than its pool needs
        x = F.avg_pool2d(features, 5, 3) if min(features.shape[2:]) >= 17 else self.pool(features)
        logits: Tensor = self.output(self.hidden(self.reduce(x)).mean((2, 3)))
        return logits


def one_hidden(channels: int, hidden: int, labels: int) -> nn.Sequential:
    """(B, D) -> (B, L): MobileNet-v3's."""
    return nn.Sequential(
        OrderedDict(
            hidden=nn.Linear(channels, hidden),
            act=nn.Hardswish(),
            dropout=nn.Dropout(0.2),
            output=nn.Linear(hidden, labels),
        )
    )


Make = Callable[[int, int, float], nn.Module]  # from channels, labels and width

PAPER_HEADS: dict[str, Make] = {  # by how an encoder's name begins
    "alexnet": lambda channels, labels, width: Dense(channels, 6, multiple_of_8(4096 * width), labels),
    "vgg": lambda channels, labels, width: Dense(channels, 7, multiple_of_8(4096 * width), labels),
    "squeezenet": lambda channels, labels, width: Convolution(channels, labels),
    "mobilenet-v3-large": lambda channels, labels, width: one_hidden(channels, multiple_of_8(1280 * width), labels),
    "mobilenet-v3-small": lambda channels, labels, width: one_hidden(channels, multiple_of_8(1024 * width), labels),
    "": lambda channels, labels, width: nn.Linear(channels, labels),
}
AUXILIARIES: dict[str, tuple[Make, tuple[str, ...]]] = {  # what hangs after which stages
    "googlenet": (GoogLeNetAuxiliary, AFTER_GOOGLENET),
    "inception-v3": (InceptionAuxiliary, AFTER_INCEPTION),
}


def channels_after(encoder: Encoder, last: str) -> int:
    """The channels of the map that leaves a stage; found without computing, on torch's meta device."""
    x = torch.empty(2, colors_of(encoder), 96, 96, device="meta")
    for name, stage in encoder.stages().items():
        x = functional_call(stage, {key: value.to("meta") for key, value in stage.state_dict().items()}, (x,))
        if name == last:
            break
    return x.shape[1]
