"""The few layers that every family is built from.

They are named groups of plain modules, so that whoever walks a network (a checkpoint, a pruner, the export) meets
`conv` and `norm`, and no subclass that it does not know.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Row = TypeVar("Row")


class SamePad(nn.Module):
    """(B, C, H, W) -> padded so that the convolution after it gives (ceil(H / stride), ceil(W / stride)).

    This is TensorFlow's "SAME": of an odd number of rows (columns) the bottom (right) gets one more.
    """

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (max(self.kernel - 1 - (pixels - 1) % self.stride, 0) for pixels in x.shape[2:])
        return F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


class Branches(nn.Module):
    """(B, c_in, H, W) -> (B, sum of theirs, H', W'): all look at the same map, their channels stand side by side."""

    def __init__(self, **branches: nn.Module) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)


def conv(
    c_in: int,
    c_out: int,
    kernel: int | tuple[int, int],
    stride: int = 1,
    padding: int | tuple[int, int] | None = None,
    groups: int = 1,
    act: type[nn.Module] = nn.ReLU,
    eps: float = 1e-5,
    momentum: float = 0.1,
) -> nn.Sequential:
    """(B, c_in, H, W) -> (B, c_out, about H / stride, W / stride): convolution, batch norm, activation.

    `padding` on each side; by default half the kernel, which keeps H and W at stride 1.
    """
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    around = (rows // 2, columns // 2) if padding is None else padding
    layer = nn.Conv2d(c_in, c_out, kernel, stride, around, groups=groups, bias=False)
    norm = nn.BatchNorm2d(c_out, eps=eps, momentum=momentum)
    return nn.Sequential(OrderedDict(conv=layer, norm=norm, act=act()))


def biased_conv(
    c_in: int, c_out: int, kernel: int, stride: int = 1, padding: int | None = None, norm: bool = False
) -> nn.Sequential:
    """(B, c_in, H, W) -> (B, c_out, about H / stride, W / stride): a convolution from before batch norm, and ReLU.

    `padding` as in `conv`. With `norm` there is one, and the bias stays all the same, as in VGG's published weights.
    """
    layer = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2 if padding is None else padding)
    between = nn.BatchNorm2d(c_out) if norm else nn.Identity()
    return nn.Sequential(OrderedDict(conv=layer, norm=between, act=nn.ReLU()))


def same_conv(
    c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1, act: type[nn.Module] = nn.Identity
) -> nn.Sequential:
    """(B, c_in, H, W) -> (B, c_out, ceil(H / stride), ceil(W / stride)): TensorFlow's convolution and batch norm."""
    pad = SamePad(kernel, stride) if stride > 1 else nn.Identity()  # at stride 1 both sides get the same
    around = 0 if stride > 1 else kernel // 2
    conv = nn.Conv2d(c_in, c_out, kernel, stride, around, groups=groups, bias=False)
    norm = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.01)
    return nn.Sequential(OrderedDict(pad=pad, conv=conv, norm=norm, act=act()))


def multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8 that is not more than 10% too small, as the MobileNet papers round widths.

    >>> multiple_of_8(44.0), multiple_of_8(17.6)
    (48, 16)
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def halvings_to_skip(size: int) -> int:
    """How many of the first halvings a network leaves out, so that a small picture keeps a map of 3 x 3 and more.

    The networks were drawn for 224 pixels and halve five times. Below 96 pixels the first stride (or pool) becomes 1,
    below 48 the first two.

    >>> [halvings_to_skip(size) for size in (224, 96, 64, 32)]
    [0, 0, 1, 2]
    """
    return 0 if size >= 96 else 1 if size >= 48 else 2


def fitting_strides(strides: Sequence[int], size: int) -> list[int]:
    """The strides of a network's layers, first to last, with the first halvings left out for pictures of this size.

    Their product is the encoder's stride.

    >>> fitting_strides((2, 1, 2, 2), 224), fitting_strides((2, 1, 2, 2), 32)
    ([2, 1, 2, 2], [1, 1, 1, 2])
    """
    fitting = list(strides)
    for _ in range(halvings_to_skip(size)):
        fitting[fitting.index(2)] = 1
    return fitting


def repeats(blocks: int, depth: float) -> int:
    """Blocks of a stage at this depth: rounded up, as EfficientNet does, and at least one.

    >>> repeats(3, 1.0), repeats(3, 1.1), repeats(10, 1.1), repeats(1, 0.25)
    (3, 4, 11, 1)
    """
    return max(1, math.ceil(round(blocks * depth, 6)))  # in floating point 10 * 1.1 is a little more than 11


def stretched(rows: Sequence[Row], depth: float) -> list[Row]:
    """The rows of a stage's table at this depth, where its blocks differ: each as often as its share allows.

    >>> stretched((384, 256, 256), 1.0), stretched((384, 256, 256), 0.5), stretched((16, 32), 2.0)
    ([384, 256, 256], [384, 256], [16, 16, 32, 32])
    """
    count = repeats(len(rows), depth)
    return [rows[block * len(rows) // count] for block in range(count)]
