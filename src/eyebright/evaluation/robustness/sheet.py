"""A contact sheet: one picture under every corruption and severity, so that a person sees what a figure is about."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from eyebright.evaluation.robustness.corruptions import CORRUPTIONS, SEVERITIES, versions
from eyebright.preprocessing import Pixels

SIDE = 144
"""Pixels of the longer side of a small picture."""
_NAMES = 136  # pixels, left of the pictures
_GAP = 8
_TEXT = 14


def to_png(
    pixels: Pixels,
    picture: str,
    names: Sequence[str] = tuple(CORRUPTIONS),
    severities: Sequence[int] = SEVERITIES,
    seed: int = 0,
) -> bytes:
    """A row a corruption: the clean picture, then one a severity, as a PNG."""
    clean, *spoiled = versions(pixels, picture, names, severities, seed)
    step = SIDE + _GAP
    page = Image.new("RGB", (_NAMES + (1 + len(severities)) * step + _GAP, len(names) * step + 2 * _TEXT), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_TEXT)
    for at, title in enumerate(["clean", *(f"severity {severity}" for severity in severities)]):
        pen.text((_NAMES + at * step, 5), title, "black", font)
    for row, name in enumerate(names):
        top = 2 * _TEXT + row * step
        pen.text((_GAP, top), name, "black", font)
        own = spoiled[row * len(severities) : (row + 1) * len(severities)]
        for at, version in enumerate([clean, *own]):
            page.paste(small(version), (_NAMES + at * step, top))
    file = io.BytesIO()
    page.save(file, "PNG")
    return file.getvalue()


def small(pixels: Pixels, side: int = SIDE) -> Image.Image:
    """A picture of which the longer side is `side`; one of few pixels shows each of them."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = side / max(picture.size)
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    return picture.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST)
