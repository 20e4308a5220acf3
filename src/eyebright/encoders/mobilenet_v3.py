"""MobileNet-v3 (Howard et al. 2019, arXiv:1905.02244): MobileNet-v2's block, tuned by a search, weighing its channels.

The encoder ends after the last 1 x 1 convolution; the paper pools there and has one more hidden layer in the head.
"""

from collections.abc import Mapping
from functools import partial
from math import prod
from typing import NamedTuple

from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import conv, fitting_strides, multiple_of_8, stretched
from eyebright.encoders.naming import renamed, timm_mobile

STEM = 16  # channels at width 1
TOP = 6  # channels leaving the encoder / channels leaving the last stage
EPS = 1e-3  # TensorFlow's
norm_conv = partial(conv, eps=EPS, momentum=0.01)


class Stage(NamedTuple):
    channels: int  # leaving a block, at width 1
    stride: int  # of the first block
    kernel: int
    wide: tuple[int, ...]  # channels inside each block, at width 1 and depth 1
    weighs: bool  # the channels inside a block
    act: type[nn.Module]


LARGE = (  # table 1 of the paper; sizes for a 224 x 224 image
    Stage(16, 1, 3, (16,), False, nn.ReLU),  # 112 x 112
    Stage(24, 2, 3, (64, 72), False, nn.ReLU),  # 56 x 56
    Stage(40, 2, 5, (72, 120, 120), True, nn.ReLU),  # 28 x 28
    Stage(80, 2, 3, (240, 200, 184, 184), False, nn.Hardswish),  # 14 x 14
    Stage(112, 1, 3, (480, 672), True, nn.Hardswish),  # 14 x 14
    Stage(160, 2, 5, (672, 960, 960), True, nn.Hardswish),  # 7 x 7
)

SMALL = (  # table 2 of the paper
    Stage(16, 2, 3, (16,), True, nn.ReLU),  # 56 x 56
    Stage(24, 2, 3, (72, 88), False, nn.ReLU),  # 28 x 28
    Stage(40, 2, 5, (96, 240, 240), True, nn.Hardswish),  # 14 x 14
    Stage(48, 1, 5, (120, 144), True, nn.Hardswish),  # 14 x 14
    Stage(96, 2, 5, (288, 576, 576), True, nn.Hardswish),  # 7 x 7
)


class Weigh(nn.Module):
    """(B, C, h, w) -> the same, each channel times 0..1 (squeeze and excitation, Hu et al. 2017, arXiv:1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = multiple_of_8(channels // 4)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.act = nn.ReLU()
        self.excite = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.gate(self.excite(self.act(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return x * weights


class Block(nn.Module):
    """(B, c_in, h, w) -> (B, c_out, h / stride, w / stride): widen, look around each channel, weigh it, narrow, add."""

    def __init__(self, c_in: int, wide: int, c_out: int, stride: int, stage: Stage) -> None:
        super().__init__()
        self.widen = norm_conv(c_in, wide, 1, act=stage.act) if wide != c_in else nn.Identity()
        self.look = norm_conv(wide, wide, stage.kernel, stride, groups=wide, act=stage.act)
        self.weigh = Weigh(wide) if stage.weighs else nn.Identity()
        self.narrow = norm_conv(wide, c_out, 1, act=nn.Identity)
        self.adds = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.narrow(self.weigh(self.look(self.widen(x))))
        return x + y if self.adds else y


def mobilenet_v3(
    table: tuple[Stage, ...], width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 224
) -> Encoder:
    """`table` is LARGE, of 960 features at width 1, or SMALL, of 576."""
    first, *strides = fitting_strides((2, *(stage.stride for stage in table)), size)
    c_in = multiple_of_8(STEM * width)
    stages: dict[str, nn.Module] = {"stem": norm_conv(colors, c_in, 3, first, act=nn.Hardswish)}
    for number, stage in enumerate(table):
        c_out = multiple_of_8(stage.channels * width)
        blocks = nn.Sequential()
        for place, wide in enumerate(stretched(stage.wide, depth)):
            stride = strides[number] if place == 0 else 1
            blocks.append(Block(c_in, multiple_of_8(wide * width), c_out, stride, stage))
            c_in = c_out
        stages[f"stage{number + 1}"] = blocks
    stages["top"] = norm_conv(c_in, TOP * c_in, 1, act=nn.Hardswish)
    return Encoder(stages, num_features=TOP * c_in, stride=first * prod(strides))


PUBLISHED = {  # torchvision's layers, and timm's where its other mobile networks have none
    r"features\.0\.0": "stem.conv",
    r"features\.0\.1": "stem.norm",
    r"classifier\.0": "head.hidden",
    r"classifier\.3": "head.output",
    r"conv_head": "head.hidden",
    r"classifier": "head.output",
}
PUBLISHED_PART = {"0": "conv", "1": "norm", "fc1": "squeeze", "fc2": "excite"}


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """torchvision's or timm's weights (mobilenetv3_large_100) under this encoder's names; `head.hidden`, `head.output`.

    timm's have another epsilon in their batch norms, which goes into the variance.
    """
    names = timm_mobile(encoder) | PUBLISHED
    blocks = {name: module for name, module in encoder.named_modules() if isinstance(module, Block)}
    for number, (block, module) in enumerate(blocks.items(), 1):
        parts = [name for name, part in module.named_children() if not isinstance(part, nn.Identity)]
        for place, part in enumerate(parts):
            for theirs, layer in PUBLISHED_PART.items():
                names[rf"features\.{number}\.block\.{place}\.{theirs}"] = f"{block}.{part}.{layer}"
    top, timms_top = len(blocks) + 1, len(encoder.stages()) - 2
    names |= {rf"features\.{top}\.0": "top.conv", rf"features\.{top}\.1": "top.norm"}
    names |= {rf"blocks\.{timms_top}\.0\.conv": "top.conv", rf"blocks\.{timms_top}\.0\.bn1": "top.norm"}
    ours = renamed(published, names)
    if "conv_stem.weight" in published:
        for name in ours:
            if name.endswith("running_var"):
                ours[name] = ours[name] + 1e-5 - EPS
        ours["head.hidden.weight"] = ours["head.hidden.weight"].flatten(1)  # a convolution 1 x 1 there
    return ours
