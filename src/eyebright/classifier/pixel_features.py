"""Plain features of pixels, as before networks: which colors there are, and which way the edges run where.

Both are graph operations without anything to learn, so that a statistical head on them is a model file like any other:
`Classifier(pixel_features(), head, task, *NORMALIZATION)`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eyebright.classifier.classifier import LUMINANCE
from eyebright.classifier.heads import AdaptivePool
from eyebright.encoders import Encoder

NORMALIZATION = [0.0], [255.0]
"""Mean and deviation for pixels in 0..1, as these features expect them."""
SIDE = 64  # pixels that are looked at; larger pictures are averaged down
LEVELS = 4  # of red, green and blue each
DIRECTIONS = 9  # of edges, over half a turn
CELLS = 8  # a side
BLOCKS = CELLS - 1  # of 2 x 2 cells, overlapping


def pixel_features(size: int = SIDE) -> Encoder:
    """Images (B, 3, size, size) in 0..1 -> (B, 1828, 1, 1): 64 numbers of colors, 1764 of edges."""
    return Encoder({"colors_and_edges": PixelFeatures()}, LEVELS**3 + 4 * DIRECTIONS * BLOCKS**2, stride=size)


class PixelFeatures(nn.Module):
    """(B, 3, H, W) in 0..1 -> (B, D, 1, 1): both parts have length 1, so that neither drowns the other."""

    edges: Tensor  # (2 + DIRECTIONS, 1, 3, 3)
    luminance: Tensor  # (3, 1, 1)
    levels: Tensor  # (LEVELS, 1)

    def __init__(self) -> None:
        super().__init__()
        self.pool = AdaptivePool(SIDE)
        self.cells = AdaptivePool(CELLS)
        self.register_buffer("luminance", torch.tensor(LUMINANCE).reshape(3, 1, 1), persistent=False)
        self.register_buffer("levels", torch.linspace(0, 1, LEVELS).reshape(-1, 1), persistent=False)
        self.register_buffer("edges", edge_filters(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        small = self.pool(images)
        return torch.cat([self.colors(small), self.directions(small)], dim=1)[:, :, None, None]

    def colors(self, images: Tensor) -> Tensor:
        """(B, LEVELS^3): the roots of how many pixels have each mix; a pixel counts for the mixes around its own."""
        values = images.flatten(2)[:, :, None]  # (B, 3, 1, P)
        near = F.relu(1 - (LEVELS - 1) * (values - self.levels).abs())  # (B, 3, LEVELS, P)
        red, green, blue = near.unbind(1)
        two = (red[:, :, None] * green[:, None]).flatten(1, 2)  # (B, LEVELS^2, P)
        shares = (two @ blue.transpose(1, 2)).flatten(1) / values.shape[-1]
        return (shares + 1e-4).sqrt()  # a root is steep at 0

    def directions(self, images: Tensor) -> Tensor:
        """(B, 4 * DIRECTIONS * BLOCKS^2): histograms of oriented gradients (Dalal and Triggs 2005).

        A gradient counts for a direction if it lies less than a step from it, the more the nearer.
        """
        gray = (images * self.luminance).sum(1, keepdim=True)
        gradients = F.conv2d(gray, self.edges)  # across, down, and along each direction
        strength = (gradients[:, :2].square().sum(1, keepdim=True) + 1e-8).sqrt()
        along = F.relu(gradients[:, 2:].abs() - math.cos(math.pi / DIRECTIONS) * strength)
        cell = self.cells(along)  # (B, DIRECTIONS, CELLS, CELLS)
        left, right = cell[..., :-1], cell[..., 1:]
        block = torch.cat([left[:, :, :-1], left[:, :, 1:], right[:, :, :-1], right[:, :, 1:]], dim=1)
        block = block / (block.square().sum(1, keepdim=True) + 1e-6).sqrt()  # against light and shadow
        return block.flatten(1) / BLOCKS


def edge_filters() -> Tensor:
    """(2 + DIRECTIONS, 1, 3, 3): differences across and down, and their mixes along each direction."""
    across = torch.zeros(3, 3)
    across[1] = torch.tensor([-1.0, 0.0, 1.0])
    angles = torch.arange(DIRECTIONS) * math.pi / DIRECTIONS
    turned = torch.cos(angles)[:, None, None] * across + torch.sin(angles)[:, None, None] * across.T
    return torch.cat([across[None], across.T[None], turned])[:, None]
