"""Where one picture lies in another one: cropped, turned, mirrored, resized, written on, or not at all.

two pictures made small -> at 32 pixels the best form, size and place by correlation -> at 64 pixels the affine map that
leaves the least error (Lucas and Kanade 1981; inverse compositional, Baker and Matthews 2004) -> do they agree there?

A copy agrees nearly everywhere, and what is written on it spoils a few pieces. Two photos of one scene, or two
T-shirts on white, agree in large shapes only, or where one is stretched over the other. Letters: H W pixels.
"""

from typing import NamedTuple

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
"""Sizes at which one picture is searched for the other; the map finds what lies between. The largest fits the canvas."""
_STEPS, _LEAST = 8, 0.6
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
    return Small(pixels.astype(np.float32), np.asarray(gray), edges, energy, np.fft.rfft2(canvas))


def _sized(picture: Image.Image, longer: float) -> Image.Image:
    scale = longer / max(picture.size)
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    return picture.resize(size, Image.Resampling.BILINEAR)


def _edges(gray: Image.Image) -> Floats:
    """Brightness less that of the neighborhood: slow shades, which many pictures share, say little."""
    shades = _sized(gray, max(gray.size) / 8).resize(gray.size, Image.Resampling.BILINEAR)
    return np.asarray(gray) - np.asarray(shades)


def placed(first: Small, second: Small, forms: tuple[int, ...]) -> Placed | None:
    """How they lie to each other, the second laid in one of the forms (`phash.laid`); None for different pictures."""
    best = max(
        (_searched(*pair, _INVERSE.get(form, form) if swapped else form, swapped)
         for form in forms for swapped, pair in enumerate(((first, second), (second, first)))),
        key=lambda start: start.score,
    )  # fmt: skip
    if best.score < LIKELY:
        return None
    outer, inner = (second, first) if best.swapped else (first, second)
    laid_gray, laid_colors = (np.ascontiguousarray(laid(part[None], best.form)[0]) for part in (inner.gray, inner.colors))
    matrix = _mapped(outer.gray, laid_gray, best.matrix)
    if matrix is None:
        return None
    shown, inside = _seen(outer.gray, matrix, laid_gray.shape)
    colors = np.stack([_seen(outer.colors[:, :, at], matrix, laid_gray.shape)[0] for at in range(3)], -1)
    if not _same(laid_gray, laid_colors, shown, colors, inside, matrix):
        return None
    height, width = outer.gray.shape
    covered = min(abs(float(np.linalg.det(matrix[:, :2]))) * laid_gray.size * inside.mean() / (height * width), 1.0)
    shares = float(covered), float(inside.mean())
    angle = float(np.degrees(np.arctan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1])))
    of_first, of_second = shares[::-1] if best.swapped else shares
    mirrored = best.form.bit_count() % 2 == 1
    return Placed(
        mirrored, best.form not in (0, 1), angle, of_first, of_second, _written(laid_gray, shown, inside)
    )  # fmt: skip


class _Start(NamedTuple):
    """Where one picture, as it is, fits best into another one that was made larger."""

    score: float
    form: int
    swapped: bool
    """Whether the first of the two is the one that lies in the other."""
    matrix: NDArray[np.float64]
    """(2, 3): places (x, y, 1) of the inner picture to places (x, y) of the outer one, both at SIDE."""


def _searched(outer: Small, inner: Small, form: int, swapped: int) -> _Start:
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
    return _Start(score, form, bool(swapped), np.array([[scale, 0, x / larger], [0, scale, y / larger]]))


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
        whole = whole @ np.linalg.inv(np.eye(3) + np.vstack([step.reshape(2, 3), [0, 0, 0]]))
        if not 0.1 < np.linalg.det(whole) < 4:
            return None
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


def _same(
    gray: Floats, colors: Floats, shown: Floats, shown_colors: Floats,
    inside: NDArray[np.bool_], matrix: NDArray[np.float64],
) -> bool:  # fmt: skip
    """Whether a picture and what a map shows of another one are one: the one rule for what a copy is."""
    if inside.mean() < INSIDE:
        return False
    stretches = np.linalg.svd(matrix[:, :2], compute_uv=False)
    contrast = shown[inside].std() / max(gray[inside].std(), 1e-3)
    if stretches[0] > STRETCHED * stretches[1] or not 1 / CONTRAST < contrast < CONTRAST:
        return False
    tints = [each - each.mean(2, keepdims=True) for each in (colors, shown_colors)]
    if np.sqrt(np.square(tints[0] - tints[1])[inside].mean()) > COLORS:
        return False
    whole = _pieces(inside).all(1)
    one, other = (_pieces(each)[whole] for each in (gray, shown))
    one, other = one - one.mean(1, keepdims=True), other - other.mean(1, keepdims=True)
    spreads = one.std(1), other.std(1)
    textured = np.maximum(*spreads) > _TEXTURE
    alike = (one * other).mean(1) > ALIKE * spreads[0] * spreads[1]
    return bool(textured.sum() >= FEWEST and alike[textured].mean() >= AGREEING)


def _pieces(picture: NDArray) -> NDArray:  # type: ignore[type-arg]
    """(H, W) -> (pieces, pixels of one)."""
    h, w = (side // _PIECE for side in picture.shape)
    cut = picture[: h * _PIECE, : w * _PIECE].reshape(h, _PIECE, w, _PIECE)
    return cut.swapaxes(1, 2).reshape(h * w, _PIECE * _PIECE)


def _written(gray: Floats, shown: Floats, inside: NDArray[np.bool_]) -> bool:
    error = np.zeros_like(gray)
    error[inside] = _leveled(shown[inside], gray[inside])
    errors = np.sqrt(np.square(_pieces(error)).mean(1))
    return bool(errors.max() > WRITTEN * (np.median(errors) + 1))
