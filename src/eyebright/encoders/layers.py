"""The few layers that every family is built from.

They are named groups of plain modules, so that whoever walks a network (a checkpoint, a pruner, the export) meets
`conv` and `norm`, and no subclass that it does not know.
"""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F


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


def same_conv(
    c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1, act: type[nn.Module] = nn.Identity
) -> nn.Sequential:
    """(B, c_in, H, W) -> (B, c_out, ceil(H / stride), ceil(W / stride)): TensorFlow's convolution and batch norm."""
    pad = SamePad(kernel, stride) if kernel > 1 else nn.Identity()
    conv = nn.Conv2d(c_in, c_out, kernel, stride, groups=groups, bias=False)
    norm = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.01)
    return nn.Sequential(OrderedDict(pad=pad, conv=conv, norm=norm, act=act()))


def multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8 that is not more than 10% too small, as the MobileNet papers round widths.

    >>> multiple_of_8(44.0), multiple_of_8(17.6)
    (48, 16)
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8
