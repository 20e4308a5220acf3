"""GoogLeNet (Szegedy et al. 2014, arXiv:1409.4842): every module looks at one place, around it, and at its maximum.

As in torchvision's and its weights, there is batch norm, and 3 x 3 in the place of the paper's 5 x 5.
"""

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from itertools import product
from math import prod
from typing import NamedTuple

from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import Branches, conv, fitting_strides, multiple_of_8, stretched
from eyebright.encoders.naming import renamed

STEM = (64, 64, 192)  # channels at width 1, of 7 x 7, 1 x 1 and 3 x 3
AUXILIARIES = ("stage4a", "stage4d")
"""In training a head of its own hangs at the end of each of these stages, so that gradients reach the early layers."""

norm_conv = partial(conv, eps=1e-3)


class Module(NamedTuple):
    """Channels at width 1; "narrow" is the 1 x 1 convolution that a larger one can afford."""

    one: int
    narrow3: int
    three: int
    narrow5: int
    five: int
    pool: int


class Stage(NamedTuple):
    pool: int  # kernel of the pool that it begins with, and that halves; 0: none
    modules: tuple[Module, ...]  # at depth 1


STAGES = {  # table 1 of the paper; sizes for a 224 x 224 image
    "stage3": Stage(3, (Module(64, 96, 128, 16, 32, 32), Module(128, 128, 192, 32, 96, 64))),  # 28 x 28
    "stage4a": Stage(3, (Module(192, 96, 208, 16, 48, 64),)),  # 14 x 14
    "stage4d": Stage(  # 14 x 14
        0, (Module(160, 112, 224, 24, 64, 64), Module(128, 128, 256, 24, 64, 64), Module(112, 144, 288, 32, 64, 64))
    ),
    "stage4e": Stage(0, (Module(256, 160, 320, 32, 128, 128),)),  # 14 x 14
    "stage5": Stage(2, (Module(256, 160, 320, 32, 128, 128), Module(384, 192, 384, 48, 128, 128))),  # 7 x 7
}


def googlenet(width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 224) -> Encoder:
    """Features of 1024 channels at width 1."""
    first, second, *strides = fitting_strides((2, 2, *(2 if stage.pool else 1 for stage in STAGES.values())), size)
    c1, c2, c_in = (multiple_of_8(channels * width) for channels in STEM)
    stem = OrderedDict(
        conv1=norm_conv(colors, c1, 7, first),
        pool=pool(3, second),
        conv2=norm_conv(c1, c2, 1),
        conv3=norm_conv(c2, c_in, 3),
    )
    stages: dict[str, nn.Module] = {"stem": nn.Sequential(stem)}
    for (name, stage), stride in zip(STAGES.items(), strides, strict=True):
        row = nn.Sequential(pool(stage.pool, stride))
        for channels in stretched(stage.modules, depth):
            module = Module(*(multiple_of_8(count * width) for count in channels))
            row.append(inception(c_in, module))
            c_in = module.one + module.three + module.five + module.pool
        stages[name] = row
    return Encoder(stages, num_features=c_in, stride=first * second * prod(strides))


def inception(c_in: int, module: Module) -> Branches:
    """(B, c_in, h, w) -> (B, one + three + five + pool, h, w)."""
    return Branches(
        one=norm_conv(c_in, module.one, 1),
        three=nn.Sequential(norm_conv(c_in, module.narrow3, 1), norm_conv(module.narrow3, module.three, 3)),
        five=nn.Sequential(norm_conv(c_in, module.narrow5, 1), norm_conv(module.narrow5, module.five, 3)),
        pool=nn.Sequential(nn.MaxPool2d(3, 1, 1), norm_conv(c_in, module.pool, 1)),
    )


def pool(kernel: int, stride: int) -> nn.Module:
    """(B, C, h, w) -> (B, C, about h / stride, w / stride): the maximum around a place; nothing at stride 1."""
    return nn.MaxPool2d(kernel, stride, ceil_mode=True) if stride > 1 else nn.Identity()


PUBLISHED = {  # torchvision's layers
    r"conv(\d)\.conv": r"stem.conv\1.conv",
    r"conv(\d)\.bn": r"stem.conv\1.norm",
    r"fc": r"head",
}
PUBLISHED_MODULES = {
    "inception3a": "stage3.1",
    "inception3b": "stage3.2",
    "inception4a": "stage4a.1",
    "inception4b": "stage4d.1",
    "inception4c": "stage4d.2",
    "inception4d": "stage4d.3",
    "inception4e": "stage4e.1",
    "inception5a": "stage5.1",
    "inception5b": "stage5.2",
}
PUBLISHED_BRANCHES = {
    r"branch1": r"one",
    r"branch2\.(\d)": r"three.\1",
    r"branch3\.(\d)": r"five.\1",
    r"branch4\.1": r"pool.1",
}


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """torchvision's weights under this encoder's names, the classes' as `head.*`, without the auxiliary heads'.

    They were trained on pixels in -1..1, where most of torchvision's others want each color standardized.
    """
    names = dict(PUBLISHED)
    for (module, ours), (branch, name) in product(PUBLISHED_MODULES.items(), PUBLISHED_BRANCHES.items()):
        names[rf"{module}\.{branch}\.conv"] = f"{ours}.{name}.conv"
        names[rf"{module}\.{branch}\.bn"] = f"{ours}.{name}.norm"
    return renamed({key: value for key, value in published.items() if not key.startswith("aux")}, names)
