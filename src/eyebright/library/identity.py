"""Who a picture is, whatever it is called and whatever was written into it since.

bytes -> the parts that its pixels are made of, without metadata -> a hash of 16 bytes

A new name, another folder, keywords, a rating, a turn by the orientation tag, a date put right: none of them touches
what a camera's compressor wrote. Where a format is not taken apart here, or its parts make no sense, the identity is
that of all bytes.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from eyebright.images import sniff

BYTES = 16
"""Of an identity. With a billion pictures the chance that any two share one is 1 in 10^20."""
AT_ONCE = 1 << 20
_PARTS = 100_000
"""Segments, chunks or boxes that are stepped over, at most."""
_PNG = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"acTL", b"fcTL", b"fdAT"}
_WEBP = {b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"}
"""VP8X is left out: it says whether there is metadata."""
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that its size and its components follow."""
_SAID = {b"Exif", b"mime", b"uri "}
"""Kinds of items in HEIF that are words and not pixels."""

Part = bytes | memoryview


class Odd(Exception):
    """A file that is not made as its format says."""


def of_picture(data: bytes) -> bytes:
    """The identity of a file of this content, BYTES long."""
    kind = sniff(data[:512])
    if kind in PARTS:
        made = hashlib.blake2b(kind.encode(), digest_size=BYTES)
        try:
            for part in PARTS[kind](data):
                made.update(len(part).to_bytes(8, "big"))
                made.update(part)
        except (Odd, struct.error, IndexError):
            pass
        else:
            return made.digest()
    return of_all(data)


def of_all(data: bytes) -> bytes:
    """The identity by all bytes."""
    return hashlib.blake2b(data, digest_size=BYTES).digest()


def of_file(file: BinaryIO) -> bytes:
    """The identity by all bytes of a file that is too large to be held, as a film is."""
    made = hashlib.blake2b(digest_size=BYTES)
    while some := file.read(AT_ONCE):
        made.update(some)
    return made.digest()


def _jpeg(data: bytes) -> Iterator[Part]:
    """Tables, headers and scans up to the first end of an image; no comment, no trailer, and of APPn the colors."""
    view = memoryview(data)
    head: list[tuple[int, Part]] | None = []
    for marker, at, end in _segments(data):
        if marker == 0xDA and head is not None:
            yield from _colors(head)
            head = None  # a decoder knows the colors by now
        if head is not None:
            head.append((marker, view[at + 4 : end]))
        if not 0xE0 <= marker <= 0xEF and marker != 0xFE:
            yield view[at:end]


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, where it stands, where the next one stands) up to the first end of an image; a scan with its pixels."""
    at = 2
    for _ in range(_PARTS):
        if at >= len(data):
            return  # cut short, and still this picture
        while data[at] == 0xFF and data[at + 1] == 0xFF:  # filling
            at += 1
        if data[at] != 0xFF:
            raise Odd
        marker = data[at + 1]
        if marker == 0xD9:
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise Odd
        if marker == 0xDA:
            end = _scan_ends(data, end)
        yield marker, at, end
        at = end
    raise Odd


def _colors(head: list[tuple[int, Part]]) -> Iterator[bytes]:
    """What colors the components are, where JFIF and Adobe markers say other ones than a decoder would take them for.

    As libjpeg does it (default_decompress_parms). Nothing for an ordinary photo, be these markers there or not.
    """
    names = next((bytes(body[6::3]) for marker, body in reversed(head) if marker in _FRAMES), b"")
    jfif = any(marker == 0xE0 and body[:5] == b"JFIF\0" and len(body) >= 14 for marker, body in head)
    adobe = [body[11] for marker, body in head if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12]
    if len(names) == 4 and adobe:  # inverted, in most programs, only where it says Adobe
        yield b"YCCK" if adobe[-1] else b"CMYK"
    if len(names) == 3:
        usual = names == b"RGB"
        plain = not jfif and (adobe[-1] == 0 if adobe else usual)
        if plain != usual:
            yield b"RGB" if plain else b"YCC"


def _scan_ends(data: bytes, at: int) -> int:
    """Where the entropy-coded pixels from `at` on end: at a marker that is no restart and no stuffed zero."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        if data[at + 1] and not 0xD0 <= data[at + 1] <= 0xD7 and data[at + 1] != 0xFF:
            return at
        at += 1 if data[at + 1] == 0xFF else 2


