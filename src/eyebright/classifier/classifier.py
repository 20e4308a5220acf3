"""A classifier: pixels -> normalized images -> encoder -> mean over the map -> linear head -> temperature -> scores.

This is what a model file holds: the export writes down `forward` and nothing else.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from eyebright.encoders import Encoder

Task = Literal["single", "binary", "multi"]


class Outputs(NamedTuple):
    scores: Tensor  # (B, L) 0..1, calibrated; rows sum to 1 unless the task is multi
    logits: Tensor  # (B, L) before temperature and activation
    embedding: Tensor  # (B, D)
    features: Tensor  # (B, C, h, w)


class Classifier(nn.Module):
    """Pixels (B, H, W, 3) in 0..255 -> `Outputs`.

    `mean` and `std` normalize the pixels and are in their units: one number for all colors, or red, green and blue.
    `temperature` divides the logits; it is 1 until a calibration sets it.
    """

    pixel_mean: Tensor  # (3, 1, 1)
    pixel_std: Tensor  # (3, 1, 1)
    temperature: Tensor  # ()

    def __init__(
        self, encoder: Encoder, head: nn.Linear, task: Task, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.task: Task = task
        self.register_buffer("pixel_mean", a_color(mean))
        self.register_buffer("pixel_std", a_color(std))
        self.register_buffer("temperature", torch.tensor(1.0))

    def forward(self, pixels: Tensor) -> Outputs:
        features = self.encoder.features(self.normalize(pixels))
        embedding = features.mean((2, 3))
        logits = self.head(embedding)
        return Outputs(self.scores(logits), logits, embedding, features)

    def normalize(self, pixels: Tensor) -> Tensor:
        """(B, H, W, 3) in 0..255 -> (B, 3, H, W), as the encoder wants it."""
        return (pixels.permute(0, 3, 1, 2).to(self.pixel_mean.dtype) - self.pixel_mean) / self.pixel_std

    def scores(self, logits: Tensor) -> Tensor:
        """(B, L) -> (B, L) in 0..1."""
        calibrated = logits / self.temperature
        return calibrated.sigmoid() if self.task == "multi" else calibrated.softmax(dim=1)


def a_color(values: Sequence[float]) -> Tensor:
    """(3, 1, 1): one value for red, green and blue each, from three or from one for all."""
    return torch.tensor(values, dtype=torch.float32).expand(3).reshape(3, 1, 1).clone()
