"""Where one picture lies in another one: cropped, turned, mirrored, resized, written on, or not at all.

two pictures made small -> at 32 pixels the best form, size and place by correlation -> at 64 pixels the affine map that
leaves the least error (Lucas and Kanade 1981; inverse compositional, Baker and Matthews 2004) -> do they agree there?

A copy agrees nearly everywhere, and what is written on it spoils a few pieces. Two photos of one scene, or two
T-shirts on white, agree in large shapes only, or where one is stretched over the other. Letters: H W pixels.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyebright.phash import laid

SIDE = 64
"""Pixels of the longer side at which pictures are compared."""
LIKELY = 0.55
"""Correlation of edges at COARSE, from which on a map is looked for."""
AGREEING, ALIKE = 0.75, 0.8
"""Share of pieces that must agree, and the correlation from which on one does."""
FEWEST = 6
"""Pieces that show anything, at least."""
STRETCHED = 1.05
"""How much wider than high a map may make things."""
CONTRAST = 1.3
"""How many times the contrast of one the other may have."""
COLORS = 12.0
"""Root mean square of what differs in color, brightness apart, of 255; a small JPEG has blurred colors."""
INSIDE = 0.88
"""Share of the smaller picture that must lie in the larger one."""
ROTATED = 1.0
"""Degrees from which on a picture was rotated."""
WRITTEN = 3.5
"""Where the error of a piece is so many times the median one, something was written or painted there."""

_COARSE, _CANVAS = 32, 48
_ZOOMS = (1.0, 1.12, 1.26, 1.41)
"""Sizes at which one picture is searched for the other; what lies between is left to the map. All fit the canvas."""
_STILL = 0.02
"""Pixels that a step moves the far corner, below which it is the last."""
_TRIES, _STEPS, _LEAST = 3, 8, 0.6
"""Places that a map is looked for from, steps to it, and the share of the inner picture that must stay inside."""
_PIECE, _TEXTURE = 8, 4.0
"""Pixels a side of a piece, and the spread of brightness, of 255, from which on it shows something."""
_INVERSE = {5: 6, 6: 5}
"""Of the forms in `phash.laid` all are their own inverse but the quarter turns."""
Floats = NDArray[np.float32]


class Small(NamedTuple):
    """A picture as it is compared."""

    colors: Floats
    """(H, W, 3), 0..255, the longer side SIDE."""
    gray: Floats
    edges: list[Floats]
    """At each of the zooms."""
    energy: list[NDArray[np.float64]]
    """Sums of the squares of edges above and left of each place."""
    spectra: NDArray[np.complex64]


class Placed(NamedTuple):
    """How two pictures that are one lie to each other."""

    mirrored: bool
    turned: bool
    """By a quarter or by half."""
    angle: float
    """Degrees beside that."""
    of_first: float
    """Share of the first that the second shows too, 0..1."""
    of_second: float
    written: bool
    """Whether something was written or painted on one of them."""

    @property
    def rotated(self) -> bool:
        return abs(self.angle) >= ROTATED

    @property
    def plain(self) -> bool:
        """Whether they differ in size, compression and edges only."""
        return not (self.mirrored or self.turned or self.rotated or self.written)


def shrunk(picture: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3): what is kept of an upright picture, the longer side SIDE."""
    return np.asarray(_sized(picture, SIDE))


def small(pixels: NDArray[np.uint8]) -> Small:
    """What `placed` takes, from what `shrunk` gave."""
    gray = Image.fromarray(pixels).convert("L").convert("F")
    edges = [_edges(_sized(gray, _COARSE * zoom)) for zoom in _ZOOMS]
    canvas = np.zeros((len(edges), _CANVAS, _CANVAS), np.float32)
    for page, shown in zip(canvas, edges, strict=True):
        page[: shown.shape[0], : shown.shape[1]] = shown
    energy = [np.pad(np.cumsum(np.cumsum(shown**2.0, 0), 1), ((1, 0), (1, 0))) for shown in edges]
    return Small(pixels.astype(np.float32), np.asarray(gray), edges, energy, np.fft.rfft2(canvas).astype(np.complex64))


