"""Does a library say "nothing similar" to pictures of what it does not hold, at the rate that it states?

    python bench/library/nothing_similar.py FOLDER

Each of four sets of photos is a library of its own, of four in five of its photos. Asked for are all photos of the
other sets, of which 1% may find something, and the fifth that was held out, which should. The sets overlap: people in
the street wear clothes, and ImageNet has clothes, fire engines and forests. Animals are the classes of ImageNet that
none of the others has, so their figure is the cleanest one.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import eyebright
from eyebright.evaluation.intervals import wilson
from eyebright.library import Library
from eyebright.library.indexer import index
from eyebright.library.unrelated import null
from eyebright.library.vectors import Vectors

sys.path.append(__file__.rsplit("/", 2)[0])
import measure
from data import in_a_process

SETS = "clothing", "street-fashion", "fire", "imagenet-sample"
ANIMALS = 398
"""The first classes of ImageNet, in the order of its ids."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    print(measure.processor())
    photos = in_a_process("different_photos", given.folder / "photos", 5021)
    recognizer = eyebright.load()
    files = {name: sorted((photos / name).rglob("*.*")) for name in SETS}
    files = {name: [path for path in some if path.suffix in (".jpg", ".JPEG")] for name, some in files.items()}
    seen = {name: recognizer.embed(some) for name, some in files.items()}
    print("library | photos | cut-off | held out: found | others: found")
    for name in SETS:
        held_out = np.arange(len(files[name])) % 5 == 0
        with Library(given.folder / f"library-{name}", make=True) as library:
            index(library, [linked(given.folder / f"part-{name}", files[name], ~held_out)], recognizer)
            vectors, cutoff = Vectors(library, 1), null(library, 1).cutoff()
            print(f"{name} | {vectors.count:,} | {cutoff:.3f} | {told(vectors, seen[name][held_out], cutoff)}", end="")
            for other in SETS:
                if other != name:
                    print(f" | {other} {told(vectors, seen[other], cutoff)}", end="")
            if name != "imagenet-sample":
                print(f" | of these, animals {told(vectors, seen['imagenet-sample'][:ANIMALS], cutoff)}", end="")
            print(flush=True)


def linked(folder: Path, files: list[Path], kept: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    for number in np.flatnonzero(kept).tolist():
        link = folder / f"{number:05}{files[number].suffix}"
        if not link.exists():
            link.hardlink_to(files[number])
    return folder


def told(vectors: Vectors, queries: np.ndarray, cutoff: float) -> str:
    """The share of queries that find something."""
    found = sum(vectors.nearest(query, 1)[0].score >= cutoff for query in queries)
    share = wilson(found, len(queries))
    return f"{100 * share.value:.1f}% ({100 * share.low:.1f} to {100 * share.high:.1f})"


if __name__ == "__main__":
    main()
