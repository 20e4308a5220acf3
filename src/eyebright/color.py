"""Any mode that a decoder gives, as 8-bit sRGB; transparent parts become white, as on a page."""

import io
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from PIL import Image

BAND_PIXELS = 4_000_000
"""A larger picture is converted in bands of so many, since each step of it would need as much memory as the whole."""


def to_srgb(picture: Image.Image, gray_scale: float) -> Image.Image:
    """Any mode that Pillow decodes to, as sRGB; transparent parts become white, as on a page."""
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith(("I", "F")):
        picture, profile = _eight_bit(picture, gray_scale), None
    elif "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        picture = _on_white(picture.convert("RGBA"))
    elif picture.mode in ("1", "P"):
        picture = picture.convert("RGB")
    elif picture.mode == "LAB":
        profile = b"LAB"
    if profile and picture.mode in ("RGB", "L", "CMYK", "LAB"):
        picture = _color_managed(picture, bytes(profile))
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    page = Image.new("RGB", picture.size, "white")
    page.paste(picture, mask=picture.getchannel("A"))
    return page


def gray_scale(picture: Image.Image) -> float:
    """What takes 16-bit, 32-bit and float grays to 0..255: they are 0..1, 0..255 or 0..65535, as the values fit."""
    if picture.mode.startswith("I;16"):
        return 1 / 257
    if picture.mode not in ("I", "F"):
        return 1
    top = max(float(_numbers(band).max(initial=0)) for _, band in bands(picture))
    return 255 if picture.mode == "F" and top <= 1 else 1 / 257 if top > 255 else 1


def _eight_bit(picture: Image.Image, scale: float) -> Image.Image:
    import numpy as np

    return Image.fromarray(np.clip(_numbers(picture) * scale + 0.5, 0, 255).astype(np.uint8))


def _numbers(picture: Image.Image) -> Any:
    import numpy as np

    return np.nan_to_num(np.asarray(picture, np.float32), posinf=0, neginf=0).astype(np.float32)


def _color_managed(picture: Image.Image, profile: bytes) -> Image.Image:
    from PIL import ImageCms

    try:
        transform = _transform(profile, picture.mode)
        if transform is None:
            return picture
        converted = ImageCms.applyTransform(picture, transform)
        return converted if converted is not None else picture
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture  # a broken or mismatched profile is no reason to lose the picture


@lru_cache(maxsize=16)  # a folder's photos share one or two profiles
def _transform(profile: bytes, mode: str) -> Any:
    from PIL import ImageCms

    source = ImageCms.createProfile("LAB") if profile == b"LAB" else ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if mode == "RGB" and ImageCms.getProfileDescription(source).startswith("sRGB"):
        return None
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


def bands(picture: Image.Image, factor: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """(first row, the rows from there) of a picture from top to bottom, whole multiples of `factor` each."""
    rows = max(BAND_PIXELS // picture.width // factor, 1) * factor
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))
