"""ResNet (He et al. 2015, arXiv:1512.03385): every block adds to what enters it, so that depth does no harm.

In a block of three the middle convolution strides, not the first: "v1.5", as torchvision and timm have it.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import prod
from typing import NamedTuple

from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import conv, fitting_strides, multiple_of_8, repeats
from eyebright.encoders.naming import renamed


class Stage(NamedTuple):
    channels: int  # inside a block, at width 1
    stride: int  # of the first block


STEM = 64  # channels
STAGES = (  # table 1 of the paper; sizes for a 224 x 224 image
    Stage(64, 1),  # 56 x 56
    Stage(128, 2),  # 28 x 28
    Stage(256, 2),  # 14 x 14
    Stage(512, 2),  # 7 x 7
)

STEM_OF_8 = 16
STAGES_OF_8 = (  # sizes for a 32 x 32 image
    Stage(16, 1),  # 32 x 32
    Stage(32, 2),  # 16 x 16
    Stage(64, 2),  # 8 x 8
)


class Block(nn.Module):
    """(B, c_in, h, w) -> (B, c_out, h / stride, w / stride): what the body finds is added to what enters."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.body(x) + self.shortcut(x))
        return y


def basic(c_in: int, channels: int, stride: int) -> nn.Sequential:
    """The body of ResNet-18 and 34: twice 3 x 3."""
    layer1 = conv(c_in, channels, 3, stride)
    layer2 = conv(channels, channels, 3, act=nn.Identity)
    return nn.Sequential(OrderedDict(layer1=layer1, layer2=layer2))


def bottleneck(c_in: int, channels: int, stride: int) -> nn.Sequential:
    """The body from ResNet-50 on: narrow, look around, widen."""
    layer1 = conv(c_in, channels, 1)
    layer2 = conv(channels, channels, 3, stride)
    layer3 = conv(channels, 4 * channels, 1, act=nn.Identity)
    return nn.Sequential(OrderedDict(layer1=layer1, layer2=layer2, layer3=layer3))


class Design(NamedTuple):
    """A column of table 1."""

    body: Callable[[int, int, int], nn.Sequential]
    expand: int  # channels leaving a block / channels inside it
    blocks: tuple[int, ...]  # of each stage, at depth 1


DESIGNS = {  # by number of layers
    18: Design(basic, 1, (2, 2, 2, 2)),
    34: Design(basic, 1, (3, 4, 6, 3)),
    50: Design(bottleneck, 4, (3, 4, 6, 3)),
    101: Design(bottleneck, 4, (3, 4, 23, 3)),
    152: Design(bottleneck, 4, (3, 8, 36, 3)),
}


def resnet(layers: int, width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 224) -> Encoder:
    """ResNet-`layers`, one of `DESIGNS`."""
    design = DESIGNS[layers]
    first, pool, *strides = fitting_strides((2, 2, *(stage.stride for stage in STAGES)), size)
    c_in = multiple_of_8(STEM * width)
    stem = conv(colors, c_in, 7, first)
    stem.add_module("pool", nn.MaxPool2d(3, pool, 1) if pool > 1 else nn.Identity())
    stages: dict[str, nn.Module] = {"stem": stem}
    for number, stage in enumerate(STAGES):
        channels = multiple_of_8(stage.channels * width)
        c_out = design.expand * channels
        row = nn.Sequential()
        for block in range(repeats(design.blocks[number], depth)):
            stride = strides[number] if block == 0 else 1
            same = stride == 1 and c_in == c_out
            shortcut = nn.Identity() if same else conv(c_in, c_out, 1, stride, act=nn.Identity)
            row.append(Block(design.body(c_in, channels, stride), shortcut))
            c_in = c_out
        stages[f"stage{number + 1}"] = row
    return Encoder(stages, num_features=c_in, stride=first * pool * prod(strides))


def resnet_8(width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 32) -> Encoder:
    """MLPerf Tiny's (Banbury et al. 2021, arXiv:2106.07597), drawn for pictures of 32 x 32: one block a stage.

    There is no norm in its shortcuts. Its stem halves nothing, so `size` changes nothing.
    """
    c_in = multiple_of_8(STEM_OF_8 * width)
    stages: dict[str, nn.Module] = {"stem": conv(colors, c_in, 3)}
    for number, stage in enumerate(STAGES_OF_8, 1):
        c_out = multiple_of_8(stage.channels * width)
        row = nn.Sequential()
        for block in range(repeats(1, depth)):
            stride = stage.stride if block == 0 else 1
            same = stride == 1 and c_in == c_out
            row.append(Block(basic(c_in, c_out, stride), nn.Identity() if same else nn.Conv2d(c_in, c_out, 1, stride)))
            c_in = c_out
        stages[f"stage{number}"] = row
    return Encoder(stages, num_features=c_in, stride=prod(stage.stride for stage in STAGES_OF_8))


PUBLISHED = {  # torchvision's and timm's layers
    r"conv1": r"stem.conv",
    r"bn1": r"stem.norm",
    r"layer(\d)\.(\d+)\.conv(\d)": r"stage\1.\2.body.layer\3.conv",
    r"layer(\d)\.(\d+)\.bn(\d)": r"stage\1.\2.body.layer\3.norm",
    r"layer(\d)\.(\d+)\.downsample\.0": r"stage\1.\2.shortcut.conv",
    r"layer(\d)\.(\d+)\.downsample\.1": r"stage\1.\2.shortcut.norm",
    r"fc": r"head",
}


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """torchvision's or timm's weights under this encoder's names, the classes' as `head.*`."""
    return renamed(published, PUBLISHED)
