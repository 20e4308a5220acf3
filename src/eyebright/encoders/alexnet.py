"""AlexNet (Krizhevsky 2014, arXiv:1404.5997): five convolutions on one processor, after the two-processor one of 2012.

Its three dense layers, which hold most of the weights, are the paper's head.
"""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from eyebright.encoders.encoder import Encoder
from eyebright.encoders.layers import biased_conv, halvings_to_skip, multiple_of_8, stretched
from eyebright.encoders.naming import numbers, renamed


class Stage(NamedTuple):
    """Convolutions, and then a pool over 3 x 3 places that halves."""

    channels: tuple[int, ...]  # of each convolution, at width 1
    kernel: int
    padding: int


STAGES = (  # sizes after the pool, for a 224 x 224 image
    Stage((64,), 11, 2),  # 27 x 27
    Stage((192,), 5, 2),  # 13 x 13
    Stage((384, 256, 256), 3, 1),  # 6 x 6
)


def alexnet(width: float = 1.0, depth: float = 1.0, colors: int = 3, size: int = 224) -> Encoder:
    """The very first convolution has stride 4 (2, 1 for small pictures), all others 1."""
    first = 4 >> halvings_to_skip(size)
    c_in = colors
    stages: dict[str, nn.Module] = {}
    for number, stage in enumerate(STAGES, 1):
        layers = nn.Sequential()
        for layer, channels in enumerate(stretched(stage.channels, depth)):
            c_out = multiple_of_8(channels * width)
            begins = number == 1 and layer == 0
            around = stage.padding if begins or number > 1 else stage.kernel // 2
            layers.append(biased_conv(c_in, c_out, stage.kernel, first if begins else 1, around))
            c_in = c_out
        layers.append(nn.MaxPool2d(3, 2))
        stages[f"stage{number}"] = layers
    return Encoder(stages, num_features=c_in, stride=first * 2 ** len(STAGES))


HEAD = {  # torchvision's dense layers
    r"classifier\.1": "head.hidden1",
    r"classifier\.4": "head.hidden2",
    r"classifier\.6": "head.output",
}


def translate(published: Mapping[str, Tensor], encoder: Encoder) -> dict[str, Tensor]:
    """torchvision's weights under this encoder's names, the dense layers' as `head.*`."""
    ours = [name for name, module in encoder.named_modules() if isinstance(module, nn.Conv2d)]
    theirs = [rf"features\.{number}" for number in numbers(published)]
    return renamed(published, dict(zip(theirs, ours, strict=False)) | HEAD)
