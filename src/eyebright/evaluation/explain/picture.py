"""An explanation as a picture: the photo, a heat map of each label over it, and the nearest pictures of a data set.

Over the photo in gray, yellow to red speaks for a label and blue against it, which color-blind readers can tell apart;
what the model did not see is dim. All maps have one scale.
"""

import io
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from eyebright.evaluation.explain.evidence import Explanation
from eyebright.preprocessing import Pixels

SIDE = 440
"""The longer side of the photo and of each map, in pixels."""
NEIGHBOR_SIDE = 150
NARROWEST = 240
"""Pixels of a column, so that words fit below a tall picture."""
INK, PAPER = "#222222", "#ffffff"
GAP = 20
TEXT, SMALL = 18, 15  # sizes of letters
DIM = 0.3
"""Brightness of what the model did not see."""
STRONGEST = 0.8
"""Opacity of the strongest evidence."""
FOR = np.array([[255, 225, 90], [250, 150, 60], [165, 0, 38]])
AGAINST = np.array([[140, 200, 250], [60, 130, 220], [30, 30, 140]])
"""Colors at 0, half and all of the strongest evidence."""


class Neighbor(NamedTuple):
    """A picture that is like the photo, and what stands below it; no picture where it cannot be read."""

    picture: Image.Image | None
    lines: tuple[str, ...]


def png(
    photo: Image.Image,
    name: str,
    explanation: Explanation,
    sentences: Sequence[str],
    neighbors: Sequence[Neighbor] = (),
    neighbors_title: str = "",
) -> bytes:
    """All of it as a PNG file, which carries the sentences as its description; `photo` is upright, of any size."""
    page = drawn(photo, name, explanation, sentences, neighbors, neighbors_title)
    words = PngImagePlugin.PngInfo()
    words.add_itxt("Description", " ".join(sentences))
    file = io.BytesIO()
    page.save(file, "PNG", pnginfo=words)
    return file.getvalue()


def drawn(
    photo: Image.Image,
    name: str,
    explanation: Explanation,
    sentences: Sequence[str],
    neighbors: Sequence[Neighbor],
    neighbors_title: str,
) -> Image.Image:
    """The page: pictures in a row, their scale, the sentences, the neighbors in a row."""
    scale = SIDE / max(explanation.size)
    size = max(round(explanation.size[0] * scale), 1), max(round(explanation.size[1] * scale), 1)
    small = photo.resize(size, Image.Resampling.LANCZOS)
    box = tuple(round(side * scale) for side in explanation.box)
    limit = max(float(np.abs(evidence.map).max()) for evidence in explanation.evidence) or 1.0
    pictures = [(framed(small, box), name)]
    for evidence in explanation.evidence:
        rather = f" rather than {evidence.against.label}" if evidence.against else ""
        told = f"{evidence.label.label} {evidence.score:.2f}{rather}"
        pictures.append((framed(heated(small, evidence.map / limit, box), box), told))
    blocks = [
        beside([below([picture, lettered([told], max(size[0], NARROWEST), TEXT, 2)], 6) for picture, told in pictures])
    ]
    width = max(blocks[0].width, 2 * SIDE)
    blocks += [scale_bar(limit), lettered(sentences, width, TEXT)]
    if neighbors:
        blocks += [lettered([neighbors_title], width, TEXT), beside([shown(neighbor) for neighbor in neighbors])]
    whole = below(blocks, GAP)
    page = Image.new("RGB", (whole.width + 2 * GAP, whole.height + 2 * GAP), PAPER)
    page.paste(whole, (GAP, GAP))
    return page


def heated(photo: Image.Image, values: NDArray[np.floating[Any]], box: Sequence[int]) -> Image.Image:
    """The photo in gray with a map (h, w) of values in -1..1 over the box, smoothly enlarged."""
    left, top, right, bottom = box
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    fine = Image.fromarray(values.astype(np.float32)).resize((right - left, bottom - top), Image.Resampling.BICUBIC)
    gray = Image.merge("RGB", [photo.convert("L")] * 3)
    gray.paste(
        Image.fromarray(tinted(np.asarray(gray.crop((left, top, right, bottom))), np.asarray(fine))), (left, top)
    )
    return gray


