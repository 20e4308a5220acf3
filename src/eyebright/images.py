"""Bytes to an upright sRGB picture: the only place that decodes.

bytes -> format (from the first bytes, never the name) -> bounds (from the header) -> decode, JPEG at reduced scale
-> 8-bit sRGB without alpha -> upright (H, W, 3)

Plugins are called directly, each only when its format appears: it starts faster than `PIL.Image.open`, opens nothing
that is not in the table, and leaves the process-wide settings of Pillow alone.
"""

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from eyebright.errors import BadPicture


@dataclass(frozen=True)
class Limits:
    """What a picture may ask of this machine; checked from the header, before memory is taken."""

    pixels: int = 100_000_000
    file_bytes: int = 256_000_000
    frames: int = 1000


LIMITS = Limits()
SPARE = 1.4
"""A JPEG is decoded at the smallest DCT scale that leaves this many times the pixels a side that the model needs.

The antialiasing that follows needs something to average; docs/benchmarks.md has agreement and speed by value."""

FORMATS = {
    "jpeg": ("PIL.JpegImagePlugin", "jpeg_factory"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heif": ("pi_heif.as_plugin", "HeifImageFile"),
}
"""Format -> where its opener is; imported when the first picture of that format appears."""

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_STARTS = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"\x1aE\xdf\xa3": "matroska",
    b"FLV\x01": "flv",
    b"OggS": "ogg",
    b"\0\0\x01\xba": "mpeg",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
}
VIDEOS = {"avi", "mov", "mpegts", *_STARTS.values()} - FORMATS.keys()
"""Containers that video.py reads, by FFmpeg's names."""
HEAD_BYTES = 512
"""What `sniff` wants to see."""

_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def sniff(head: bytes) -> str | None:
    """The format that the first HEAD_BYTES bytes state: one of FORMATS or VIDEOS, or None.

    >>> sniff(b"GIF89a"), sniff(b"dear diary")
    ('gif', None)
    """
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    kind = head[4:8]
    if head.startswith(b"RIFF"):
        return {b"WEBP": "webp", b"AVI ": "avi"}.get(head[8:12])
    if kind == b"ftyp":
        end = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
        if brands & {b"avif", b"avis"}:
            return "avif"
        return "heif" if brands & _HEIF_BRANDS else "mov"
    if kind in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "bmp"
    return "mpegts" if head[:1] == b"G" and head[188:189] == head[376:377] == b"G" else None


def read_file(path: str | Path, limits: Limits = LIMITS) -> bytes:
    """The bytes of a regular file within the limit; BadPicture says why not, without the name."""
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadPicture("not a regular file.")
            if status.st_size > limits.file_bytes:
                raise _too_many_bytes(status.st_size, limits)
            return file.read(limits.file_bytes + 1)
    except OSError as error:
        raise BadPicture(f"{(error.strerror or str(error)).lower()}.") from None


def decode(data: bytes, shorter: int | None = None, limits: Limits = LIMITS) -> Image.Image:
    """The first frame as an upright sRGB picture, mode RGB.

    `shorter` is the shorter side, in pixels, that the caller will use: a larger picture may come back at any size from
    SPARE times that upwards. Raises BadPicture for anything that is not a whole, safe picture.
    """
    try:
        picture = _open(data, limits)
        if shorter:
            picture.draft(None, (round(shorter * SPARE), round(shorter * SPARE)))  # JPEG alone listens
        return _finish(picture, shorter)
    except BadPicture:
        raise
    except Exception as error:  # decoders raise what they like on hostile bytes
        raise _explained(error) from None


def decode_frames(
    data: bytes, shorter: int | None = None, limits: Limits = LIMITS
) -> Iterator[tuple[float, Image.Image]]:
    """Every frame of an animated picture with its start in seconds, as `decode` gives the first."""
    try:
        picture = _open(data, limits)
        if _has_more_frames_than(picture, data, limits.frames):
            raise BadPicture(f"more than {limits.frames:,} frames; the limit can be raised.")
        start_s = 0.0
        for index in range(limits.frames):
            try:
                picture.seek(index)
            except EOFError:
                return
            picture.load()  # WebP and APNG know a frame's duration only now
            duration_ms = picture.info.get("duration") or 0
            yield start_s, _finish(picture.copy(), shorter)
            start_s += float(duration_ms) / 1000
    except BadPicture:
        raise
    except Exception as error:
        raise _explained(error) from None


def upright_srgb(picture: Image.Image) -> Image.Image:
    """A picture that the caller opened, as `decode` would have given it; BadPicture when it cannot be decoded."""
    try:
        return _finish(picture, None)
    except Exception as error:
        raise _explained(error) from None