def _png(data: bytes) -> Iterator[Part]:
    view, at = memoryview(data), 8
    pixels: list[Part] = []  # one stream, however it is cut into chunks
    for _ in range(_PARTS):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            raise Odd
        if kind == b"IDAT":
            pixels.append(view[at + 8 : at + 8 + length])
        elif kind in _PNG:
            yield kind
            yield view[at + 8 : at + 8 + length]
        elif kind == b"IEND":
            yield b"".join(pixels)
            return
        at += 12 + length
    raise Odd


def _webp(data: bytes) -> Iterator[Part]:
    view, at = memoryview(data), 12
    end = min(8 + int.from_bytes(data[4:8], "little"), len(data))
    for _ in range(_PARTS):
        if at >= end:
            return
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > len(data):
            raise Odd
        if kind in _WEBP:
            yield kind
            yield view[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise Odd


def _heif(data: bytes) -> Iterator[Part]:
    """Of each item that is no words, the bytes that `iloc` says are its (ISO 14496-12, 8.11.3); AVIF likewise."""
    top = dict(_boxes(data, 0, len(data)))
    if b"moov" in top or b"meta" not in top:
        raise Odd
    inside = dict(_boxes(data, top[b"meta"][0] + 4, top[b"meta"][1]))
    kinds = dict(_kinds(data, *inside[b"iinf"]))
    left = len(data)
    for count, (item, where, start, length) in enumerate(_extents(data, *inside[b"iloc"])):
        if count == _PARTS:
            raise Odd
        if kinds.get(item) in _SAID:
            continue
        left -= length
        start += inside[b"idat"][0] if where == 1 else 0
        if where > 1 or start + length > len(data) or left < 0:  # a few bytes may list one place again and again
            raise Odd
        yield memoryview(data)[start : start + length]


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """The kind of each box between two places, and between which its content lies."""
    for _ in range(_PARTS):
        if at + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", data, at + 8), 16
        length = length or end - at
        if length < head or at + length > end:
            raise Odd
        yield kind, (at + head, at + length)
        at += length
    raise Odd


def _kinds(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Number and kind of each item that `iinf` lists."""
    first = at + (6 if data[at] == 0 else 8)
    for kind, (start, _) in _boxes(data, first, end):
        if kind == b"infe" and data[start] in (2, 3):
            form = ">HH4s" if data[start] == 2 else ">IH4s"
            number, _, what = struct.unpack_from(form, data, start + 4)
            yield number, what


def _extents(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(item, where it is counted from, start, length) for each piece that `iloc` lists."""
    version = data[at]
    sizes = data[at + 4] >> 4, data[at + 4] & 15, data[at + 5] >> 4, data[at + 5] & 15 if version else 0
    at += 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > end:
            raise Odd
        return int.from_bytes(data[at - size : at], "big")

    of_offset, of_length, of_base, of_index = sizes
    wide = 4 if version == 2 else 2
    for _ in range(min(number(wide), _PARTS)):
        item = number(wide)
        where = number(2) & 15 if version else 0
        number(2)  # in which file
        base = number(of_base)
        for _ in range(number(2)):
            number(of_index)
            yield item, where, base + number(of_offset), number(of_length)


PARTS: dict[str, Callable[[bytes], Iterator[Part]]] = {
    "jpeg": _jpeg, "png": _png, "webp": _webp, "heif": _heif, "avif": _heif,
}  # fmt: skip
"""By format: what of a file its pixels are made of. Raises Odd, struct.error or IndexError for what is none."""
