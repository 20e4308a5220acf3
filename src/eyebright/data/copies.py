"""Copies in a data set: the same bytes, or the same picture resized, compressed again, turned or mirrored.

Hashes propose pairs, and small versions decide: in color, and in detail. In some sets nearly everything is alike (cuts
of garments on black, frames of one film): a pair has to stand out from what else looks like its two pictures, and
where look-alikes are the rule, nothing but equal bytes is called a copy.
Copies that show another part of a picture are not found: a crop of 5% on each side moves what is compared.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright import phash
from eyebright.data.look import Look

SAME_COLORS = 0.97
"""Correlation of two pictures at 16 x 16 in color, at least; also what makes two pictures look alike."""
SAME_DETAIL = 0.94
"""`phash.detail` of them, at least."""
SAME_CONTRAST = 1.25
"""How many times the contrast of one the other may have."""
STANDS_OUT = 3
"""So many times closer than the tenth most alike picture a copy has to be."""
MANY = 0.05
"""Where pairs that are alike and no copies are more than this share of all pictures, only equal bytes are sure."""
_TENTH = 10
_ALIKE = 0.9
_AT_ONCE = 4000


class Pair(NamedTuple):
    """Two looks by their places, `first < second`."""

    first: int
    second: int
    form: int | None
    """How the second must be laid to look like the first, as in `phash.laid`; None: their bytes are the same."""

    @property
    def turned(self) -> bool:
        """Whether one is a mirrored or turned copy of the other."""
        return bool(self.form)


@dataclass(frozen=True)
class Copies:
    """What was found."""

    pairs: list[Pair]
    """Surely the same picture."""
    alike: list[Pair]
    """Alike in colors, but not in detail, or not more than others are; the likeliest copies first."""


def find(looks: Sequence[Look]) -> Copies:
    """All copies among pictures that could be read; a blank one has copies by its bytes only."""
    same: dict[bytes, list[int]] = defaultdict(list)
    for place, seen in enumerate(looks):
        if not seen.problem:
            same[seen.identity].append(place)
    equal = [Pair(group[0], other, None) for group in same.values() for other in group[1:]]
    places = np.array([group[0] for group in same.values() if not looks[group[0]].blank], np.int64)
    if len(places) < 2:
        return Copies(equal, [])
    found = _candidates([looks[place] for place in places])
    sure = _sure(found, len(places))
    copies, alike = list[Pair](), list[Pair]()
    for at in np.lexsort((-found.colors, ~sure)):
        pair = Pair(int(places[found.first[at]]), int(places[found.second[at]]), int(found.form[at]))
        if found.colors[at] < SAME_COLORS or looks[pair.first].item.name == looks[pair.second].item.name:
            continue  # hardly alike, or two boxes in one picture
        (copies if sure[at] else alike).append(pair)
    if len(alike) > MANY * len(places):
        return Copies(equal, copies + alike)
    return Copies(equal + copies, alike)


class _Candidates(NamedTuple):
    """Pairs that may be copies, and how alike they are: (P,) each."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    form: NDArray[np.int64]
    colors: NDArray[np.float32]
    exact: NDArray[np.bool_]
    """Whether detail and contrast agree too."""


def _candidates(looks: Sequence[Look]) -> _Candidates:
    """Pairs of near hashes whose colors correlate by more than _ALIKE."""
    grays = np.stack([seen.gray32 for seen in looks if seen.gray32 is not None])
    colors = np.stack([seen.colors for seen in looks if seen.colors is not None])
    hashes = [phash.hashes(grays[at : at + _AT_ONCE].astype(np.float32)) for at in range(0, len(grays), _AT_ONCE)]
    found: list[_Candidates] = []
    for pairs in phash.near(np.concatenate(hashes)):
        for form in np.unique(pairs.form):
            of_form = np.flatnonzero(pairs.form == form)
            for at in range(0, len(of_form), _AT_ONCE):
                part = of_form[at : at + _AT_ONCE]
                found.append(_compared(pairs.first[part], pairs.second[part], int(form), grays, colors))
    if not found:
        none = np.empty(0, np.int64)
        return _Candidates(none, none, none, np.empty(0, np.float32), np.empty(0, np.bool_))
    return _Candidates(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _compared(
    first: NDArray[np.int64], second: NDArray[np.int64], form: int, grays: NDArray[np.uint8], colors: NDArray[np.uint8]
) -> _Candidates:
    one, one_spread = _centered(colors[first])
    other, other_spread = _centered(phash.laid(colors[second], form))
    likeness = np.einsum("nd,nd->n", one, other) / np.maximum(one_spread * other_spread, 1e-6)
    keep = likeness > _ALIKE
    first, second, likeness = first[keep], second[keep], likeness[keep]
    contrast = one_spread[keep] / np.maximum(other_spread[keep], 1e-6)
    detail = phash.detail(grays[first].astype(np.float32), phash.laid(grays[second], form).astype(np.float32))
    exact = (detail >= SAME_DETAIL) & (np.abs(np.log(np.maximum(contrast, 1e-6))) <= np.log(SAME_CONTRAST))
    return _Candidates(first, second, np.full(len(first), form), likeness, exact)


def _centered(colors: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, 16, 16, 3) -> (N, 768) without the mean of each color, and its length (N,)."""
    floats = colors.astype(np.float32)
    flat = (floats - floats.mean((1, 2), keepdims=True)).reshape(len(colors), -1)
    return flat, np.linalg.norm(flat, axis=1)


def _sure(pairs: _Candidates, count: int) -> NDArray[np.bool_]:
    """(P,): which pairs are copies."""
    tenth = np.zeros(count, np.float32)  # of each picture: how alike its tenth most alike one is
    picture = np.concatenate((pairs.first, pairs.second))
    likeness = np.concatenate((pairs.colors, pairs.colors))
    order = np.lexsort((-likeness, picture))
    picture, likeness = picture[order], likeness[order]
    is_tenth = np.arange(len(order)) - np.searchsorted(picture, picture) == _TENTH - 1
    tenth[picture[is_tenth]] = likeness[is_tenth]
    bar = np.maximum(SAME_COLORS, 1 - (1 - tenth) / STANDS_OUT)
    sure: NDArray[np.bool_] = pairs.exact & (pairs.colors >= np.maximum(bar[pairs.first], bar[pairs.second]))
    return sure
