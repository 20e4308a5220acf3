"""The packed file: a model file made small, that unpacks into the same bytes (docs/packed-file.md).

The large tensors are cut out of the model file. Each becomes streams of symbols, 0..255: of a tensor with at most 256
different values the index into a codebook, of any other its bytes, plane by plane. Streams are entropy coded (rANS,
Duda 2013, arXiv:1311.2540) in many lanes at once, which numpy decodes a step at a time; all that is left is one xz
stream. Nothing that a file claims is believed before it is bounded, and at the end its sha256 must come out.
"""

import hashlib
import lzma
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright import gate
from eyebright.errors import BadModelFile

MAGIC = b"\x89EYB\r\n\x1a\n"
FORMAT = 1
HEADER = struct.Struct("<8sB32sIII")
"""Magic, format, sha256 of the model file, its size, the size of the head packed and unpacked."""

PRECISION = 14
TOTAL = 1 << PRECISION
"""The frequencies of a stream add up to this."""
LOW = 1 << 16
"""The state of a lane is LOW..2^32 - 1, LOW at the very end; it takes in 16 bits whenever it falls below."""
SYMBOLS_A_LANE = 4096
MAX_LANES = 16_384

MAX_STREAMS = 4096
WIDTHS = (1, 2, 4, 8)
MAX_RATIO = 256
"""No honest file unpacks into more than so many times its size, but for FREE_BYTES."""
FREE_BYTES = 64_000_000
MAX_DIRECTORY_BYTES = 16_000_000
MAX_LZMA_MEMORY_BYTES = 32_000_000

Symbols = NDArray[np.uint8]
DAMAGED = "a packed model file that is damaged or was cut short; copy it again, or make it anew with eyebright pack."


class Stream(NamedTuple):
    """So many symbols, and how often each occurs, in TOTAL; no frequencies: they stand in the file as they are."""

    length: int
    frequencies: NDArray[np.uint32] | None


class Piece(NamedTuple):
    """A tensor that was cut out, after so many bytes of what is left."""

    after: int
    length: int
    width: int
    """Bytes of a value, of which there are `length`."""
    codebook: bytes
    """Its different values, `width` bytes each; empty: the streams are its bytes, plane by plane."""
    streams: tuple[Stream, ...]


class Contents(NamedTuple):
    """A packed file, its parts found and bounded."""

    sha256: bytes
    size: int
    pieces: tuple[Piece, ...]
    rest: memoryview
    """The model file without its pieces."""
    body: memoryview
    """The streams: those that stand as they are, then the coded ones."""


def is_packed(data: bytes | memoryview) -> bool:
    return bytes(data[: len(MAGIC)]) == MAGIC


def unpack(data: bytes) -> bytes:
    """The bytes of the model file; BadModelFile, without the file's name, where they are not what they were."""
    contents = look(data)
    symbols = _symbols(contents)
    parts: list[bytes | memoryview] = []
    at = 0
    for piece in contents.pieces:
        parts += [contents.rest[at : at + piece.after], _values(piece, symbols)]
        at += piece.after
    parts.append(contents.rest[at:])
    whole = b"".join(parts)
    if hashlib.sha256(whole).digest() != contents.sha256:
        raise BadModelFile(DAMAGED)
    return whole


def look(data: bytes | memoryview) -> Contents:
    """The parts of a packed file, nothing decoded but its head. Raises BadModelFile."""
    if len(data) > len(MAGIC) and is_packed(data) and data[len(MAGIC)] > FORMAT:
        raise BadModelFile(
            f"packed format {data[len(MAGIC)]} is newer than this Eyebright reads ({FORMAT}): pip install -U eyebright."
        )
    if len(data) < HEADER.size:
        raise BadModelFile(DAMAGED)
    magic, version, sha256, size, packed, unpacked = HEADER.unpack_from(data)
    if magic != MAGIC or version != FORMAT:
        raise BadModelFile("not a packed model file.")
    if size > most(len(data)):
        raise BadModelFile(f"it claims to unpack from {len(data):,} bytes into {size:,}, which no packed file does.")
    if unpacked > size + MAX_DIRECTORY_BYTES or packed > len(data) - HEADER.size:
        raise BadModelFile(DAMAGED)
    view = memoryview(data)
    body = HEADER.size + packed
    head = _Reader(_decompressed(data[HEADER.size : body], unpacked))
    pieces = tuple(head.pieces())
    rest = memoryview(head.data)[head.at :]
    cut = sum(piece.length * piece.width for piece in pieces)
    if len(rest) + cut != size or sum(piece.after for piece in pieces) > len(rest):
        raise BadModelFile(DAMAGED)
    return Contents(sha256, size, pieces, rest, view[body:])


def most(packed_bytes: int) -> int:
    """The most bytes that a packed file of this size may unpack into."""
    return min(FREE_BYTES + MAX_RATIO * packed_bytes, gate.MAX_FILE_BYTES)


