"""EfficientNet-Lite: EfficientNet (Tan and Le 2019, arXiv:1905.11946) made fit for int8.

It differs from the paper in ReLU6 for swish, no squeeze-and-excitation, and a stem and a top that do not grow.
"""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import fitting_strides, multiple_of_8, repeats, same_conv
from eyebright.encoders.naming import renamed, timm_mobile

STEM = 32  # channels, of all Lites; they shrink below width 1 and never grow
TOP = 1280


class Lite(NamedTuple):
    width: float
    depth: float
    size: int  # pixels a side


LITES = (Lite(1.0, 1.0, 224), Lite(1.0, 1.1, 240), Lite(1.1, 1.2, 260), Lite(1.2, 1.4, 280), Lite(1.4, 1.8, 300))


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


def efficientnet_lite(number: int, width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 224) -> Encoder:
    """Lite `number`, one of `LITES`, whose own width and depth are multiplied; 1280 features from width 1 on."""
    lite = LITES[number]
    first, *strides = fitting_strides((2, *(stage.stride for stage in STAGES)), size)
    c_in, top = (multiple_of_8(channels * min(1.0, width)) for channels in (STEM, TOP))
    stages: dict[str, nn.Module] = {"stem": same_conv(colors, c_in, 3, first, act=nn.ReLU6)}
    for row, stage in enumerate(STAGES):
        c_out = multiple_of_8(stage.channels * lite.width * width)
        grows = 0 < row < len(STAGES) - 1
        blocks = nn.Sequential()
        for place in range(repeats(stage.blocks, lite.depth * depth) if grows else stage.blocks):
            stride = strides[row] if place == 0 else 1
            blocks.append(Block(c_in, c_out, stage.expand, stride, stage.kernel))
            c_in = c_out
        stages[f"stage{row + 1}"] = blocks
    stages["top"] = same_conv(c_in, top, 1, act=nn.ReLU6)
    return Encoder(stages, num_features=top, stride=first * prod(strides))


PUBLISHED = {  # the layers of the weights that come in a package
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "top.conv",
    "_bn1": "top.norm",
    "_fc": "head",
}
PUBLISHED_BLOCK = {
    "_expand_conv": "widen.conv",
    "_bn0": "widen.norm",
    "_depthwise_conv": "look.conv",
    "_bn1": "look.norm",
    "_project_conv": "narrow.conv",
    "_bn2": "narrow.norm",
}


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """Published weights, or timm's (tf_efficientnet_lite0), under this encoder's names, the classes' as `head.*`."""
    names = timm_mobile(encoder) | PUBLISHED
    blocks = [name for name, module in encoder.named_modules() if isinstance(module, Block)]
    for number, block in enumerate(blocks):
        names |= {rf"_blocks\.{number}\.{theirs}": f"{block}.{ours}" for theirs, ours in PUBLISHED_BLOCK.items()}
    return renamed(published, names)
