"""Pictures are changed in ways that leave their labels true: cropped, moved, turned, mirrored, recolored, blended.

All that moves pixels is one affine map a picture, sampled once; nearly all that recolors them is one matrix. What is
drawn at random is drawn for the whole batch before anything is computed, from a generator that the step alone
determines: a resumed run, or one of several processes, sees the same pictures.
"""

import math
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from eyebright.training.pixels import Stretched
from eyebright.training.recipe import Recipe

OPERATIONS = (
    *("turn", "shear_x", "shear_y", "move_x", "move_y"),
    *("brightness", "contrast", "saturation", "hue", "posterize", "solarize"),
)
LUMA = (0.299, 0.587, 0.114)
LEAST = 0.2  # of brightness and contrast: what is drawn adds up, and nobody names a black picture
ASPECT = math.log(4 / 3)  # a crop is stretched by up to this
Floats = NDArray[np.float32]


class Draws(NamedTuple):
    """What chance decided, a row a picture; uniform in 0..1 where nothing else is said."""

    crop: Floats  # (B, 4): area, aspect, place in x and y
    shift: Floats  # (B, 2)
    flip: Floats  # (B,)
    color: Floats  # (B, 4): brightness, contrast, saturation, hue
    kinds: NDArray[np.int64]  # (B, operations): places in OPERATIONS
    strengths: Floats  # (B, operations): -1..1
    erase: Floats  # (B, 8): whether, area, aspect, x, y, color
    share: Floats  # (B,): how much of itself a picture keeps when it is blended with its neighbor; 1: all
    cut: Floats  # (B, 3): x and y of the box that is cut in, and whether it is a box (1) or a blend (0)

    def part(self, first: int, count: int) -> "Draws":
        """The rows of one of several processes."""
        return Draws(*(cast("Any", rows)[first : first + count] for rows in self))


def draw(random: np.random.Generator, count: int, recipe: Recipe) -> Draws:
    """What chance decides for a batch of `count` pictures."""

    def uniform(*shape: int) -> Floats:
        return random.random((count, *shape), np.float32)

    crop, shift, flip, color = uniform(4), uniform(2), uniform(), uniform(4)
    kinds = random.integers(0, len(OPERATIONS), (count, recipe.operations))
    strengths, erase = 2 * uniform(recipe.operations) - 1, uniform(8)
    share, cut = np.ones(count, np.float32), np.zeros((count, 3), np.float32)
    if recipe.mixup or recipe.cutmix:
        boxes = bool(recipe.cutmix) and (not recipe.mixup or random.random() < 0.5)
        alpha = recipe.cutmix if boxes else recipe.mixup
        pairs = count // 2  # neighbors share what is drawn, so that a pair never spans two processes
        share[: 2 * pairs] = random.beta(alpha, alpha, pairs).astype(np.float32).repeat(2)
        cut[: 2 * pairs, :2] = random.random((pairs, 2), np.float32).repeat(2, 0)
        cut[:, 2] = boxes
    return Draws(crop, shift, flip, color, kinds, strengths, erase, share, cut)


def augment(pictures: Stretched, draws: Draws, recipe: Recipe, size: int) -> Tensor:
    """(B, size, size, 3) float32 in 0..255, its memory in the order that convolutions like."""
    pixels = torch.from_numpy(np.ascontiguousarray(pictures.pixels)).permute(0, 3, 1, 2).float().contiguous()
    while pixels.shape[2] >= 2 * size:
        pixels = F.avg_pool2d(pixels, 2)  # what is sampled next does not average
    maps = geometry(pictures.shapes, draws, recipe, pictures.pixels.shape[1])
    grid = F.affine_grid(maps, [len(pixels), 3, size, size], align_corners=False)
    images = F.grid_sample(pixels, grid, "bilinear", "reflection", align_corners=False)
    images = recolor(images, draws, recipe)
    if recipe.erase:
        images = erase(images, draws.erase, recipe.erase)
    return images.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)


