"""An encoder turns images into feature maps: a row of named stages, whatever the family."""

from collections.abc import Mapping

from torch import Tensor, nn


class Encoder(nn.Module):
    """Images (B, 3, H, W), float and normalized -> features (B, C, h, w), h = ceil(H / stride), w likewise.

    `num_features` is C, `stride` the pixels from one place of the feature map to the next.
    """

    def __init__(self, stages: Mapping[str, nn.Module], num_features: int, stride: int) -> None:
        super().__init__()
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.num_features = num_features
        self.stride = stride

    def stages(self) -> dict[str, nn.Module]:
        """The stages by name, in the order in which an image passes them."""
        return dict(self.named_children())

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, h, w)."""
        for stage in self.children():
            images = stage(images)
        return images

    forward = features