def _open_without_waiting(path: str, flags: int) -> int:
    # a named pipe would otherwise block until somebody writes into it
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _open(data: bytes, limits: Limits) -> Image.Image:
    if len(data) > limits.file_bytes:
        raise _too_many_bytes(len(data), limits)
    if not data:
        raise BadPicture("the file is empty.")
    module, opener = FORMATS.get(sniff(data[:HEAD_BYTES]) or "", (None, ""))
    if module is None:
        raise BadPicture(f"not a picture in a format that Eyebright reads ({', '.join(FORMATS)}).")
    picture: Image.Image = getattr(import_module(module), opener)(io.BytesIO(data))
    width, height = picture.size
    if width < 1 or height < 1:
        raise BadPicture("the picture has no pixels.")
    if width * height > limits.pixels:
        raise BadPicture(
            f"{width:,} x {height:,} pixels are over the limit of {limits.pixels / 1e6:,.0f} megapixels (--megapixels)."
        )
    return picture


def _too_many_bytes(size: int, limits: Limits) -> BadPicture:
    return BadPicture(f"{size / 1e6:,.0f} MB are over the limit of {limits.file_bytes / 1e6:,.0f} MB.")


def _explained(error: Exception) -> BadPicture:
    if isinstance(error, MemoryError):
        return BadPicture("not enough memory to open it.")
    text = " ".join(str(error).split())[:120] or type(error).__name__
    if "truncated" in text or "end of file" in text or isinstance(error, EOFError):
        return BadPicture(f"the file is cut short or damaged ({text}).")
    return BadPicture(f"the picture is damaged ({text}).")


def _finish(picture: Image.Image, shorter: int | None) -> Image.Image:
    """Decoded, 8-bit sRGB, upright."""
    picture.load()
    orientation = _orientation(picture)
    factor = min(picture.size) // (4 * shorter) if shorter else 1
    if factor > 1 and picture.mode in ("L", "RGB", "RGBA", "CMYK"):
        picture = picture.reduce(
            factor
        )  # keeps far more detail than the model can use, and saves the memory of the rest
    return _turned(_srgb(picture), orientation)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # broken EXIF is common and says nothing about the pixels
        return 1


def _turned(picture: Image.Image, orientation: Any) -> Image.Image:
    method = _TRANSPOSED.get(orientation)
    return picture if method is None else picture.transpose(method)


def _srgb(picture: Image.Image) -> Image.Image:
    """Any mode that Pillow decodes to, as sRGB; transparent parts become white, as on a page."""
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith(("I", "F")):
        picture, profile = _eight_bit(picture), None
    elif "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        picture = _on_white(picture.convert("RGBA"))
    elif picture.mode in ("1", "P"):
        picture = picture.convert("RGB")
    elif picture.mode == "LAB":
        profile = b"LAB"
    if profile and picture.mode in ("RGB", "L", "CMYK", "LAB"):
        picture = _color_managed(picture, bytes(profile))
    return picture.convert("RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    page = Image.new("RGB", picture.size, "white")
    page.paste(picture, mask=picture.getchannel("A"))
    return page


def _eight_bit(picture: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float grays: as 0..1, 0..255 or 0..65535, whichever the values fit."""
    import numpy as np

    values = np.nan_to_num(np.asarray(picture, np.float32), posinf=0, neginf=0).astype(np.float32)
    top = float(values.max(initial=0))
    if picture.mode == "F" and top <= 1:
        values *= 255
    elif picture.mode.startswith("I;16") or top > 255:
        values /= 257
    return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))


def _color_managed(picture: Image.Image, profile: bytes) -> Image.Image:
    from PIL import ImageCms

    try:
        transform = _to_srgb(profile, picture.mode)
        if transform is None:
            return picture
        converted = ImageCms.applyTransform(picture, transform)
        return converted if converted is not None else picture
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture  # a broken or mismatched profile is no reason to lose the picture


@lru_cache(maxsize=16)  # a folder's photos share one or two profiles
def _to_srgb(profile: bytes, mode: str) -> Any:
    from PIL import ImageCms

    source = ImageCms.createProfile("LAB") if profile == b"LAB" else ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if mode == "RGB" and ImageCms.getProfileDescription(source).startswith("sRGB"):
        return None
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


def _has_more_frames_than(picture: Image.Image, data: bytes, limit: int) -> bool:
    """Whether a picture is over the limit of frames, found without decoding any."""
    if isinstance(data, bytes) and data.startswith(b"GIF8"):
        return _gif_frames(data, limit + 1) > limit
    if picture.format == "TIFF":
        try:
            picture.seek(limit)  # walks the list of directories only
        except EOFError:
            return False
        finally:
            picture.seek(0)
        return True
    return getattr(picture, "n_frames", 1) > limit


def _gif_frames(data: bytes, enough: int) -> int:
    """Image descriptors in a GIF, counted up to `enough` by stepping over its blocks (GIF89a, appendix A)."""
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    frames = 0
    while frames < enough and at < len(data):
        if data[at] == 0x2C and at + 9 < len(data):
            flags = data[at + 9]
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
            frames += 1
        elif data[at] == 0x21:
            at += 2
        else:
            return frames
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return frames
