"""Bytes to an upright sRGB picture: the only place that decodes.

bytes -> format (from the first bytes, never the name) -> bounds (from the header, and how many parts it is made of)
-> decode, JPEG at reduced scale -> 8-bit sRGB without alpha -> upright (H, W, 3)

Plugins are called directly, each only when its format appears: it starts faster than `PIL.Image.open`, opens nothing
that is not in the table, and leaves the process-wide settings of Pillow alone.
"""

import io
import os
import re
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
    """Of one frame; a quarter in an animation whose frames build on each other."""
    file_bytes: int = 256_000_000
    frames: int = 1000
    all_pixels: int = 10_000_000_000
    """Of all frames of one animation together."""


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
        if _frames(picture, data, limits.frames + 1) > limits.frames:
            raise BadPicture(f"more than {limits.frames:,} frames.")
        start_s, pixels = 0.0, 0
        for index in range(limits.frames):
            try:
                picture.seek(index)
            except EOFError:
                return
            _check_picture(picture, limits)  # pages differ, and a GIF may grow
            if index and picture.format in ("GIF", "PNG", "WEBP"):  # frames build on others, which are kept
                _check_size(*picture.size, replace(limits, pixels=limits.pixels // 4))
            pixels += picture.width * picture.height
            if pixels > limits.all_pixels:
                raise BadPicture(f"its frames are over {limits.all_pixels / 1e6:,.0f} megapixels together.")
            if picture.format == "MPO":
                _check_jpeg(data[getattr(picture, "offset", 0) :], limits)
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
    kind = sniff(data[:HEAD_BYTES])
    if kind not in FORMATS:
        raise BadPicture(f"not a picture in a format that Eyebright reads ({', '.join(FORMATS)}).")
    if kind in _CHECKS:
        _CHECKS[kind](data, limits)
    module, opener = FORMATS[kind]
    picture: Image.Image = getattr(import_module(module), opener)(io.BytesIO(data))
    _check_picture(picture, limits)
    return picture


def _check_picture(picture: Image.Image, limits: Limits) -> None:
    """The size of one frame or page, and of the tiles that it is stored in."""
    _check_size(*picture.size, limits)
    if picture.format == "TIFF":
        tags: Any = getattr(picture, "tag_v2", {})
        tile = int(tags.get(322, 0)) * int(tags.get(323, 0))
        if tile > max(4 * picture.width * picture.height, 1 << 22):
            raise BadPicture("its tiles are far larger than the picture.")


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width < 1 or height < 1:
        raise BadPicture("the picture has no pixels.")
    if width * height > limits.pixels:
        raise BadPicture(
            f"{width:,} x {height:,} pixels are over the limit of {limits.pixels / 1e6:,.0f} megapixels (--megapixels)."
        )


def _too_many_bytes(size: int, limits: Limits) -> BadPicture:
    return BadPicture(f"{size / 1e6:,.0f} MB are over the limit of {limits.file_bytes / 1e6:,.0f} MB.")


def _too_many_parts() -> BadPicture:
    return BadPicture("it is made of more parts than any real picture.")


def _explained(error: Exception) -> BadPicture:
    if isinstance(error, MemoryError):
        return BadPicture("not enough memory to open it.")
    if isinstance(error, Image.DecompressionBombError):
        return BadPicture("it has too many pixels to open safely.")
    text = " ".join(str(error).split())[:120] or type(error).__name__
    if "truncated" in text or "end of file" in text or isinstance(error, EOFError):
        return BadPicture(f"the file is cut short or damaged ({text}).")
    return BadPicture(f"the picture is damaged ({text}).")


_BAND_PIXELS = 4_000_000
"""A larger picture is converted in bands of so many, since each step of it would need as much memory as the whole."""


def _finish(picture: Image.Image, shorter: int | None) -> Image.Image:
    """Decoded, 8-bit sRGB, upright; at 1 / factor of its size where that leaves far more than the model can use."""
    picture.load()
    factor = max(min(picture.size) // (4 * shorter), 1) if shorter else 1
    scale = _gray_scale(picture)
    if picture.mode == "RGB" and factor == 1 and not picture.info.keys() & {"icc_profile", "transparency"}:
        return _turned(picture, _orientation(picture))
    page = Image.new("RGB", (-(-picture.width // factor), -(-picture.height // factor)))
    for top, band in _bands(picture, factor):
        if factor > 1 and band.mode in ("L", "RGB", "CMYK") and "transparency" not in band.info:
            page.paste(_srgb(band.reduce(factor), scale), (0, top // factor))  # fewer pixels to convert
        else:
            page.paste(_srgb(band, scale).reduce(factor), (0, top // factor))
    return _turned(page, _orientation(picture))


def _bands(picture: Image.Image, factor: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """(first row, the rows from there) of a picture from top to bottom, whole multiples of `factor` each."""
    rows = max(_BAND_PIXELS // picture.width // factor, 1) * factor
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


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


def _srgb(picture: Image.Image, gray_scale: float) -> Image.Image:
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


def _gray_scale(picture: Image.Image) -> float:
    """What takes 16-bit, 32-bit and float grays to 0..255: they are 0..1, 0..255 or 0..65535, as the values fit."""
    if picture.mode.startswith("I;16"):
        return 1 / 257
    if picture.mode not in ("I", "F"):
        return 1
    top = max(float(_numbers(band).max(initial=0)) for _, band in _bands(picture))
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


# what a decoder would take time or memory for, found before it sees a byte -------------------------------------------

_PARTS = 50_000
"""Chunks, segments, blocks or tags that a picture may be made of: real ones have hundreds; decoders walk slowly."""
_SEGMENTS = 10_000
"""Of a JPEG, of up to 64 KB each."""
_SCANS = 100
"""Passes of a progressive JPEG over all its pixels: real ones make about ten."""
_INFLATED = 32
"""Compressed texts and profiles in a PNG; each may grow to a megabyte."""
_TABLE = 400_000
"""Numbers in one table of a TIFF, such as where its strips are."""
_RUNS = Limits(pixels=16_000_000, file_bytes=4_000_000)
"""For a run-length coded BMP, which Pillow decodes in Python."""

_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_JPEG_BARE = frozenset((0x01, 0xD8))  # markers without a body; the restart markers stand among the pixels


def _check_jpeg(data: bytes, limits: Limits) -> None:
    """Segments up to the pixels, filling between them, and passes over the pixels."""
    at, filling, scans = 2, 0, 0
    many_scans = data.count(b"\xff\xda") > _SCANS  # maybe by chance: the picture may have a film behind it
    for _ in range(_SEGMENTS):
        found = _JPEG_MARKER.search(data, at)
        if found is None or found[1] == b"\xd9":
            return
        if not scans:
            filling += found.start() - at
        marker, at = found[1][0], found.end()
        if filling > 1_000_000:
            break
        if marker in _JPEG_BARE:
            continue
        if marker in (0xC0, 0xC1, 0xC2) and at + 7 <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 3)
            _check_size(width, height or 1, limits)
            least_bits = 1 if marker == 0xC2 else 2  # that a block of 8 x 8 can take
            if -(-width // 8) * -(-height // 8) * least_bits > len(data) * 8:
                raise BadPicture("the file is cut short or damaged.")  # a decoder would paint the rest gray
        elif marker == 0xDA:
            scans += 1
            if not many_scans:
                return
            if scans > _SCANS:
                break
        at += int.from_bytes(data[at : at + 2], "big")
    raise _too_many_parts()


def _check_png(data: bytes, limits: Limits) -> None:
    at, inflated = 8, 0
    for _ in range(_PARTS):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        inflated += kind in (b"zTXt", b"iTXt", b"iCCP")
        if inflated > _INFLATED:
            break
        at += 12 + length
    raise _too_many_parts()


def _check_gif(data: bytes, limits: Limits) -> None:
    _gif_frames(data, 1)


def _check_tiff(data: bytes, limits: Limits) -> None:
    _tiff_pages(data, 1)


def _check_bmp(data: bytes, limits: Limits) -> None:
    if data[30:34] in (b"\1\0\0\0", b"\2\0\0\0"):
        width, height = (abs(int.from_bytes(data[at : at + 4], "little", signed=True)) for at in (18, 22))
        if len(data) > _RUNS.file_bytes or width * height > _RUNS.pixels:
            raise BadPicture("a run-length coded BMP that is too large.")


def _check_webp(data: bytes, limits: Limits) -> None:
    """The decoder takes memory for the canvas as soon as it is made."""
    kind, width, height = data[12:16], 1, 1
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8 ":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    _check_size(width, height, limits)


def _check_heif(data: bytes, limits: Limits) -> None:
    """Names of items that are no text crash pi-heif 1.4: the type and content type of an `infe` box (ISO 14496-12)."""
    at = data.find(b"infe")
    while at >= 4:
        size, version = int.from_bytes(data[at - 4 : at], "big"), data[at + 4 : at + 5]
        item = data[at + (14 if version == b"\3" else 12) : at - 4 + size]  # after flags, id, protection
        if version in (b"\0", b"\1", b"\2", b"\3") and len(item) < 100_000:
            try:
                item[:4].decode("ascii")
                item.decode("utf-8")
            except UnicodeDecodeError:
                raise BadPicture("the picture is damaged (the name of a part is not text).") from None
        at = data.find(b"infe", at + 4)


_CHECKS: dict[str, Callable[[bytes, Limits], None]] = {
    "jpeg": _check_jpeg,
    "png": _check_png,
    "gif": _check_gif,
    "tiff": _check_tiff,
    "bmp": _check_bmp,
    "webp": _check_webp,
    "heif": _check_heif,
}


def _frames(picture: Image.Image, data: bytes, enough: int) -> int:
    """Frames of a picture, counted up to `enough` without decoding any."""
    if picture.format == "GIF":
        return _gif_frames(data, enough)
    if picture.format == "TIFF":
        return _tiff_pages(data, enough)
    return int(getattr(picture, "n_frames", 1))


def _gif_frames(data: bytes, enough: int) -> int:
    """Image descriptors in a GIF, counted up to `enough` by stepping over its blocks (GIF89a, appendix A)."""
    if len(data) < 13:
        return 0
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    frames = blocks = 0
    while at < len(data):
        if data[at] == 0x2C and at + 9 < len(data):
            frames += 1
            if frames >= enough:
                break
            flags = data[at + 9]
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
        elif data[at] == 0x21:
            at += 2
        elif data[at]:
            break  # the end, or damage
        more = True
        while more and at < len(data):
            more = data[at] > 0
            at += 1 + data[at]
            blocks += 1
            if blocks > _PARTS and blocks * 64 > at:  # pixels come in blocks of 255 bytes
                raise _too_many_parts()
    return frames


def _tiff_pages(data: bytes, enough: int) -> int:
    """Directories of a TIFF or BigTIFF, counted up to `enough`; a chain that runs in a circle ends there."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    number, pointer, entry = (order + form for form in (("Q", "Q", "HHQ8x") if big else ("H", "I", "HHI4x")))
    size = struct.calcsize(entry)
    met: set[int] = set()
    parts = 0
    try:
        (at,) = struct.unpack_from(pointer, data, 8 if big else 4)
        while at and at not in met and len(met) < enough:
            met.add(at)
            (count,) = struct.unpack_from(number, data, at)
            parts += count
            if parts > _PARTS:
                raise _too_many_parts()
            first = at + struct.calcsize(number)
            entries = data[first : first + count * size]
            for _, kind, values in struct.iter_unpack(entry, entries[: len(entries) // size * size]):
                if values > _TABLE and kind not in (1, 2, 6, 7):  # texts and bytes stay as they are
                    raise _too_many_parts()
            (at,) = struct.unpack_from(pointer, data, first + count * size)
    except struct.error:
        pass  # cut short: the decoder will say where
    return len(met)
