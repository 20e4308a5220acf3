"""Perceptual hashes: pictures that look the same have hashes that differ in few bits.

picture -> (32, 32) gray -> its 8 x 8 slowest waves (cosine transform) -> 64 bits, one a wave: is its sign plus?

Mirroring a picture changes the signs of odd waves, turning it exchanges rows and columns: all eight ways to lay a
picture down are hashed from one transform. Hashes find candidates; `detail` tells copies from what is only alike.
Letters: N pictures, 8 forms (numbered as in `laid`).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
"""Pixels a side of what is hashed."""
NEAR = 7
"""Bits in which the hashes of two copies differ at most; benches say how many copies that finds."""
FORMS = 8
"""Ways to lay a picture down: four turns, each mirrored or not."""

_SLOW, _FINE = 8, 16
"""Waves along a side that are hashed, and that `detail` compares."""
_COSINES = (
    np.cos(np.pi * np.arange(_FINE)[:, None] * (2 * np.arange(SIDE) + 1) / (2 * SIDE)) * np.sqrt(2 / SIDE)
).astype(np.float32)
"""(16, 32): rows of the orthonormal DCT-II; the first is only the mean, and its scale does not matter here."""
_ODD = (-1.0) ** np.arange(_SLOW).astype(np.float32)
_ONES = np.ones(_SLOW, np.float32)
_SIGNS = np.stack([np.outer(rows, columns) for rows in (_ONES, _ODD) for columns in (_ONES, _ODD)])
"""(4, 8, 8): what mirroring left to right, top to bottom, and both does to waves."""
_WEAK = 1.0
"""A wave of less than this is none: in a picture that is its own mirror image the sign of odd waves is noise."""

_BANDS = 4
"""Pieces of 16 bits: hashes within 7 bits agree in one of four pieces but for at most one bit."""
_PROBES = np.array([0, *(1 << bit for bit in range(16))], np.int64)
_BLOCK = 64
"""Pictures that are looked up together; it bounds the memory."""
_MOST = 256
"""Pictures with one piece that are looked at, the last before: more share it only where nearly all are alike."""
_CLOSEST = 64
"""Of one picture's partners, how many are given: among thousands that look alike a copy is one of the closest."""


def gray(picture: Image.Image) -> NDArray[np.float32]:
    """An upright picture as (32, 32) brightness, 0..255, its sides stretched to a square."""
    return np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)


def hashes(grays: NDArray[np.float32]) -> NDArray[np.uint64]:
    """(N, 32, 32) brightness -> (N, 8): the hash of each form, that of the picture itself first.

    After pHash (Zauner 2010), with signs in place of the comparison with a median. A picture of one color has hash 0.
    """
    waves = _COSINES[:_SLOW] @ grays @ _COSINES[:_SLOW].T  # (N, 8, 8), of rows and columns
    forms = np.stack((waves, waves.swapaxes(1, 2)), 1)[:, :, None] * _SIGNS  # (N, 2, 4, 8, 8)
    bits = forms.reshape(len(grays), FORMS, -1) > _WEAK
    bits[:, :, 0] = False
    packed: NDArray[np.uint64] = np.packbits(bits, axis=-1).view(np.uint64)[:, :, 0]
    return packed


def detail(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 32, 32) and (N, 32, 32) -> (N,), -1..1: how alike they are down to 16 waves a side; 1 for equal ones.

    The correlation of the square roots of waves, signs kept: strong waves, which many pictures of one kind share, do
    not drown the weak ones that are a picture's own.
    """
    roots = []
    for grays in (one, other):
        waves = (_COSINES @ grays @ _COSINES.T).reshape(len(grays), _FINE * _FINE)[:, 1:]
        root = np.sign(waves) * np.sqrt(np.abs(waves))
        roots.append(root / np.maximum(np.linalg.norm(root, axis=1, keepdims=True), 1e-6))
    likeness: NDArray[np.float32] = np.einsum("nw,nw->n", *roots)
    return likeness


def laid(pictures: NDArray[Any], form: int) -> NDArray[Any]:
    """(N, H, W, ...) in one of the eight forms, a sum: 4 rows and columns exchanged, then 2 upside down, 1 mirrored."""
    turned = pictures.swapaxes(1, 2) if form & 4 else pictures
    flipped = turned[:, ::-1] if form & 2 else turned
    return flipped[:, :, ::-1] if form & 1 else flipped


class Pairs(NamedTuple):
    """Pictures `first[k]` and `second[k] > first[k]`: the first looks like the second laid in `form[k]`."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    form: NDArray[np.int64]


def near(hashes: NDArray[np.uint64]) -> Iterator[Pairs]:
    """Pairs among (N, 8) hashes that differ in at most NEAR bits in their best form, some pictures at a time.

    Finds what comparing all with all finds, in a small part of the time (multi-index hashing, Norouzi et al. 2012,
    arXiv:1307.2982): a table for each piece of 16 bits, asked for each piece and its 16 neighbors. Where hundreds are
    alike it stays fast and gives some of their pairs: at most 64 for each second picture, the closest that were met.
    """
    pieces = np.ascontiguousarray(hashes).view(np.uint16).reshape(len(hashes), FORMS, _BANDS).astype(np.int64)
    tables = [_Table(pieces[:, 0, band]) for band in range(_BANDS)]
    for start in range(0, len(hashes), _BLOCK):
        block = pieces[start : start + _BLOCK]
        found = [table.before(start, block[:, :, band, None] ^ _PROBES) for band, table in enumerate(tables)]
        first, second, form = (np.concatenate(part) for part in zip(*found, strict=True))
        distance = np.bitwise_count(hashes[first, 0] ^ hashes[second, form])
        keep = distance <= NEAR
        yield _closest(first[keep], second[keep], form[keep], distance[keep])


class _Table:
    """Which pictures have which piece, in their order."""

    def __init__(self, pieces: NDArray[np.int64]) -> None:
        self._count = len(pieces)
        self._keys = np.sort(pieces * self._count + np.arange(self._count))

    def before(self, start: int, probes: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """(B, 8, P) pieces that pictures from `start` on ask for: pictures before them that have one, who, its form."""
        own = np.arange(start, start + len(probes))[:, None, None]
        ends = np.searchsorted(self._keys, (probes * self._count + own).ravel())
        starts = np.maximum(np.searchsorted(self._keys, (probes * self._count).ravel()), ends - _MOST)
        counts = ends - starts
        asked = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(len(asked)) - np.repeat(np.cumsum(counts) - counts, counts)
        rows, forms, _ = np.unravel_index(asked, probes.shape)
        return self._keys[starts[asked] + within] % self._count, rows + start, forms


def _closest(first: NDArray[Any], second: NDArray[Any], form: NDArray[Any], distance: NDArray[Any]) -> Pairs:
    """Each pair once, in its best form; the closest partners of each second picture."""
    order = np.lexsort((form, distance, first, second))
    first, second, form, distance = first[order], second[order], form[order], distance[order]
    new = np.ones(len(first), bool)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    first, second, form, distance = first[new], second[new], form[new], distance[new]
    order = np.lexsort((distance, second))
    rank = np.arange(len(order)) - np.searchsorted(second[order], second[order])
    order = order[rank < _CLOSEST]
    return Pairs(first[order], second[order], form[order])
