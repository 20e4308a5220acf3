"""An encoder turns images into feature maps: a row of named stages, whatever the family.

Every family is a function of the same arguments, `family(width, depth, colors, size) -> Encoder`: the multiplier of
channels, the multiplier of blocks (of each stage, at least one stays), the channels of an image, and the pixels a side
that it is built for. `size` changes nothing but the stem: for small pictures the first halvings are left out.
"""

import math
from collections.abc import Mapping

from torch import Tensor, nn

SMALLEST = 32
"""Pixels a side below which no network here makes sense."""


class Encoder(nn.Module):
    """Images (B, colors, H, W), float and normalized -> features (B, C, h, w).

    `num_features` is C, `stride` the pixels from one place of the feature map to the next, so that h is about
    H / stride. Its weights are drawn at random, for networks of rectified units (He et al. 2015, arXiv:1502.01852).
    """

    def __init__(self, stages: Mapping[str, nn.Module], num_features: int, stride: int) -> None:
        super().__init__()
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.num_features = num_features
        self.stride = stride
        self.apply(initialize)

    def stages(self) -> dict[str, nn.Module]:
        """The stages by name, in the order in which an image passes them."""
        return dict(self.named_children())

    def features(self, images: Tensor) -> Tensor:
        """(B, colors, H, W) -> (B, C, h, w)."""
        for stage in self.children():
            images = stage(images)
        return images

    forward = features


def initialize(layer: nn.Module) -> None:
    """Draw one layer's weights so that signals neither grow nor fade on their way."""
    if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:
        heard_by = layer.weight[:, 0].numel() / layer.groups  # outputs that each input has a say in
        nn.init.normal_(layer.weight, std=math.sqrt(2 / heard_by))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
