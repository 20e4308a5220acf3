"""Bytes to an upright sRGB picture: the only place that decodes.

bytes -> format (from the first bytes, never the name) -> bounds (from the header, and how many parts it is made of)
-> decode, JPEG at reduced scale -> 8-bit sRGB without alpha -> upright (H, W, 3)

Plugins are called directly, each only when its format appears: it starts faster than `PIL.Image.open`, opens nothing
that is not in the table, and leaves the process-wide settings of Pillow alone.
"""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from eyebright.bounds import CHECKS, LIMITS, Limits, check_jpeg, check_picture, check_size, count_frames, too_many_bytes
from eyebright.color import bands, gray_scale, to_srgb
from eyebright.errors import BadPicture

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
        with opened(path) as file:
            status = os.fstat(file.fileno())
            if status.st_size > limits.file_bytes:
                raise too_many_bytes(status.st_size, limits)
            return file.read(status.st_size)
    except OSError as error:
        raise BadPicture(f"{(error.strerror or str(error)).lower()}.") from None


@contextmanager
def opened(path: str | Path) -> Iterator[BinaryIO]:
    """A regular file, open; a named pipe is refused and not waited for. Raises OSError, BadPicture."""
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BadPicture("not a regular file.")
        yield file


def header(data: bytes, limits: Limits = LIMITS) -> Image.Image:
    """The picture as its first bytes tell of it, not decoded: size, format, EXIF. Raises BadPicture."""
    try:
        return _open(data, limits)
    except BadPicture:
        raise
    except Exception as error:
        raise _explained(error) from None


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


def upright_size(header: Image.Image) -> tuple[int, int]:
    """Width and height in pixels of the first frame, held upright."""
    turned = _orientation(header) in (5, 6, 7, 8)
    return (header.height, header.width) if turned else header.size


def decode_frames(
    data: bytes, shorter: int | None = None, limits: Limits = LIMITS
) -> Iterator[tuple[float, Image.Image]]:
    """Every frame of an animated picture with its start in seconds, as `decode` gives the first."""
    try:
        picture = _open(data, limits)
        if count_frames(picture, data, limits.frames + 1) > limits.frames:
            raise BadPicture(f"more than {limits.frames:,} frames.")
        start_s, pixels = 0.0, 0
        for index in range(limits.frames):
            try:
                picture.seek(index)
            except EOFError:
                return
            check_picture(picture, limits)  # pages differ, and a GIF may grow
            if index and picture.format in ("GIF", "PNG", "WEBP"):  # frames build on others, which are kept
                check_size(*picture.size, replace(limits, pixels=limits.pixels // 4))
            pixels += picture.width * picture.height
            if pixels > limits.all_pixels:
                raise BadPicture(f"its frames are over {limits.all_pixels / 1e6:,.0f} megapixels together.")
            if picture.format == "MPO":
                check_jpeg(data[getattr(picture, "offset", 0) :], limits)
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
        raise too_many_bytes(len(data), limits)
    if not data:
        raise BadPicture("the file is empty.")
    kind = sniff(data[:HEAD_BYTES])
    if kind not in FORMATS:
        raise BadPicture(f"not a picture in a format that Eyebright reads ({', '.join(FORMATS)}).")
    if kind in CHECKS:
        CHECKS[kind](data, limits)
    module, opener = FORMATS[kind]
    picture: Image.Image = getattr(import_module(module), opener)(io.BytesIO(data))
    check_picture(picture, limits)
    return picture


def _explained(error: Exception) -> BadPicture:
    if isinstance(error, MemoryError):
        return BadPicture("not enough memory to open it.")
    if isinstance(error, Image.DecompressionBombError):
        return BadPicture("it has too many pixels to open safely.")
    text = " ".join(str(error).split())[:120] or type(error).__name__
    if "truncated" in text or "end of file" in text or isinstance(error, EOFError):
        return BadPicture(f"the file is cut short or damaged ({text}).")
    return BadPicture(f"the picture is damaged ({text}).")


def _finish(picture: Image.Image, shorter: int | None) -> Image.Image:
    """Decoded, 8-bit sRGB, upright; at 1 / factor of its size where that leaves far more than the model can use."""
    picture.load()
    factor = max(min(picture.size) // (4 * shorter), 1) if shorter else 1
    scale = gray_scale(picture)
    if picture.mode == "RGB" and factor == 1 and not picture.info.keys() & {"icc_profile", "transparency"}:
        return _turned(picture, _orientation(picture))
    page = Image.new("RGB", (-(-picture.width // factor), -(-picture.height // factor)))
    for top, band in bands(picture, factor):
        if factor > 1 and band.mode in ("L", "RGB", "CMYK") and "transparency" not in band.info:
            page.paste(to_srgb(band.reduce(factor), scale), (0, top // factor))  # fewer pixels to convert
        else:
            page.paste(to_srgb(band, scale).reduce(factor), (0, top // factor))
    return _turned(page, _orientation(picture))


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # broken EXIF is common and says nothing about the pixels
        return 1


def _turned(picture: Image.Image, orientation: Any) -> Image.Image:
    method = _TRANSPOSED.get(orientation)
    upright = picture if method is None else picture.transpose(method)
    upright.info = {}  # what it says of orientation and colors holds no more
    return upright
