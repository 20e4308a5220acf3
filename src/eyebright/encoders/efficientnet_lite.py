"""EfficientNet-Lite: EfficientNet (Tan and Le 2019, arXiv:1905.11946) made fit for int8.

It differs from the paper in ReLU6 for swish, no squeeze-and-excitation, and a stem and a top that do not grow.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import multiple_of_8, same_conv

STEM = 32  # channels
TOP = 1280


class Stage(NamedTuple):
    expand: int  # channels inside a block / channels entering it
    channels: int  # leaving it, at width 1
    blocks: int  # at depth 1
    stride: int  # of the first block
    kernel: int


STAGES = (  # table 1 of the paper; sizes for a 224 x 224 image
    Stage(1, 16, 1, 1, 3),  # 112 x 112, one block at any depth
    Stage(6, 24, 2, 2, 3),  # 56 x 56
    Stage(6, 40, 2, 2, 5),  # 28 x 28
    Stage(6, 80, 3, 2, 3),  # 14 x 14
    Stage(6, 112, 3, 1, 5),  # 14 x 14
    Stage(6, 192, 4, 2, 5),  # 7 x 7
    Stage(6, 320, 1, 1, 3),  # 7 x 7, one block at any depth
)


class Block(nn.Module):
    """(B, c_in, h, w) -> (B, c_out, h / stride, w / stride): widen, look around each channel alone, narrow, add."""

    def __init__(self, c_in: int, c_out: int, expand: int, stride: int, kernel: int) -> None:
        super().__init__()
        wide = c_in * expand
        self.widen = same_conv(c_in, wide, 1, act=nn.ReLU6) if expand > 1 else nn.Identity()
        self.look = same_conv(wide, wide, kernel, stride, groups=wide, act=nn.ReLU6)
        self.narrow = same_conv(wide, c_out, 1)  # no activation: it would lose information in so few channels
        self.adds = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.narrow(self.look(self.widen(x)))
        return x + y if self.adds else y


def efficientnet_lite(width: float = 1.0, depth: float = 1.0) -> Encoder:
    """Lite0 is width 1.0 and depth 1.0, Lite1 is 1.0 and 1.1, Lite2 is 1.1 and 1.2."""
    stages: dict[str, nn.Module] = {"stem": same_conv(3, STEM, 3, 2, act=nn.ReLU6)}
    c_in = STEM
    for number, stage in enumerate(STAGES, 1):
        c_out = multiple_of_8(stage.channels * width)
        count = math.ceil(stage.blocks * depth) if 1 < number < len(STAGES) else stage.blocks
        blocks = nn.Sequential()
        for block in range(count):
            blocks.append(Block(c_in, c_out, stage.expand, stage.stride if block == 0 else 1, stage.kernel))
            c_in = c_out
        stages[f"stage{number}"] = blocks
    stages["top"] = same_conv(c_in, TOP, 1, act=nn.ReLU6)
    return Encoder(stages, num_features=TOP, stride=32)


LAYERS = {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "top.conv", "_bn1": "top.norm", "_fc": "head"}
BLOCK_LAYERS = {
    "_expand_conv": "widen.conv",
    "_bn0": "widen.norm",
    "_depthwise_conv": "look.conv",
    "_bn1": "look.norm",
    "_project_conv": "narrow.conv",
    "_bn2": "narrow.norm",
}


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """Published weights under this encoder's names; the classes' weights, which are no part of it, become `head.*`."""
    blocks = [name for name, module in encoder.named_modules() if isinstance(module, Block)]
    ours = {}
    for key, value in published.items():
        *place, layer, part = key.split(".")  # _conv_stem.weight or _blocks.3._bn1.bias
        name = f"{blocks[int(place[1])]}.{BLOCK_LAYERS[layer]}" if place else LAYERS[layer]
        ours[f"{name}.{part}"] = value
    return ours