def lanes_of(count: int) -> int:
    """How many lanes code so many symbols: symbol i is that of lane i modulo their number."""
    return min(-(-count // SYMBOLS_A_LANE), MAX_LANES)


class Tables:
    """The coded streams, one after the other: whose symbols stand where, and what their states mean."""

    def __init__(self, streams: list[Stream]) -> None:
        self.ends = np.cumsum([stream.length for stream in streams])
        self.count = int(self.ends[-1]) if streams else 0
        self.frequencies = np.zeros((len(streams), 256), np.uint32)
        for row, stream in zip(self.frequencies, streams, strict=True):
            assert stream.frequencies is not None
            row[: len(stream.frequencies)] = stream.frequencies
        self.before = np.cumsum(self.frequencies, axis=1, dtype=np.uint32) - self.frequencies

    def steps(self) -> Iterator[tuple[slice, "int | NDArray[np.intp]"]]:
        """The symbols that the lanes take on at once, and the stream of all or of each of them."""
        lanes = lanes_of(self.count)
        for first in range(0, self.count, lanes or 1):
            last = min(first + lanes, self.count)
            one, other = np.searchsorted(self.ends, (first, last - 1), "right").tolist()
            row = one if one == other else np.searchsorted(self.ends, np.arange(first, last), "right")
            yield slice(first, last), row


def decode(streams: list[Stream], coded: memoryview) -> Symbols:
    """All symbols of these streams: first the states of the lanes, uint32 each, then words of 16 bits to the end."""
    tables = Tables(streams)
    lanes = lanes_of(tables.count)
    if len(coded) < 4 * lanes or len(coded) % 2:
        raise BadModelFile(DAMAGED)
    states = np.frombuffer(coded, "<u4", lanes).astype(np.uint32)
    words = np.frombuffer(coded, "<u2", offset=4 * lanes) if len(coded) > 4 * lanes else np.empty(0, "<u2")
    if (states < LOW).any():
        raise BadModelFile(DAMAGED)
    meaning = np.empty((len(streams), TOTAL), np.uint8)
    for row, frequencies in zip(meaning, tables.frequencies, strict=True):
        row[:] = np.repeat(np.arange(256, dtype=np.uint8), frequencies)
    symbols = np.empty(tables.count, np.uint8)
    at = 0
    for step, row_of in tables.steps():
        state = states[: step.stop - step.start]
        slot = state & (TOTAL - 1)
        symbol = meaning[row_of, slot]
        symbols[step] = symbol
        state[:] = tables.frequencies[row_of, symbol] * (state >> PRECISION) + slot - tables.before[row_of, symbol]
        (low,) = np.nonzero(state < LOW)
        more = words[at : at + len(low)]
        if len(more) < len(low):
            raise BadModelFile(DAMAGED)
        state[low] = state[low] << 16 | more
        at += len(low)
    if at != len(words) or (states != LOW).any():
        raise BadModelFile(DAMAGED)
    return symbols


def _symbols(contents: Contents) -> Iterator[Symbols]:
    """The symbols of each stream, in their order."""
    streams = [stream for piece in contents.pieces for stream in piece.streams]
    coded = [stream for stream in streams if stream.frequencies is not None]
    bare = sum(stream.length for stream in streams if stream.frequencies is None)
    if bare > len(contents.body):
        raise BadModelFile(DAMAGED)
    bytes_ = np.frombuffer(contents.body[:bare], np.uint8) if bare else np.empty(0, np.uint8)
    return _dealt(streams, bytes_, decode(coded, contents.body[bare:]))


def _dealt(streams: list[Stream], bare: Symbols, coded: Symbols) -> Iterator[Symbols]:
    bare_at = coded_at = 0
    for stream in streams:
        if stream.frequencies is None:
            yield bare[bare_at : bare_at + stream.length]
            bare_at += stream.length
        else:
            yield coded[coded_at : coded_at + stream.length]
            coded_at += stream.length


def _values(piece: Piece, symbols: Iterator[Symbols]) -> bytes:
    """The bytes of a tensor from its streams."""
    if piece.codebook:
        values = np.frombuffer(piece.codebook, f"<u{piece.width}")
        return values[next(symbols)].tobytes()
    planes = np.empty((piece.length, piece.width), np.uint8)
    for place in range(piece.width):
        planes[:, place] = next(symbols)
    return planes.tobytes()


def _decompressed(head: bytes | memoryview, size: int) -> bytes:
    """One xz stream that holds exactly `size` bytes."""
    try:
        reader = lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_LZMA_MEMORY_BYTES)
        found = reader.decompress(head, size + 1)
    except lzma.LZMAError:
        raise BadModelFile(DAMAGED) from None
    if not reader.eof or reader.unused_data or len(found) != size:
        raise BadModelFile(DAMAGED)
    return found


class _Reader:
    """The directory at the start of the head."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.streams = 0

    def pieces(self) -> Iterator[Piece]:
        count = self.number()
        if count > MAX_STREAMS:
            raise BadModelFile(DAMAGED)
        for _ in range(count):
            yield self.piece()

    def piece(self) -> Piece:
        after, count, width, values = (self.number() for _ in range(4))
        if count == 0 or width not in WIDTHS or values > 256:
            raise BadModelFile(DAMAGED)
        codebook = self.take(values * width)
        if values:
            return Piece(after, count, width, codebook, (Stream(count, self.frequencies(values)),))
        is_coded = self.take(width)
        if max(is_coded) > 1:
            raise BadModelFile(DAMAGED)
        streams = (Stream(count, self.frequencies(256) if coded else None) for coded in is_coded)
        return Piece(after, count, width, b"", tuple(streams))

    def frequencies(self, count: int) -> NDArray[np.uint32]:
        self.streams += 1
        found = [self.number() for _ in range(count)]
        if self.streams > MAX_STREAMS or sum(found) != TOTAL:
            raise BadModelFile(DAMAGED)
        return np.array(found, np.uint32)

    def number(self) -> int:
        """Seven bits a byte, the lowest first; the high bit says that more follow. At most 32 bits."""
        value = 0
        for shift in range(0, 35, 7):
            (byte,) = self.take(1)
            value |= (byte & 127) << shift
            if byte < 128:
                break
        if byte > 127 or value >> 32:
            raise BadModelFile(DAMAGED)
        return value

    def take(self, count: int) -> bytes:
        found = self.data[self.at : self.at + count]
        if len(found) < count:
            raise BadModelFile(DAMAGED)
        self.at += count
        return found
