"""A label from a few examples: what it finds, and whether examples that have nothing in common are declined.

    python bench/library/teach.py FOLDER

The library is clothing's training photos among those of the other sets. Examples are test photos: of one class, of one
class and one of another, and of anything. Average precision of the class among all photos, beside the mean of plain
embeddings and the nearest example; then what is taken for the label. What teach.py does was chosen with examples from
clothing's validation photos.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import eyebright
from eyebright.library.teach import AGREE, SLACK
from eyebright.library.vectors import unit

sys.path.append(__file__.rsplit("/", 2)[0])
import measure
from data import in_a_process

COUNTS, ROUNDS = (2, 3, 5, 10), 10
Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    print(measure.processor())
    photos = in_a_process("different_photos", given.folder / "photos", 5021)
    paths = sorted(path for path in photos.rglob("*") if path.suffix in (".jpg", ".JPEG"))
    kind = np.array([path.parent.name if "clothing" in path.parts else "" for path in paths])
    part = np.array([path.parts[-3] if "clothing" in path.parts else "train" for path in paths])
    seen = unit(eyebright.load().embed(paths))
    library, kinds = seen[part == "train"], kind[part == "train"]
    asked, theirs = seen[part == "test"], kind[part == "test"]
    mean = library.mean(0)
    random = np.random.default_rng(1)
    print(f"{len(library):,} photos, {ROUNDS} draws of each of {len(set(theirs))} classes")
    print("examples | AP | plain mean | nearest | precision | recall | declined: one kind | one odd | anything")
    for count in COUNTS:
        figures, declined = [], []
        for name in sorted(set(theirs)):
            for _ in range(ROUNDS):
                mine = random.permutation(np.flatnonzero(theirs == name))[:count]
                odd = [*mine[:-1], random.choice(np.flatnonzero(theirs != name))]
                anything = random.permutation(len(library))[:count]
                figures.append(judged(library - mean, library, asked[mine], mean, kinds == name))
                some = asked[mine], asked[odd], library[anything]
                declined.append([(agreement(one - mean) < AGREE).any() for one in some])
        print(
            f"{count} | {' | '.join(f'{value:.3f}' for value in [*np.mean(figures, 0), *np.mean(declined, 0)])}",
            flush=True,
        )


def judged(centered: Floats, library: Floats, examples: Floats, mean: Floats, right: NDArray[np.bool_]) -> list[float]:
    """Average precisions of three ways; precision and recall of what is taken for the label."""
    directions = unit(examples - mean)
    scores = unit(centered) @ unit(directions.mean(0))
    taken = scores >= SLACK * agreement(examples - mean).mean()
    ways = scores, library @ unit(examples.mean(0)), (library @ examples.T).max(1)
    precision = (taken & right).sum() / max(taken.sum(), 1)
    return [*(average_precision(way, right) for way in ways), precision, (taken & right).sum() / right.sum()]


def agreement(examples: Floats) -> Floats:
    """The cosine of each to the mean of the others."""
    directions = unit(examples)
    return np.array([float(one @ unit(directions.sum(0) - one)) for one in directions])


def average_precision(scores: Floats, right: NDArray[np.bool_]) -> float:
    hits = right[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


if __name__ == "__main__":
    main()
