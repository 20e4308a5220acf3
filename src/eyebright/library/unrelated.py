"""How near pictures come that have nothing to do with a library: what is not nearer is not similar.

A constant cannot tell: among clothes all is nearer to all than among holidays. So the library itself is asked, with
pictures that are made of its own photos and show none of them: mosaics of pieces of 36. A search may find something for
the stated share of these. docs/benchmarks.md says how that holds for photos of other things, and what else was tried.

photos -> mosaics -> embeddings -> the cosine of the nearest photo to each -> a file beside the library -> a cut-off
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyebright import images
from eyebright.errors import EyebrightError
from eyebright.library.database import Library
from eyebright.library.vectors import blocks, row_hash, unit
from eyebright.preprocessing import Pixels, fit, shorter_side
from eyebright.recognize import Recognizer
from eyebright.recognize.stream import in_order

RATE = 0.01
"""Share of searches for what the library does not hold that may find something."""
MOSAICS, SIDE = 300, 6
"""How many, and pieces along a side of one."""
SOURCES = 128
"""Photos that pieces are taken from."""
FEWEST = 100
"""Of fewer photos nothing is said."""
OUTGROWN = 0.1
"""All is done anew when the library has so large a share more, or fewer, photos."""
_TOGETHER = 4
Floats = NDArray[np.float32]


class Null(msgspec.Struct, frozen=True):
    """How near what is unrelated comes."""

    count: int
    """Photos at that time."""
    nearest: Annotated[tuple[float, ...], msgspec.Meta(min_length=1)]
    """Of each mosaic the cosine of the photo that is nearest to it; in rising order."""
    of: str = ""
    """Which library and model (`whose`)."""

    def cutoff(self, rate: float = RATE) -> float:
        """The cosine that so large a share of searches for what is not there reaches."""
        return float(np.quantile(self.nearest, 1 - rate))


def null(library: Library, model: int) -> Null | None:
    """What was found for this library; None where it is too small, or was not looked at yet."""
    try:
        found = msgspec.json.decode(place(library, model).read_bytes(), type=Null)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if found.of == whose(library, model) else None


def whose(library: Library, model: int) -> str:
    """What the first photo is that a model saw, hashed: another library may lie in this folder one day."""
    return row_hash(library, int(str(library.value("SELECT min(id) FROM embedding WHERE model = ?", model) or 0)))


def refresh(library: Library, model: int, recognizer: Recognizer) -> None:
    """Look at mosaics, if the library has grown much since that was done; nothing where it is too small."""
    count = int(str(library.value("SELECT count(DISTINCT photo) FROM embedding WHERE model = ?", model)))
    known = null(library, model)
    if count < FEWEST or (known and abs(count - known.count) <= OUTGROWN * known.count):
        return
    some = list(pieces(library, model, recognizer))
    if len(some) < SIDE * SIDE:
        return
    mosaics = unit(np.stack(list(seen(some, recognizer))))
    nearest = np.full(len(mosaics), -1.0)
    for _, vectors in blocks(library, model):
        nearest = np.maximum(nearest, (mosaics @ vectors.astype(np.float32).T).max(1))
    keep(library, model, Null(count, tuple(np.sort(nearest).round(4).tolist()), whose(library, model)))


def pieces(library: Library, model: int, recognizer: Recognizer) -> Iterator[Pixels]:
    """Photos of the library as the network sees them, (H, W, 3)."""
    sql = (
        "SELECT min(path) FROM file JOIN photo ON photo.id = photo WHERE NOT gone AND kind = 'picture' "
        "AND format != 'raw' AND photo IN (SELECT photo FROM embedding WHERE model = ?) GROUP BY photo ORDER BY photo"
    )
    paths = [path for (path,) in library.rows(sql, model)]
    spec = recognizer.metadata.input
    for at in np.random.default_rng(0).permutation(len(paths))[:SOURCES]:
        try:
            picture = images.decode(images.read_file(paths[at]), shorter_side(spec, recognizer.size))
        except EyebrightError:
            continue
        yield fit(picture, spec, recognizer.size)


def seen(photos: list[Pixels], recognizer: Recognizer) -> Iterator[Floats]:
    """The embeddings of mosaics, (D,) each."""
    random = np.random.default_rng(0)
    mosaics = [mosaic(photos, random) for _ in range(MOSAICS)]

    def look(some: list[Pixels]) -> list[Floats]:
        (found,) = recognizer.runtime.run(np.stack(some), ["embedding"])
        return list(found)

    return in_order(look, mosaics, recognizer.threads, _TOGETHER)


def mosaic(photos: list[Pixels], random: np.random.Generator) -> Pixels:
    """A picture of pieces, each from a place of its own in another photo."""
    height, width = photos[0].shape[:2]
    tall, wide = height // SIDE, width // SIDE
    whole = photos[0].copy()
    for number, source in enumerate(random.permutation(len(photos))[: SIDE * SIDE].tolist()):
        row, column = divmod(number, SIDE)
        top, left = random.integers(0, height - tall + 1), random.integers(0, width - wide + 1)
        piece = photos[source][top : top + tall, left : left + wide]
        whole[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide] = piece
    return whole


def place(library: Library, model: int) -> Path:
    return library.folder / f"unrelated-{model}.json"


def keep(library: Library, model: int, made: Null) -> None:
    path = place(library, model)
    beside = path.with_suffix(".part")
    try:
        beside.write_bytes(msgspec.json.encode(made))
        beside.replace(path)
    except OSError:  # a full disk; it is derived, and made the next time
        beside.unlink(missing_ok=True)
