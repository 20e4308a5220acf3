"""A table out of a MATLAB 5 file: a struct array of numbers and texts, as ImageNet's meta.mat is one.

The file is a row of elements, each a type, a length and its bytes, padded to 8 (MathWorks, "MAT-File Format", 2023).
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _CHAR = 2, 4  # classes of a matrix
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le"}
_HEADER_BYTES = 128
_MAX_BYTES = 100_000_000
_MAX_FIELDS = 1000


class _Element(NamedTuple):
    kind: int
    content: bytes


def table(data: bytes, name: str) -> dict[str, list[str | float]]:
    """Column -> its values, of the struct array called `name`; fields that hold neither are 0. Raises ValueError."""
    if data[126:128] != b"IM":
        raise ValueError("no MATLAB 5 file, or one of another byte order")
    for element in _elements(data[_HEADER_BYTES:]):
        if element.kind == _COMPRESSED:
            element = next(_elements(_inflated(element.content)))
        if element.kind == _MATRIX:
            flags, _, called, *rest = _elements(element.content)
            if called.content.decode("latin-1") == name and flags.content[:1] == bytes([_STRUCT]):
                return _columns(rest)
    raise ValueError(f"it has no table {name}")


def _columns(parts: list[_Element]) -> dict[str, list[str | float]]:
    """Parts: the length of a field's name, all names, then the fields of each row."""
    width = int.from_bytes(parts[0].content, "little")
    names = parts[1].content
    if not 0 < width <= len(names) or len(names) > width * _MAX_FIELDS:
        raise ValueError("it is damaged (names of fields)")
    fields = [names[at : at + width].rstrip(b"\0").decode("latin-1") for at in range(0, len(names), width)]
    return {field: [_value(part) for part in parts[2 + at :: len(fields)]] for at, field in enumerate(fields)}


def _value(part: _Element) -> str | float:
    """The text, or the first number, of a matrix."""
    inner = list(_elements(part.content))
    if part.kind != _MATRIX or len(inner) < 4 or not inner[3].content:
        return 0
    kind, content = inner[3]
    if inner[0].content[:1] == bytes([_CHAR]) and kind in _TEXTS:
        return content.decode(_TEXTS[kind])
    if kind not in _NUMBERS:
        return 0
    return float(np.frombuffer(content, np.dtype(_NUMBERS[kind]).newbyteorder("<"), 1)[0])


def _elements(data: bytes) -> Iterator[_Element]:
    """One level of them; a small one has its length beside its type, and at most 4 bytes."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        small = kind >> 16
        start = at + (4 if small else 8)
        if small:
            kind, size = kind & 0xFFFF, small
        if start + size > len(data) or (small and size > 4):
            raise ValueError("it is cut short or damaged")
        yield _Element(kind, data[start : start + size])
        at = at + 8 if small else start + size + (0 if kind == _COMPRESSED else -size % 8)


def _inflated(content: bytes) -> bytes:
    try:
        unpacked = zlib.decompressobj().decompress(content, _MAX_BYTES + 1)
    except zlib.error as error:
        raise ValueError(f"it cannot be unpacked: {error}") from None
    if len(unpacked) > _MAX_BYTES:
        raise ValueError("it unpacks to too much")
    return unpacked
