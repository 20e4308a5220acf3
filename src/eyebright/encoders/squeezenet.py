"""SqueezeNet (Iandola et al. 2016, arXiv:1602.07360): AlexNet's accuracy in a fiftieth of its weights, by fire modules.

Version 1.1 pools earlier and needs 2.4 times fewer multiply-adds. The last convolution is the paper's head.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import biased_conv, fitting_strides, multiple_of_8, stretched
from eyebright.encoders.naming import numbers, renamed


class Design(NamedTuple):
    kernel: int  # of the stem
    stem: int  # channels, at width 1
    stages: tuple[tuple[int, ...], ...]  # a pool, and then fire modules that squeeze to so many channels


DESIGNS = {  # table 1 of the paper, by version; sizes for a 224 x 224 image
    "1.0": Design(7, 96, ((16, 16, 32), (32, 48, 48, 64), (64,))),  # stem 109 x 109; 54, 27, 13 places a side
    "1.1": Design(3, 64, ((16, 16), (32, 32), (48, 48, 64, 64))),  # stem 111 x 111; 55, 27, 13 places a side
}


class Fire(nn.Module):
    """(B, c_in, h, w) -> (B, 8 * squeeze, h, w): few channels, then half the many look at one place, half around."""

    def __init__(self, c_in: int, squeeze: int) -> None:
        super().__init__()
        self.squeeze = biased_conv(c_in, squeeze, 1)
        self.expand1x1 = biased_conv(squeeze, 4 * squeeze, 1)
        self.expand3x3 = biased_conv(squeeze, 4 * squeeze, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        return torch.cat((self.expand1x1(x), self.expand3x3(x)), dim=1)


def squeezenet(version: str, width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 224) -> Encoder:
    """SqueezeNet `version`, one of `DESIGNS`."""
    design = DESIGNS[version]
    first, *pools = fitting_strides([2] * (1 + len(design.stages)), size)
    c_in = multiple_of_8(design.stem * width)
    stages: dict[str, nn.Module] = {"stem": biased_conv(colors, c_in, design.kernel, first, padding=0)}
    for number, squeezes in enumerate(design.stages):
        pool = nn.MaxPool2d(3, 2, ceil_mode=True) if pools[number] > 1 else nn.Identity()
        row = nn.Sequential(pool)
        for channels in stretched(squeezes, depth):
            squeeze = multiple_of_8(channels * width)
            row.append(Fire(c_in, squeeze))
            c_in = 8 * squeeze
        stages[f"stage{number + 1}"] = row
    return Encoder(stages, num_features=c_in, stride=first * 2 ** pools.count(2))


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """torchvision's weights under this encoder's names, the last convolution's as `head.*`."""
    stem, *theirs = numbers(published) or [0]
    ours = [name for name, module in encoder.named_modules() if isinstance(module, Fire)]
    fires = {rf"features\.{number}\.(\w+)": rf"{fire}.\1.conv" for number, fire in zip(theirs, ours, strict=False)}
    return renamed(published, {rf"features\.{stem}": "stem.conv", **fires, r"classifier\.1": "head.output"})
