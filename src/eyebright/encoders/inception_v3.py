"""Inception-v3 (Szegedy et al. 2015, arXiv:1512.00567): GoogLeNet's modules, with large convolutions taken apart.

5 x 5 becomes twice 3 x 3, and n x n becomes 1 x n and n x 1, which look as far and cost less.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import Branches, conv, fitting_strides, multiple_of_8, stretched
from eyebright.encoders.naming import renamed

AUXILIARIES = ("stage2",)
"""In training a head of its own hangs at the end of this stage, so that gradients reach the early layers."""

DRAWN_FOR = 299  # pixels a side

norm_conv = partial(conv, eps=1e-3)


class Layer(NamedTuple):
    """A convolution of a branch; one that strides does not look beyond the border."""

    channels: int  # leaving it, at width 1
    kernel: int | tuple[int, int] = 1
    stride: int = 1


class Fork(NamedTuple):
    """1 x 3 and 3 x 1 side by side, at a branch's end."""

    channels: int  # leaving both, at width 1


Module = Mapping[str, tuple[Layer | Fork, ...]]
"""Branches by name. That of the name pool begins with an average, or is a maximum that halves where it has no layer."""


def grid35(pool: int) -> Module:
    """Figure 5 of the paper, where the map has 35 x 35 places; the pool's branch gives `pool` channels."""
    return {
        "one": (Layer(64),),
        "five": (Layer(48), Layer(64, 5)),
        "threes": (Layer(64), Layer(96, 3), Layer(96, 3)),
        "pool": (Layer(pool),),
    }


def grid17(inside: int) -> Module:
    """Figure 6 of the paper, for 17 x 17 places; between the parts of a 7 x 7 there are `inside` channels."""
    return {
        "one": (Layer(192),),
        "seven": (Layer(inside), Layer(inside, (1, 7)), Layer(192, (7, 1))),
        "sevens": (
            Layer(inside),
            Layer(inside, (7, 1)),
            Layer(inside, (1, 7)),
            Layer(inside, (7, 1)),
            Layer(192, (1, 7)),
        ),
        "pool": (Layer(192),),
    }


GRID8: Module = {  # figure 7
    "one": (Layer(320),),
    "three": (Layer(384), Fork(768)),
    "threes": (Layer(448), Layer(384, 3), Fork(768)),
    "pool": (Layer(192),),
}
TO_GRID17: Module = {  # figure 10
    "three": (Layer(384, 3, 2),),
    "threes": (Layer(64), Layer(96, 3), Layer(96, 3, 2)),
    "pool": (),
}
TO_GRID8: Module = {  # figure 7
    "three": (Layer(192), Layer(320, 3, 2)),
    "seven": (Layer(192), Layer(192, (1, 7)), Layer(192, (7, 1)), Layer(192, 3, 2)),
    "pool": (),
}


class Stage(NamedTuple):
    halve: tuple[Module, ...]  # one or none
    modules: tuple[Module, ...]  # after it, at depth 1


STEM = (32, 32, 64, 80, 192)  # channels at width 1
STAGES = (  # table 1 of the paper; sizes for a 299 x 299 image
    Stage((), (grid35(32), grid35(64), grid35(64))),  # 35 x 35
    Stage((TO_GRID17,), (grid17(128), grid17(160), grid17(160), grid17(192))),  # 17 x 17
    Stage((TO_GRID8,), (GRID8, GRID8)),  # 8 x 8
)


def inception_v3(width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = DRAWN_FOR) -> Encoder:
    """Features of 2048 channels at width 1. Its stem eats the border: 299 pixels are to it what 224 are to others."""
    first, second, third = fitting_strides((2, 2, 2), size * 224 // DRAWN_FOR)
    c1, c2, c3, c4, c_in = (multiple_of_8(channels * width) for channels in STEM)
    stem: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=norm_conv(colors, c1, 3, first, padding=0),
        conv2=norm_conv(c1, c2, 3, padding=0),
        conv3=norm_conv(c2, c3, 3),
        pool1=nn.MaxPool2d(3, second) if second > 1 else nn.Identity(),
        conv4=norm_conv(c3, c4, 1),
        conv5=norm_conv(c4, c_in, 3, padding=0),
        pool2=nn.MaxPool2d(3, third),
    )
    stages: dict[str, nn.Module] = {"stem": nn.Sequential(stem)}
    for number, stage in enumerate(STAGES, 1):
        row = nn.Sequential()
        for module in (*stage.halve, *stretched(stage.modules, depth)):
            branches = {name: scaled(layers, width) for name, layers in module.items()}
            row.append(Branches(**{name: branch(c_in, name, layers) for name, layers in branches.items()}))
            c_in = sum(layers[-1].channels if layers else c_in for layers in branches.values())
        stages[f"stage{number}"] = row
    halvings = 2 ** sum(len(stage.halve) for stage in STAGES)
    return Encoder(stages, num_features=c_in, stride=first * second * third * halvings)


