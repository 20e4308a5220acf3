"""What a decoder would take time or memory for, found before it sees a byte.

A header is cheap to read and may claim anything: sizes are checked against Limits, and the parts that a file is made of
(segments, chunks, blocks, tags, frames) are counted by stepping over them.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
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


def check_picture(picture: Image.Image, limits: Limits) -> None:
    """The size of one frame or page, and of the tiles that it is stored in."""
    check_size(*picture.size, limits)
    if picture.format == "TIFF":
        tags: Any = getattr(picture, "tag_v2", {})
        tile = int(tags.get(322, 0)) * int(tags.get(323, 0))
        if tile > max(4 * picture.width * picture.height, 1 << 22):
            raise BadPicture("its tiles are far larger than the picture.")


def check_size(width: int, height: int, limits: Limits) -> None:
    if width < 1 or height < 1:
        raise BadPicture("the picture has no pixels.")
    if width * height > limits.pixels:
        raise BadPicture(
            f"{width:,} x {height:,} pixels are over the limit of {limits.pixels / 1e6:,.0f} megapixels (--megapixels)."
        )


def too_many_bytes(size: int, limits: Limits) -> BadPicture:
    return BadPicture(f"{size / 1e6:,.0f} MB are over the limit of {limits.file_bytes / 1e6:,.0f} MB.")


def _too_many_parts() -> BadPicture:
    return BadPicture("it is made of more parts than any real picture.")


def check_jpeg(data: bytes, limits: Limits) -> None:
    """Segments up to the pixels, filling between them, and passes over the pixels."""
    at, filling, scans, colors = 2, 0, 0, 0
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
            check_size(width, height or 1, limits)
            colors = data[at + 7] if marker != 0xC2 and at + 7 < len(data) else 0
            least_bits = 1 if marker == 0xC2 else 2  # that a block of 8 x 8 can take
            if -(-width // 8) * -(-height // 8) * least_bits > len(data) * 8:
                raise BadPicture("the file is cut short or damaged.")  # a decoder would paint the rest gray
        elif marker == 0xDA:
            if colors and data[at + 2 : at + 3] == bytes([colors]):
                return  # not progressive and all colors at once: there is one pass
            if not scans and data.count(b"\xff\xda") <= _SCANS:
                return
            scans += 1  # counted one by one: some may be there by chance, or in a film behind the picture
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
    check_size(width, height, limits)


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


def count_frames(picture: Image.Image, data: bytes, enough: int) -> int:
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


CHECKS: dict[str, Callable[[bytes, Limits], None]] = {
    "jpeg": check_jpeg,
    "png": _check_png,
    "gif": _check_gif,
    "tiff": _check_tiff,
    "bmp": _check_bmp,
    "webp": _check_webp,
    "heif": _check_heif,
}
