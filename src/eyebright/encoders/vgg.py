"""VGG (Simonyan and Zisserman 2014, arXiv:1409.1556): nothing but 3 x 3 convolutions, halved five times.

Its three dense layers, which hold most of the weights, are the paper's head. Batch norm came a year later; the names
that end in `-bn` have it.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import biased_conv, fitting_strides, multiple_of_8, repeats
from eyebright.encoders.naming import numbers, renamed

STAGES = (64, 128, 256, 512, 512)  # channels of each; a pool after each leaves 112, 56, 28, 14, 7 places a side of 224
CONVOLUTIONS = {  # of each stage: table 1 of the paper, columns A, B, D, E, by number of layers
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg(
    layers: int, norm: bool = False, *, width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 224
) -> Encoder:
    """VGG-`layers`, one of `CONVOLUTIONS`, with batch norms or without."""
    pools = fitting_strides([2] * len(STAGES), size)
    c_in = colors
    stages: dict[str, nn.Module] = {}
    for number, channels in enumerate(STAGES):
        c_out = multiple_of_8(channels * width)
        row = nn.Sequential()
        for _ in range(repeats(CONVOLUTIONS[layers][number], depth)):
            row.append(biased_conv(c_in, c_out, 3, norm=norm))
            c_in = c_out
        row.append(nn.MaxPool2d(2) if pools[number] > 1 else nn.Identity())
        stages[f"stage{number + 1}"] = row
    return Encoder(stages, num_features=c_in, stride=2 ** pools.count(2))


HEAD = {  # torchvision's dense layers, and timm's
    r"classifier\.0": "head.hidden1",
    r"classifier\.3": "head.hidden2",
    r"classifier\.6": "head.output",
    r"pre_logits\.fc1": "head.hidden1",
    r"pre_logits\.fc2": "head.hidden2",
    r"head\.fc": "head.output",
}


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """torchvision's or timm's weights under this encoder's names, the dense layers' as `head.*`."""
    ours = [name for name, module in encoder.named_modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    theirs = [rf"features\.{number}" for number in numbers(published)]
    weights = renamed(published, dict(zip(theirs, ours, strict=False)) | HEAD)
    for key in weights:
        if key.startswith("head."):
            weights[key] = weights[key].flatten(1) if weights[key].dim() == 4 else weights[key]  # timm convolves there
    return weights
