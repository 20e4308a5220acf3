"""MobileNet-v1 (Howard et al. 2017, arXiv:1704.04861): a convolution split in two, around each channel and across them.

Its activation is ReLU6, as in the authors' code and weights; the paper draws ReLU.
"""

from collections import OrderedDict
from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import conv, fitting_strides, multiple_of_8, repeats
from eyebright.encoders.naming import renamed

STEM = 32  # channels at width 1


class Stage(NamedTuple):
    channels: int  # leaving it, at width 1
    blocks: int  # at depth 1
    stride: int  # of the first block


STAGES = (  # table 1 of the paper; sizes for a 224 x 224 image
    Stage(64, 1, 1),  # 112 x 112
    Stage(128, 2, 2),  # 56 x 56
    Stage(256, 2, 2),  # 28 x 28
    Stage(512, 6, 2),  # 14 x 14
    Stage(1024, 2, 2),  # 7 x 7
)


def block(c_in: int, c_out: int, stride: int) -> nn.Sequential:
    """(B, c_in, h, w) -> (B, c_out, h / stride, w / stride): look around each channel alone, then mix the channels."""
    look = conv(c_in, c_in, 3, stride, groups=c_in, act=nn.ReLU6)
    mix = conv(c_in, c_out, 1, act=nn.ReLU6)
    return nn.Sequential(OrderedDict(look=look, mix=mix))


def mobilenet_v1(width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 224) -> Encoder:
    """Features of 1024 channels at width 1."""
    first, *strides = fitting_strides((2, *(stage.stride for stage in STAGES)), size)
    c_in = multiple_of_8(STEM * width)
    stages: dict[str, nn.Module] = {"stem": conv(colors, c_in, 3, first, act=nn.ReLU6)}
    for number, stage in enumerate(STAGES):
        c_out = multiple_of_8(stage.channels * width)
        blocks = nn.Sequential()
        for place in range(repeats(stage.blocks, depth)):
            blocks.append(block(c_in, c_out, strides[number] if place == 0 else 1))
            c_in = c_out
        stages[f"stage{number + 1}"] = blocks
    return Encoder(stages, num_features=c_in, stride=first * prod(strides))


PUBLISHED = {"conv_stem": "stem.conv", "bn1": "stem.norm", "classifier": "head"}  # timm's layers
PUBLISHED_BLOCK = {"conv_dw": "look.conv", "bn1": "look.norm", "conv_pw": "mix.conv", "bn2": "mix.norm"}


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """timm's weights (mobilenetv1_100) under this encoder's names, the classes' as `head.*`."""
    names = dict(PUBLISHED)
    for number in range(len(STAGES)):
        for theirs, ours in PUBLISHED_BLOCK.items():
            names[rf"blocks\.{number}\.(\d+)\.{theirs}"] = rf"stage{number + 1}.\1.{ours}"
    return renamed(published, names)