def _sized(picture: Image.Image, longer: float) -> Image.Image:
    scale = longer / max(picture.size)
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    return picture.resize(size, Image.Resampling.BILINEAR)


def _edges(gray: Image.Image) -> Floats:
    """Brightness less that of the neighborhood: slow shades, which many pictures share, say little."""
    shades = _sized(gray, max(gray.size) / 8).resize(gray.size, Image.Resampling.BILINEAR)
    found: Floats = np.asarray(gray) - np.asarray(shades)
    return found


def placed(first: Small, second: Small, forms: Sequence[int]) -> Placed | None:
    """How they lie to each other, the second laid in one of the forms (`phash.laid`); None for different pictures."""
    if min(*first.gray.shape, *second.gray.shape) < _PIECE:
        return None  # strips
    starts = [_searched(first, second, form, swapped=False) for form in forms]
    starts += [_searched(second, first, _INVERSE.get(form, form), swapped=True) for form in forms]
    starts.sort(key=lambda start: -start.score)
    for start in starts[:_TRIES]:
        outer, inner = (second, first) if start.swapped else (first, second)
        found = _compared(outer, inner, start) if start.score >= LIKELY else None
        if found:
            return found
    return None


class _Start(NamedTuple):
    """Where one picture, as it is, fits best into another one that was made larger."""

    score: float
    form: int
    swapped: bool
    """Whether the first of the two is the one that lies in the other."""
    matrix: NDArray[np.float64]
    """(2, 3): places (x, y, 1) of the inner picture to places (x, y) of the outer one, both at SIDE."""


def _searched(outer: Small, inner: Small, form: int, swapped: bool) -> _Start:
    """The best of all sizes and places."""
    shown = np.ascontiguousarray(laid(inner.edges[0][None], form)[0])
    h, w = shown.shape
    spectrum = np.fft.rfft2(shown, (_CANVAS, _CANVAS))
    products = np.fft.irfft2(outer.spectra * spectrum.conj(), (_CANVAS, _CANVAS))
    length = max(float(np.linalg.norm(shown)), 1e-3)
    score, zoom, y, x = 0.0, 0, 0, 0
    for at, sums in enumerate(outer.energy):
        down, right = sums.shape[0] - h, sums.shape[1] - w
        if down < 1 or right < 1:
            continue
        energy = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]
        scores = products[at, :down, :right] / (length * np.sqrt(np.maximum(energy, 1.0)))
        place = int(np.argmax(scores))
        if scores.flat[place] > score:
            score, zoom, (y, x) = float(scores.flat[place]), at, divmod(place, right)
    larger = outer.edges[zoom].shape[1] / outer.gray.shape[1]
    scale = _COARSE / SIDE / larger
    return _Start(score, form, swapped, np.array([[scale, 0, x / larger], [0, scale, y / larger]]))


def _compared(outer: Small, inner: Small, start: _Start) -> Placed | None:
    """How they lie to each other, found from where they may; None for different pictures."""
    gray, colors = (np.ascontiguousarray(laid(part[None], start.form)[0]) for part in (inner.gray, inner.colors))
    matrix = _mapped(outer.gray, gray, start.matrix)
    if matrix is None:
        return None
    shown, inside = _seen(outer.gray, matrix, gray.shape)
    if inside.mean() < INSIDE or not _lies_well(matrix) or not _agree(gray, shown, inside):
        return None
    tints = np.stack([_seen(outer.colors[:, :, at], matrix, gray.shape)[0] for at in range(3)], -1)
    if not _of_one_color(colors[inside], tints[inside]):
        return None
    of_inner = float(inside.mean())
    of_outer = min(float(np.linalg.det(matrix[:, :2])) * gray.size * of_inner / outer.gray.size, 1.0)
    return Placed(
        mirrored=start.form.bit_count() % 2 == 1,
        turned=start.form not in (0, 1),
        angle=float(np.degrees(np.arctan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1]))),
        of_first=of_inner if start.swapped else of_outer,
        of_second=of_outer if start.swapped else of_inner,
        written=_written(gray, shown, inside),
    )