def blend(images: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al. 2018, arXiv:1710.09412) or cutmix (Yun et al. 2019, arXiv:1905.04899) of neighbors.

    images (B, H, W, 3), targets (B, L); where nobody checked a label of either, nobody checked the blend's (NaN).
    """
    if (draws.share == 1).all():
        return images, targets
    order = torch.arange(len(images)) ^ 1  # 0 with 1, 2 with 3
    order[order >= len(images)] = len(images) - 1
    share = torch.from_numpy(draws.share)
    if draws.cut[0, 2]:
        height, width = images.shape[1:3]
        side = torch.sqrt(1 - share)
        x, y = torch.from_numpy(draws.cut[:, :2]).T
        left, right = ((x - side / 2).clamp(0, 1) * width).round(), ((x + side / 2).clamp(0, 1) * width).round()
        top, bottom = ((y - side / 2).clamp(0, 1) * height).round(), ((y + side / 2).clamp(0, 1) * height).round()
        inside = _between(top, bottom, height)[:, :, None] & _between(left, right, width)[:, None, :]
        images = torch.where(inside[..., None], images[order], images)
        share = 1 - inside.float().mean((1, 2))
    else:
        images = images.lerp(images[order], (1 - share)[:, None, None, None])
    return images, targets.lerp(targets[order], (1 - share)[:, None])


def geometry(shapes: Floats, draws: Draws, recipe: Recipe, side: int) -> Tensor:
    """(B, 2, 3): from places in the output to places in the stretched picture, both in -1..1.

    A picture is `shape` wide and 1 high; boxes and turns are thought of in these units, where a circle is round.
    """
    shape = torch.from_numpy(shapes)
    size = torch.stack([shape, torch.ones_like(shape)], 1)  # (B, 2): width, height
    area = recipe.area + (1 - recipe.area) * torch.from_numpy(draws.crop[:, 0])
    spread = ASPECT if recipe.area < 1 else 0.0
    aspect = torch.exp(spread * (2 * torch.from_numpy(draws.crop[:, 1]) - 1))
    base = size if recipe.crop == 0 else torch.sqrt(shape)[:, None].expand(-1, 2)  # stretched, or square
    box = (base * torch.stack([torch.sqrt(area * aspect), torch.sqrt(area / aspect)], 1)).minimum(size)
    if recipe.crop and recipe.area == 1:
        box = recipe.crop * size.min(1, keepdim=True).values.expand(-1, 2)
    moved = (recipe.shift * (2 * torch.from_numpy(draws.shift) - 1) * side).round() / side  # whole pixels stay sharp
    middle = box / 2 + (size - box) * torch.from_numpy(draws.crop[:, 2:]) + moved * box
    strength = {kind: _strength(draws, kind) * recipe.magnitude for kind in OPERATIONS}
    middle = middle + 0.3 * torch.stack([strength["move_x"], strength["move_y"]], 1) * box
    angle = strength["turn"] * math.radians(30)
    shear_x, shear_y = 0.3 * strength["shear_x"], 0.3 * strength["shear_y"]
    turn = _matrix([[torch.cos(angle), -torch.sin(angle)], [torch.sin(angle), torch.cos(angle)]])
    shear = _matrix([[torch.ones_like(angle), shear_x], [shear_y, torch.ones_like(angle)]])
    mirror = torch.where(torch.from_numpy(draws.flip) < 0.5, -1.0, 1.0) if recipe.flip else torch.ones_like(shape)
    half = box / 2 * torch.stack([mirror, torch.ones_like(mirror)], 1)
    linear = turn @ shear * half[:, None, :] * 2 / size[:, :, None]
    return torch.cat([linear, (2 * middle / size - 1)[:, :, None]], 2)


def recolor(images: Tensor, draws: Draws, recipe: Recipe) -> Tensor:
    """(B, 3, H, W) in 0..255, with another brightness, contrast, saturation and hue; posterized, solarized."""
    if not recipe.color and not recipe.operations:
        return images
    chance = (2 * torch.from_numpy(draws.color) - 1) * 0.5 * recipe.color
    strength = {kind: _strength(draws, kind) * recipe.magnitude for kind in OPERATIONS}
    brightness = (1 + chance[:, 0] + 0.6 * strength["brightness"]).clamp(min=LEAST)
    contrast = (1 + chance[:, 1] + 0.6 * strength["contrast"]).clamp(min=LEAST)
    saturation = (1 + chance[:, 2] + 0.8 * strength["saturation"]).clamp(min=0)
    hue = (chance[:, 3] * 0.2 + strength["hue"] * 0.2) * math.pi
    luma = torch.tensor(LUMA)
    gray = luma.expand(3, 3)  # every color becomes its luminance
    one = torch.eye(3)
    matrix = _hue(hue) @ (saturation[:, None, None] * one + (1 - saturation)[:, None, None] * gray)
    matrix = brightness[:, None, None] * matrix
    mean = (matrix @ images.mean((2, 3))[:, :, None]).squeeze(2) @ luma  # (B,)
    images = torch.einsum("bij,bjhw->bihw", contrast[:, None, None] * matrix, images)
    images = (images + ((1 - contrast) * mean)[:, None, None, None]).clamp(0, 255)
    if recipe.operations:
        step = torch.exp2((6 * strength["posterize"].abs()).round())[:, None, None, None]
        images = torch.where(step > 1, (images / step).floor() * step, images)
        limit = 255 * (1 - strength["solarize"].abs())[:, None, None, None]
        images = torch.where((limit < 255) & (images > limit), 255 - images, images)
    return images


def erase(images: Tensor, chances: Floats, chance: float) -> Tensor:
    """(B, 3, H, W) with a box of one color in some (Zhong et al. 2017, arXiv:1708.04896)."""
    height, width = images.shape[2:]
    drawn = torch.from_numpy(chances)
    area, aspect = 0.02 + 0.31 * drawn[:, 1], torch.exp(1.2 * (2 * drawn[:, 2] - 1))
    tall, wide = (torch.sqrt(area * aspect).clamp(max=1) * height), (torch.sqrt(area / aspect).clamp(max=1) * width)
    top, left = drawn[:, 3] * (height - tall), drawn[:, 4] * (width - wide)
    inside = _between(top, top + tall, height)[:, :, None] & _between(left, left + wide, width)[:, None, :]
    inside &= (drawn[:, 0] < chance)[:, None, None]
    return torch.where(inside[:, None], 255 * drawn[:, 5:8, None, None], images)


def _strength(draws: Draws, kind: str) -> Tensor:
    """(B,): the sum of what was drawn of one kind of operation, signed; 0 where it was not drawn."""
    chosen = draws.kinds == OPERATIONS.index(kind)
    return torch.from_numpy((draws.strengths * chosen).sum(1, dtype=np.float32))


def _between(low: Tensor, high: Tensor, count: int) -> Tensor:
    """(B, count): whether the middle of each pixel lies between."""
    middle = torch.arange(count) + 0.5
    return (middle >= low[:, None]) & (middle < high[:, None])


def _matrix(rows: list[list[Tensor]]) -> Tensor:
    """(B, n, n) from rows of (B,)."""
    return torch.stack([torch.stack(row, -1) for row in rows], 1)


def _hue(angle: Tensor) -> Tensor:
    """(B, 3, 3): colors turned around the gray axis by this angle in radians, luminance kept."""
    to_yiq = torch.tensor([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    turn = _matrix([[one, zero, zero], [zero, angle.cos(), -angle.sin()], [zero, angle.sin(), angle.cos()]])
    turned: Tensor = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return turned