def scaled(layers: tuple[Layer | Fork, ...], width: float) -> list[Layer | Fork]:
    """The same layers at this width."""
    return [layer._replace(channels=multiple_of_8(layer.channels * width)) for layer in layers]


def branch(c_in: int, name: str, layers: Sequence[Layer | Fork]) -> nn.Sequential:
    """(B, c_in, h, w) -> (B, channels of the last layer, h / stride, w / stride)."""
    row = nn.Sequential()
    if name == "pool":
        row.add_module("pool", nn.AvgPool2d(3, 1, 1) if layers else nn.MaxPool2d(3, 2))
    for number, layer in enumerate(layers, 1):
        row.add_module(f"conv{number}", fork(c_in, layer) if isinstance(layer, Fork) else single(c_in, layer))
        c_in = layer.channels
    return row


def single(c_in: int, layer: Layer) -> nn.Sequential:
    """(B, c_in, h, w) -> (B, channels, about h / stride, w / stride)."""
    return norm_conv(c_in, layer.channels, layer.kernel, layer.stride, padding=None if layer.stride == 1 else 0)


def fork(c_in: int, layer: Fork) -> Branches:
    """(B, c_in, h, w) -> (B, channels, h, w)."""
    across, down = (norm_conv(c_in, layer.channels // 2, kernel) for kernel in ((1, 3), (3, 1)))
    return Branches(across=across, down=down)


PUBLISHED = {  # torchvision's layers, and timm's
    "Conv2d_1a_3x3": "stem.conv1",
    "Conv2d_2a_3x3": "stem.conv2",
    "Conv2d_2b_3x3": "stem.conv3",
    "Conv2d_3b_1x1": "stem.conv4",
    "Conv2d_4a_3x3": "stem.conv5",
}
PUBLISHED_MODULES = {
    f"Mixed_{grid}{letter}": f"stage{grid - 4}.{place}"
    for grid, letters in ((5, "bcd"), (6, "abcde"), (7, "abc"))
    for place, letter in enumerate(letters)
}
PUBLISHED_BRANCHES = {
    r"branch1x1": r"one.conv1",
    r"branch3x3": r"three.conv1",
    r"branch_pool": r"pool.conv1",
    r"branch5x5_(\d)": r"five.conv\1",
    r"branch3x3_(\d)": r"three.conv\1",
    r"branch3x3_(\d)a": r"three.conv\1.across",
    r"branch3x3_(\d)b": r"three.conv\1.down",
    r"branch3x3dbl_(\d)": r"threes.conv\1",
    r"branch3x3dbl_(\d)a": r"threes.conv\1.across",
    r"branch3x3dbl_(\d)b": r"threes.conv\1.down",
    r"branch7x7(?:x3)?_(\d)": r"seven.conv\1",
    r"branch7x7dbl_(\d)": r"sevens.conv\1",
}


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """torchvision's or timm's weights under this encoder's names, the classes' as `head.*`, without the auxiliary ones.

    They were trained on pixels in -1..1, where most of torchvision's others want each color standardized.
    """
    groups = dict(PUBLISHED)
    for (module, ours), (branch, name) in product(PUBLISHED_MODULES.items(), PUBLISHED_BRANCHES.items()):
        groups[rf"{module}\.{branch}"] = f"{ours}.{name}"
    names = {"fc": "head"}
    for theirs, ours in groups.items():
        names |= {rf"{theirs}\.conv": f"{ours}.conv", rf"{theirs}\.bn": f"{ours}.norm"}
    return renamed({key: value for key, value in published.items() if not key.startswith("AuxLogits")}, names)
