"""A classifier: pixels -> normalized images -> encoder -> head -> temperature -> scores.

This is what a model file holds: the export writes down `forward` and nothing else. Most heads look at the embedding,
the mean over the feature map; one that wants the map itself says so with a class attribute `spatial = True`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from eyebright.encoders import Encoder
from eyebright.modelfile import Task

LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601): what an encoder of one color sees."""


class Outputs(NamedTuple):
    scores: Tensor  # (B, L) 0..1, calibrated; rows sum to 1 unless the task is multi
    logits: Tensor  # (B, L) before temperature and activation
    embedding: Tensor  # (B, D)
    features: Tensor  # (B, C, h, w)


class Classifier(nn.Module):
    """Pixels (B, H, W, 3) in 0..255 -> `Outputs`.

    `mean` and `std` normalize the pixels and are in their units: one number for all colors, or red, green and blue.
    `auxiliaries` are heads over the output of a stage, by its name; they help to train deep networks and are no part
    of `forward`. `temperature` divides the logits; it is 1 until a calibration sets it.
    """

    pixel_mean: Tensor  # (colors, 1, 1)
    pixel_std: Tensor  # (colors, 1, 1)
    temperature: Tensor  # ()

    def __init__(
        self,
        encoder: Encoder,
        head: nn.Module,
        task: Task,
        mean: Sequence[float],
        std: Sequence[float],
        auxiliaries: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.task: Task = task
        self.auxiliaries = nn.ModuleDict(auxiliaries or {})
        self.gray = colors_of(encoder) == 1
        self.register_buffer("pixel_mean", a_color(mean, self.gray))
        self.register_buffer("pixel_std", a_color(std, self.gray))
        self.register_buffer("temperature", torch.tensor(1.0))

    def forward(self, pixels: Tensor) -> Outputs:
        features = self.encoder.features(self.normalize(pixels))
        embedding = features.mean((2, 3))
        logits = self.head(features if getattr(self.head, "spatial", False) else embedding)
        return Outputs(self.scores(logits), logits, embedding, features)

    def training_logits(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, H, W, 3) -> logits (B, L), and those of each auxiliary head."""
        x = self.normalize(pixels)
        auxiliary = []
        for name, stage in self.encoder.stages().items():
            x = stage(x)
            if name in self.auxiliaries:
                auxiliary.append(self.auxiliaries[name](x))
        return self.head(x if getattr(self.head, "spatial", False) else x.mean((2, 3))), auxiliary

    @property
    def head_names(self) -> tuple[str, str]:
        """The parameters of the last layer, as the model file calls them, too: weight and bias."""
        last = "head.output" if hasattr(self.head, "output") else "head"
        return f"{last}.weight", f"{last}.bias"

    def normalize(self, pixels: Tensor) -> Tensor:
        """(B, H, W, 3) in 0..255 -> (B, colors, H, W), as the encoder wants it."""
        images = pixels.permute(0, 3, 1, 2).to(self.pixel_mean.dtype)
        if self.gray:
            images = (images * images.new_tensor(LUMINANCE).reshape(3, 1, 1)).sum(1, keepdim=True)
        return (images - self.pixel_mean) / self.pixel_std

    def scores(self, logits: Tensor) -> Tensor:
        """(B, L) -> (B, L) in 0..1."""
        calibrated = logits / self.temperature
        return calibrated.sigmoid() if self.task == "multi" else calibrated.softmax(dim=1)


def colors_of(encoder: nn.Module) -> int:
    """The channels of an image that an encoder takes: those of its first convolution."""
    return next((layer.in_channels for layer in encoder.modules() if isinstance(layer, nn.Conv2d)), 3)


def a_color(values: Sequence[float], gray: bool = False) -> Tensor:
    """(3, 1, 1): one value for red, green and blue each, from three or from one for all; (1, 1, 1) of a gray image."""
    color = torch.tensor(values, dtype=torch.float32).expand(3).reshape(3, 1, 1).clone()
    return (color * torch.tensor(LUMINANCE).reshape(3, 1, 1)).sum(0, keepdim=True) if gray else color