def tinted(gray: Pixels, values: NDArray[np.floating[Any]]) -> Pixels:
    """(h, w, 3) under the colors of values (h, w) in -1..1; 0 leaves it as it is.

    >>> tinted(np.full((1, 3, 3), 100, np.uint8), np.array([[-1.0, 0.0, 1.0]]))[0].tolist()
    [[44, 44, 132], [100, 100, 100], [152, 20, 50]]
    """
    strength = np.abs(values).clip(0, 1)
    for_it, against = (
        np.stack([np.interp(strength, (0, 0.5, 1), color) for color in ramp.T], axis=-1) for ramp in (FOR, AGAINST)
    )
    opacity = STRONGEST * (strength**0.7)[..., None]
    colors = np.where(values[..., None] < 0, against, for_it)
    return np.asarray(np.round(gray * (1 - opacity) + colors * opacity), np.uint8)


def framed(photo: Image.Image, box: Sequence[int]) -> Image.Image:
    """The box as it is, in a thin frame, and what is outside dim."""
    left, top, right, bottom = box
    if (left, top, right, bottom) == (0, 0, *photo.size):
        return photo
    whole = photo.point(lambda value: value * DIM)
    whole.paste(photo.crop((left, top, right, bottom)), (left, top))
    draw = ImageDraw.Draw(whole)
    draw.rectangle([left - 1, top - 1, right, bottom], outline=PAPER)
    draw.rectangle([left - 2, top - 2, right + 1, bottom + 1], outline=INK)
    return whole


def scale_bar(limit: float) -> Image.Image:
    """What the colors mean, from -limit to limit, in logits."""
    bar = Image.fromarray(tinted(np.full((16, 300, 3), 128, np.uint8), np.tile(np.linspace(-1, 1, 300), (16, 1))))
    return beside(
        [lettered([f"against it: -{limit:.1f}"], SIDE, SMALL), bar, lettered([f"{limit:.1f}: for it"], SIDE, SMALL)], 8
    )


def shown(neighbor: Neighbor) -> Image.Image:
    square = Image.new("RGB", (NEIGHBOR_SIDE, NEIGHBOR_SIDE), PAPER)
    if neighbor.picture:
        small = neighbor.picture.copy()
        small.thumbnail(square.size, Image.Resampling.LANCZOS)
        square.paste(small, (0, NEIGHBOR_SIDE - small.height))
    return below([square, lettered(neighbor.lines, NEIGHBOR_SIDE, SMALL, 2)], 6)


def beside(blocks: Sequence[Image.Image], gap: int = GAP) -> Image.Image:
    """Blocks in a row, their tops on a line."""
    width = sum(block.width for block in blocks) + gap * (len(blocks) - 1)
    row = Image.new("RGB", (width, max(block.height for block in blocks)), PAPER)
    x = 0
    for block in blocks:
        row.paste(block, (x, 0))
        x += block.width + gap
    return row


def below(blocks: Sequence[Image.Image], gap: int) -> Image.Image:
    """Blocks under one another."""
    height = sum(block.height for block in blocks) + gap * (len(blocks) - 1)
    column = Image.new("RGB", (max(block.width for block in blocks), height), PAPER)
    y = 0
    for block in blocks:
        column.paste(block, (0, y))
        y += block.height + gap
    return column


def lettered(texts: Sequence[str], width: int, size: int, most: int = 100) -> Image.Image:
    """Paragraphs as wide as their longest line, `width` at most; each has `most` lines at most."""
    letters = font(size)
    lines = [line for text in texts for line in wrapped(text, width, size, most)]
    block = Image.new(
        "RGB", (max(round(letters.getlength(line)) for line in lines) + 2, 4 * size // 3 * len(lines)), PAPER
    )
    draw = ImageDraw.Draw(block)
    for number, line in enumerate(lines):
        draw.text((0, 4 * size // 3 * number), line, INK, letters)
    return block


def wrapped(text: str, width: int, size: int, most: int = 100) -> list[str]:
    """Lines that fit into `width` pixels, broken between words or within long ones; what is over `most` is left out.

    >>> wrapped("in the upper middle of this very picture", 140, 15, 1)
    ['in the upper middle...']
    """
    letters = font(size)
    lines = [""]
    for word in text.split():
        if lines[-1] and letters.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and letters.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    if len(lines) > most:
        lines = lines[:most]
        while lines[-1] and letters.getlength(f"{lines[-1]}...") > width:
            lines[-1] = lines[-1][:-1]
        lines[-1] += "..."
    return lines


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The letters that Pillow brings."""
    return ImageFont.load_default(size)