def _mapped(outer: Floats, inner: Floats, matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The affine map near a first one that leaves the least error; None where it leads out of the picture."""
    down, right = np.gradient(inner)
    y, x = np.mgrid[: inner.shape[0], : inner.shape[1]].astype(np.float32) + 0.5
    steepest = np.stack([right * x, right * y, right, down * x, down * y, down], -1)  # (h, w, 6)
    whole = np.vstack([matrix, [0, 0, 1]])
    for _ in range(_STEPS):
        shown, inside = _seen(outer, whole[:2], inner.shape)
        if inside.mean() < _LEAST:
            return None
        error = _leveled(shown[inside], inner[inside])
        slopes = steepest[inside]
        step = np.linalg.solve(slopes.T @ slopes + 1e-2 * np.eye(6), slopes.T @ error)
        change = np.eye(3) + np.vstack([step.reshape(2, 3), [0, 0, 0]])
        if not 0.5 < np.linalg.det(change) < 2:
            return None
        whole = whole @ np.linalg.inv(change)
        if np.abs(step.reshape(2, 3) @ (inner.shape[1], inner.shape[0], 1)).max() < _STILL:
            break
    return whole[:2]


def _seen(picture: Floats, matrix: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[Floats, NDArray[np.bool_]]:
    """(h, w): a picture through a map, and where that is in the picture."""
    how = Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BILINEAR
    shown = np.asarray(Image.fromarray(picture).transform((shape[1], shape[0]), *how, fillcolor=-1))
    return shown, shown >= 0


def _leveled(one: Floats, other: Floats) -> Floats:
    """(N,): what differs when brightness and contrast of the first are made those of the other."""
    found: Floats = (one - one.mean()) * (other.std() / max(one.std(), 1e-3)) - (other - other.mean())
    return found


def _lies_well(matrix: NDArray[np.float64]) -> bool:
    """Whether a map stretches nothing."""
    stretches = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return bool(stretches[0] <= STRETCHED * stretches[1])


def _agree(gray: Floats, shown: Floats, inside: NDArray[np.bool_]) -> bool:
    """Whether two pictures are of about one contrast, and alike in most pieces that show anything."""
    contrast = shown[inside].std() / max(gray[inside].std(), 1e-3)
    if not 1 / CONTRAST < contrast < CONTRAST:
        return False
    whole = _pieces(inside).all(1)
    one, other = (_pieces(each)[whole] for each in (gray, shown))
    one, other = one - one.mean(1, keepdims=True), other - other.mean(1, keepdims=True)
    spread, other_spread = one.std(1), other.std(1)
    textured = np.maximum(spread, other_spread) > _TEXTURE
    alike = (one * other).mean(1) > ALIKE * spread * other_spread
    return bool(textured.sum() >= FEWEST and alike[textured].mean() >= AGREEING)


def _of_one_color(one: Floats, other: Floats) -> bool:
    """Of (N, 3) pixels: whether they have about the same colors, brightness apart."""
    one, other = one - one.mean(1, keepdims=True), other - other.mean(1, keepdims=True)
    return bool(np.sqrt(np.square(one - other).mean()) <= COLORS)


def _pieces(picture: NDArray[Any]) -> NDArray[Any]:
    """(H, W) -> (pieces, pixels of one)."""
    h, w = (side // _PIECE for side in picture.shape)
    cut = picture[: h * _PIECE, : w * _PIECE].reshape(h, _PIECE, w, _PIECE)
    return cut.swapaxes(1, 2).reshape(h * w, _PIECE * _PIECE)


def _written(gray: Floats, shown: Floats, inside: NDArray[np.bool_]) -> bool:
    """Whether the error stands out in some piece."""
    error = np.zeros_like(gray)
    error[inside] = _leveled(shown[inside], gray[inside])
    errors = np.sqrt(np.square(_pieces(error)).mean(1))
    return bool(errors.max() > WRITTEN * (np.median(errors) + 1))
