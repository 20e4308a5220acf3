"""NASNet-A (Zoph et al. 2017, arXiv:1707.07012): a search found two cells, of which the whole network is made.

Any other genotype builds a network too. Every cell sees the outputs of the two cells before it, so a stage hands a
pair to the next one; the top makes features of it.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.genotype import INPUTS, Genotype, Wiring
from eyebright.encoders.layers import Branches, conv, fitting_strides, multiple_of_8, repeats

STEM = 32  # channels at width 1
NARROWEST = 11  # channels inside a cell of the first stage, at width 1

norm_conv = partial(conv, act=nn.Identity, eps=1e-3)


class Stage(NamedTuple):
    times: int  # channels inside a cell / those of the first stage
    reductions: int  # cells that halve, at its beginning
    cells: int  # normal ones after them, at depth 1


STAGES = (  # figure 2 of the paper; sizes for a 224 x 224 image
    Stage(1, 1, 0),  # 56 x 56
    Stage(2, 1, 0),  # 28 x 28
    Stage(4, 0, 4),  # 28 x 28
    Stage(8, 1, 4),  # 14 x 14
    Stage(16, 1, 4),  # 7 x 7
)


def nasnet(genotype: Genotype, width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 224) -> Encoder:
    """Of the genotype NASNET_A: the paper's NASNet-A (4 @ 1056), whose features have 1056 channels at width 1."""
    first, *strides = fitting_strides((2, *(2 if stage.reductions else 1 for stage in STAGES)), size)
    c_before, c_last, behind = None, multiple_of_8(STEM * width), 1
    stages: dict[str, nn.Module] = {"stem": norm_conv(colors, c_last, 3, first)}
    for number, stage in enumerate(STAGES):
        channels = stage.times * max(1, round(NARROWEST * width))
        normal = repeats(stage.cells, depth) if stage.cells else 0
        row = nn.Sequential()
        for wiring in [genotype.reduction] * stage.reductions + [genotype.normal] * normal:
            stride = strides[number] if wiring is genotype.reduction else 1
            cell = Cell(wiring, c_last, c_before, channels, stride, behind)
            c_before, c_last, behind = c_last, cell.c_out, stride
            row.append(cell)
        stages[f"stage{number + 1}"] = row
    stages["top"] = Top()
    return Encoder(stages, num_features=c_last, stride=first * prod(strides))


class Cell(nn.Module):
    """(what the last cell gave, what the one before it gave) -> (what this one gives, what the last one gave).

    `behind` is the stride of the last cell: with 2, what comes from before it is twice as large. The first cell has
    none before it (`c_before` is None) and sees the stem's map as both states, the second time as it is.
    """

    def __init__(
        self, wiring: Wiring, c_last: int, c_before: int | None, channels: int, stride: int, behind: int
    ) -> None:
        super().__init__()
        self.wiring = wiring
        self.last = act_conv(c_last, channels)
        self.before = nn.Identity() if c_before is None else caught_up(c_before, channels, behind)
        c_states = [channels, c_last if c_before is None else channels] + [channels] * len(wiring.steps)
        self.first = nn.ModuleList()
        self.second = nn.ModuleList()
        for step in wiring.steps:
            for row, name, state in ((self.first, step.first, step.of), (self.second, step.second, step.and_of)):
                row.append(BUILDERS[name](c_states[state], channels, stride if state < INPUTS else 1))
        self.c_out = sum(c_states[state] for state in wiring.output)

    def forward(self, given: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        last, before = given if isinstance(given, tuple) else (given, given)
        states = [self.last(last), self.before(before)]
        for step, first, second in zip(self.wiring.steps, self.first, self.second, strict=True):
            states.append(first(states[step.of]) + second(states[step.and_of]))
        return torch.cat([states[state] for state in self.wiring.output], dim=1), last


class Top(nn.Module):
    """(what the last cell gave, what the one before it gave) -> features (B, C, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, given: tuple[Tensor, Tensor]) -> Tensor:
        features: Tensor = self.act(given[0])
        return features


def act_conv(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    """(B, c_in, h, w) -> (B, c_out, about h / stride, w / stride), place by place."""
    return nn.Sequential(nn.ReLU(), norm_conv(c_in, c_out, 1, stride))


def caught_up(c_in: int, c_out: int, behind: int) -> nn.Module:
    """(B, c_in, h, w) -> (B, c_out, about h / behind, w / behind).

    Of a map that is twice as large, half the channels come from its even places and half from its odd ones.
    """
    if behind == 1:
        return act_conv(c_in, c_out) if c_in != c_out else nn.Identity()
    even = norm_conv(c_in, c_out // 2, 1, 2)
    odd = nn.Sequential(Shift(), norm_conv(c_in, c_out - c_out // 2, 1, 2))
    return nn.Sequential(nn.ReLU(), Branches(even=even, odd=odd))


class Shift(nn.Module):
    """(B, C, h, w) -> the same, one place up and to the left; zeros follow from below and from the right."""

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, 1:, 1:], (0, 1, 0, 1))


def skip(c_in: int, c_out: int, stride: int) -> nn.Module:
    """(B, c_in, h, w) -> (B, c_out, about h / stride, w / stride): the same where that is possible."""
    return nn.Identity() if stride == 1 and c_in == c_out else act_conv(c_in, c_out, stride)


def pool(around: Callable[..., nn.Module], c_in: int, c_out: int, stride: int) -> nn.Module:
    """(B, c_in, h, w) -> (B, c_out, about h / stride, w / stride)."""
    return nn.Sequential(around(3, stride, 1), skip(c_in, c_out, 1))


def separable(kernel: int, c_in: int, c_out: int, stride: int) -> nn.Module:
    """(B, c_in, h, w) -> (B, c_out, about h / stride, w / stride): twice around each channel alone and across them."""
    row = nn.Sequential()
    for channels, step in ((c_in, stride), (c_out, 1)):
        around = nn.Conv2d(channels, channels, kernel, step, kernel // 2, groups=channels, bias=False)
        row.extend((nn.ReLU(), around, norm_conv(channels, c_out, 1)))
    return row


BUILDERS: dict[str, Callable[[int, int, int], nn.Module]] = {  # of a genotype's OPERATIONS: c_in, c_out, stride
    "skip": skip,
    "average 3x3": partial(pool, partial(nn.AvgPool2d, count_include_pad=False)),
    "max 3x3": partial(pool, nn.MaxPool2d),
    "separable 3x3": partial(separable, 3),
    "separable 5x5": partial(separable, 5),
    "separable 7x7": partial(separable, 7),
}
