"""Writing packed files (packed.py reads them): a model file in few bytes, none of it lost.

Each large tensor becomes indices into a codebook, where it has at most 256 different values, or else planes of bytes;
what its entropy promises to be smaller. So weights that share their values (share.py) take about as many bits each as
their indices have entropy.
"""

import lzma
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from eyebright import packed
from eyebright.errors import BadRequest
from eyebright.modelfile import ModelFile
from eyebright.packed import LOW, PRECISION, TOTAL, Piece, Stream, Symbols, Tables

MIN_BYTES = 1024
"""Of a tensor that is cut out; smaller ones are compressed with all the rest."""
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]

Counts = NDArray[Any]


class Account(NamedTuple):
    """What became of a model file."""

    size_bytes: int
    tensors: int
    """That were cut out."""
    weights: int
    """Values in them."""
    bits_per_weight: float
    zeros: float
    """Share of the weights, 0..1."""
    rest_bytes: int
    """Of all else, packed."""


def pack(file: ModelFile) -> bytes:
    """The packed file of a model file: `packed.unpack` gives the same bytes again. The same file, the same bytes."""
    rest, bare = bytearray(), bytearray()
    pieces: list[Piece] = []
    coded: list[tuple[Stream, Symbols]] = []
    at = 0
    for begin, end, width in _tensors(file.data):
        found = _coded(file.data[begin:end], width)
        streams = sum(stream.frequencies is not None for stream in found.streams)
        if len(coded) + streams > packed.MAX_STREAMS or len(pieces) == packed.MAX_STREAMS:
            break
        rest += file.data[at:begin]
        pieces.append(Piece(begin - at, found.length, found.width, found.codebook, found.streams))
        for stream, symbols in zip(found.streams, found.symbols, strict=True):
            if stream.frequencies is None:
                bare += symbols.tobytes()
            else:
                coded.append((stream, symbols))
        at = end
    rest += file.data[at:]
    directory = b"".join([_number(len(pieces)), *map(_entry, pieces)])
    head = lzma.compress(directory + rest, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=FILTERS)
    header = packed.HEADER.pack(
        packed.MAGIC,
        packed.FORMAT,
        bytes.fromhex(file.sha256),
        len(file.data),
        len(head),
        len(directory) + len(rest),
    )
    whole = b"".join([header, head, bare, encode([one for one, _ in coded], [symbols for _, symbols in coded])])
    if len(file.data) > packed.most(len(whole)):
        raise BadRequest(f"{file.path}: nearly all of it is one value over and over, which packed files do not hold.")
    return whole


def account(file: ModelFile, data: bytes) -> Account:
    """The figures of a packed file and the model file that it holds."""
    contents = packed.look(data)
    weights = sum(piece.length for piece in contents.pieces)
    zeros = sum(
        int(np.count_nonzero(np.frombuffer(file.data[begin:end], f"<u{width}") == 0))
        for (begin, end, width), _ in zip(_tensors(file.data), contents.pieces, strict=False)
    )
    return Account(
        size_bytes=len(data),
        tensors=len(contents.pieces),
        weights=weights,
        bits_per_weight=8 * len(contents.body) / max(weights, 1),
        zeros=zeros / max(weights, 1),
        rest_bytes=len(data) - len(contents.body),
    )


def encode(streams: list[Stream], symbols: list[Symbols]) -> bytes:
    """The other side of `packed.decode`: it works backwards, so that reading runs forwards."""
    tables = Tables(streams)
    every = np.concatenate(symbols) if symbols else np.empty(0, np.uint8)
    states = np.full(packed.lanes_of(tables.count), LOW, np.uint64)
    words = []
    for step, row_of in reversed(list(tables.steps())):
        state = states[: step.stop - step.start]
        frequency = tables.frequencies[row_of, every[step]].astype(np.uint64)
        full = state >= frequency << (32 - PRECISION)
        words.append((state[full] & 0xFFFF).astype("<u2").tobytes())
        state[full] >>= 16
        before = tables.before[row_of, every[step]]
        state[:] = (state // frequency << PRECISION) + state % frequency + before
    return states.astype("<u4").tobytes() + b"".join(reversed(words))


def frequencies_of(counts: Counts) -> NDArray[np.uint32]:
    """Frequencies that add up to TOTAL, at least 1 for what occurs, as near to the counts as costs fewest bits."""
    occurs = counts > 0
    found = np.where(occurs, np.maximum(np.rint(counts * (TOTAL / counts.sum())), 1), 0)
    while (off := int(found.sum()) - TOTAL) != 0:
        step = -1 if off > 0 else 1
        may = occurs & (found + step >= 1)
        cost = np.where(may, -counts * np.log2(np.maximum(found + step, 1) / np.maximum(found, 1)), np.inf)
        found[cost.argmin()] += step
    return found.astype(np.uint32)


def entropy_bits(counts: Counts) -> float:
    """The fewest bits that symbols with these counts take, each coded without regard to the others."""
    some = counts[counts > 0]
    return float((some * np.log2(some.sum() / some)).sum())


class _Coded(NamedTuple):
    """A tensor as streams, and their symbols."""

    length: int
    width: int
    codebook: bytes
    streams: tuple[Stream, ...]
    symbols: tuple[Symbols, ...]


def _tensors(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where in a model file the bytes of a large tensor begin and end, and how many a value has; in rising order."""
    at = 0
    for tensor in onnx.load_from_string(data).graph.initializer:
        held = tensor.raw_data or np.array(tensor.float_data, "<f4").tobytes()
        begin = data.find(held, at) if len(held) >= MIN_BYTES else -1
        if begin >= 0:
            width = len(held) // max(int(np.prod(tensor.dims)), 1)
            yield begin, begin + len(held), width if width in packed.WIDTHS and len(held) % width == 0 else 1
            at = begin + len(held)


def _coded(data: bytes, width: int) -> _Coded:
    """The smaller of a codebook and byte planes, by what their entropy promises."""
    values = np.frombuffer(data, f"<u{width}")
    planes = tuple(np.ascontiguousarray(plane) for plane in np.frombuffer(data, np.uint8).reshape(-1, width).T)
    streams = tuple(_stream(plane) for plane in planes)
    different, which, often = np.unique(values, return_inverse=True, return_counts=True)
    if len(different) <= 256 and _code_bytes(often) + width * len(often) <= sum(map(_stream_bytes, streams)):
        shared = Stream(len(values), frequencies_of(often))
        return _Coded(len(values), width, different.tobytes(), (shared,), (which.astype(np.uint8),))
    return _Coded(len(values), width, b"", streams, planes)


def _stream(plane: Symbols) -> Stream:
    counts = np.bincount(plane, minlength=256)
    return Stream(len(plane), frequencies_of(counts) if _code_bytes(counts) < len(plane) else None)


def _code_bytes(counts: Counts) -> float:
    return entropy_bits(counts) / 8 + 1.5 * np.count_nonzero(counts)


def _stream_bytes(stream: Stream) -> float:
    if stream.frequencies is None:
        return stream.length
    share = stream.frequencies[stream.frequencies > 0] / TOTAL
    return float(-(share * np.log2(share)).sum()) * stream.length / 8 + 1.5 * len(share)


def _entry(piece: Piece) -> bytes:
    """A piece in the directory."""
    values = len(piece.codebook) // piece.width
    parts = [*map(_number, (piece.after, piece.length, piece.width, values)), piece.codebook]
    if not values:
        parts.append(bytes(stream.frequencies is not None for stream in piece.streams))
    for stream in piece.streams:
        if stream.frequencies is not None:
            parts += map(_number, stream.frequencies.tolist())
    return b"".join(parts)


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
