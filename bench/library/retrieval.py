"""Garments that look like a garment: a library's search beside plain cosines, HOG and color histograms.

    python bench/library/retrieval.py FOLDER

Clothing's training photos are the library. Each way of comparing has forms (size and cells of HOG, bins and space of
the histogram); the form is chosen by precision@10 on validation photos, and judged once on test photos, mean and by
class. Ours has no form to choose. The difference to each is paired, by queries.
"""

import argparse
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import eyebright
from eyebright.evaluation.intervals import bootstrap
from eyebright.library import Library
from eyebright.library.indexer import index
from eyebright.library.search import by_picture

sys.path.append(__file__.rsplit("/", 2)[0])
import measure

SHOWN = 10
Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    print(measure.processor())
    with zipfile.ZipFile(Path(os.environ["EYEBRIGHT_DATA"]) / "clothing.zip") as archive:
        archive.extractall(given.folder, [name for name in archive.namelist() if name.endswith(".jpg")])
    parts = {
        part: sorted((given.folder / "clothing" / part).rglob("*.jpg")) for part in ("train", "validation", "test")
    }
    kinds = {part: np.array([path.parent.name for path in paths]) for part, paths in parts.items()}
    recognizer = eyebright.load()
    seen = {part: unit(recognizer.embed(paths)) for part, paths in parts.items()}
    hits = {"library": searched(given.folder, parts["test"], kinds["test"], recognizer)}
    hits["plain cosine"] = near(seen["train"], seen["test"], kinds["train"], kinds["test"])
    pictures = {part: [Image.open(path).convert("RGB") for path in paths] for part, paths in parts.items()}
    for way, forms in FORMS.items():
        tried = {}
        for form in forms:
            described = {part: unit(np.stack([form(one) for one in some])) for part, some in pictures.items()}
            tried[form.__name__] = (
                near(described["train"], described["validation"], kinds["train"], kinds["validation"]).mean(),
                near(described["train"], described["test"], kinds["train"], kinds["test"]),
            )
            print(f"{form.__name__}: {tried[form.__name__][0]:.3f} on validation")
        best = max(tried, key=lambda name: tried[name][0])
        hits[f"{way} ({best})"] = tried[best][1]
    print(f"\nprecision@{SHOWN}, {len(kinds['test'])} queries among {len(kinds['train']):,} photos")
    for way, each in hits.items():
        print(
            f"{way}: {told(each)}" + (f"; library over it {told(hits['library'] - each)}" if way != "library" else "")
        )
    print("class | " + " | ".join(hits))
    for kind in sorted(set(kinds["test"])):
        mine = kinds["test"] == kind
        print(f"{kind} ({mine.sum()}) | " + " | ".join(f"{each[mine].mean():.3f}" for each in hits.values()))


def searched(folder: Path, queries: list[Path], kinds: NDArray[np.str_], recognizer: eyebright.Recognizer) -> Floats:
    """Precision of each query by the library's own search."""
    with Library(folder / "library", make=True) as library:
        index(library, [folder / "clothing" / "train"], recognizer)
        found = [by_picture(library, 1, recognizer.embed(path), SHOWN) for path in queries]
    return np.array(
        [np.mean([Path(hit.path).parent.name == kind for hit in hits]) for hits, kind in zip(found, kinds, strict=True)]
    )


def near(library: Floats, queries: Floats, theirs: NDArray[np.str_], kinds: NDArray[np.str_]) -> Floats:
    """Precision of each query by cosines with all."""
    top = np.argsort(-(queries @ library.T), axis=1, kind="stable")[:, :SHOWN]
    return (theirs[top] == kinds[:, None]).mean(1)


def hog(side: int, cell: int):
    """Histograms of oriented gradients (Dalal and Triggs 2005): 9 directions, blocks of 2 x 2 cells."""

    def described(picture: Image.Image) -> Floats:
        gray = np.asarray(picture.convert("L").resize((side, side), Image.Resampling.BILINEAR), np.float32)
        down, across = np.gradient(np.sqrt(gray))
        strength, angle = np.hypot(down, across), np.arctan2(down, across) % np.pi / np.pi * 9
        low = angle.astype(int)
        part = angle - low
        count = side // cell
        cells = np.zeros((count, count, 9), np.float32)
        rows, columns = (grid // cell for grid in np.mgrid[:side, :side])
        np.add.at(cells, (rows, columns, low % 9), strength * (1 - part))
        np.add.at(cells, (rows, columns, (low + 1) % 9), strength * part)
        blocks = np.concatenate([cells[:-1, :-1], cells[:-1, 1:], cells[1:, :-1], cells[1:, 1:]], -1)
        blocks = np.minimum(blocks / np.maximum(np.linalg.norm(blocks, axis=-1, keepdims=True), 1e-6), 0.2)
        return (blocks / np.maximum(np.linalg.norm(blocks, axis=-1, keepdims=True), 1e-6)).ravel()

    described.__name__ = f"HOG {side} cells of {cell}"
    return described


def colors(space: str, bins: tuple[int, int, int]):
    """A histogram of all three channels together; square roots, so that a cosine compares distributions."""

    def described(picture: Image.Image) -> Floats:
        pixels = np.asarray(picture.convert(space).resize((64, 64), Image.Resampling.BOX), int).reshape(-1, 3)
        place = np.ravel_multi_index((pixels * bins // 256).T, bins)
        return np.sqrt(np.bincount(place, minlength=int(np.prod(bins)))).astype(np.float32)

    described.__name__ = f"{space} {bins[0]}x{bins[1]}x{bins[2]}"
    return described


FORMS = {
    "HOG": [hog(64, 8), hog(64, 16), hog(96, 8), hog(96, 16), hog(128, 16), hog(128, 32)],
    "colors": [
        colors("RGB", (4, 4, 4)), colors("RGB", (8, 8, 8)), colors("HSV", (8, 4, 4)), colors("HSV", (16, 4, 4)),
        colors("HSV", (16, 8, 8)), colors("YCbCr", (4, 8, 8)),
    ],
}  # fmt: skip


def told(each: Floats) -> str:
    found = bootstrap(lambda weights: weights @ each / weights.sum(1), len(each))
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


if __name__ == "__main__":
    main()
