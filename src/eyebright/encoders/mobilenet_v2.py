"""MobileNet-v2 (Sandler et al. 2018, arXiv:1801.04381): thin layers between blocks that are wide inside."""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import conv, fitting_strides, multiple_of_8, repeats
from eyebright.encoders.naming import renamed, timm_mobile

STEM = 32  # channels at width 1
TOP = 1280  # the paper keeps it below width 1; here it shrinks with the others, so that a small network is small


class Stage(NamedTuple):
    expand: int  # channels inside a block / channels entering it
    channels: int  # leaving it, at width 1
    blocks: int  # at depth 1
    stride: int  # of the first block


STAGES = (  # table 2 of the paper; sizes for a 224 x 224 image
    Stage(1, 16, 1, 1),  # 112 x 112
    Stage(6, 24, 2, 2),  # 56 x 56
    Stage(6, 32, 3, 2),  # 28 x 28
    Stage(6, 64, 4, 2),  # 14 x 14
    Stage(6, 96, 3, 1),  # 14 x 14
    Stage(6, 160, 3, 2),  # 7 x 7
    Stage(6, 320, 1, 1),  # 7 x 7
)


class Block(nn.Module):
    """(B, c_in, h, w) -> (B, c_out, h / stride, w / stride): widen, look around each channel alone, narrow, add."""

    def __init__(self, c_in: int, c_out: int, expand: int, stride: int) -> None:
        super().__init__()
        wide = c_in * expand
        self.widen = conv(c_in, wide, 1, act=nn.ReLU6) if expand > 1 else nn.Identity()
        self.look = conv(wide, wide, 3, stride, groups=wide, act=nn.ReLU6)
        self.narrow = conv(wide, c_out, 1, act=nn.Identity)  # an activation would lose information in so few channels
        self.adds = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.narrow(self.look(self.widen(x)))
        return x + y if self.adds else y


def mobilenet_v2(width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 224) -> Encoder:
    """Features of 1280 channels at width 1."""
    first, *strides = fitting_strides((2, *(stage.stride for stage in STAGES)), size)
    c_in = multiple_of_8(STEM * width)
    stages: dict[str, nn.Module] = {"stem": conv(colors, c_in, 3, first, act=nn.ReLU6)}
    for number, stage in enumerate(STAGES):
        c_out = multiple_of_8(stage.channels * width)
        blocks = nn.Sequential()
        for place in range(repeats(stage.blocks, depth)):
            blocks.append(Block(c_in, c_out, stage.expand, strides[number] if place == 0 else 1))
            c_in = c_out
        stages[f"stage{number + 1}"] = blocks
    top = multiple_of_8(TOP * width)
    stages["top"] = conv(c_in, top, 1, act=nn.ReLU6)
    return Encoder(stages, num_features=top, stride=first * prod(strides))


PUBLISHED = {  # torchvision's layers; the first block does not widen
    "features.0.0": "stem.conv",
    "features.0.1": "stem.norm",
    "features.1.conv.0.0": "stage1.0.look.conv",
    "features.1.conv.0.1": "stage1.0.look.norm",
    "features.1.conv.1": "stage1.0.narrow.conv",
    "features.1.conv.2": "stage1.0.narrow.norm",
    "features.18.0": "top.conv",
    "features.18.1": "top.norm",
    "classifier.1": "head",
}
PUBLISHED_BLOCK = {
    "conv.0.0": "widen.conv",
    "conv.0.1": "widen.norm",
    "conv.1.0": "look.conv",
    "conv.1.1": "look.norm",
    "conv.2": "narrow.conv",
    "conv.3": "narrow.norm",
}


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """torchvision's or timm's weights (mobilenetv2_100) under this encoder's names, the classes' as `head.*`."""
    names = timm_mobile(encoder) | PUBLISHED
    blocks = [name for name, module in encoder.named_modules() if isinstance(module, Block)]
    for number, block in enumerate(blocks[1:], 2):
        names |= {f"features.{number}.{theirs}": f"{block}.{ours}" for theirs, ours in PUBLISHED_BLOCK.items()}
    return renamed(published, names)
