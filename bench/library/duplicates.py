"""Copies of real photos that `eyebright duplicates` finds, beside imagehash and PDQ.

EYEBRIGHT_DATA=FOLDER python bench/library/duplicates.py FOLDER [--tune]
"""

import argparse
import io
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from eyebright.evaluation.intervals import wilson
from eyebright.library import Library, duplicates

sys.path.append(__file__.rsplit("/", 2)[0])
import measure
from data import ALBUMS, folder

Picture = Image.Image
TUNED, REPORTED = 250, 500
SEED = 5
BAR_RECALL, BAR_PRECISION = 0.97, 0.99
BASELINES = {"phash": "pHash 64", "dhash": "dHash 64", "pdq": "PDQ 256"}


def crop(picture: Picture, share: float) -> Picture:
    """Less a share of each side."""
    left, top = round(picture.width * share), round(picture.height * share)
    return picture.crop((left, top, picture.width - left, picture.height - top))


def resize(picture: Picture, share: float) -> Picture:
    size = max(round(picture.width * share), 1), max(round(picture.height * share), 1)
    return picture.resize(size, Image.Resampling.LANCZOS)


def rotate(picture: Picture, cut: bool) -> Picture:
    """By 2 degrees, its corners black or the largest upright part without them."""
    turned = picture.rotate(2, Image.Resampling.BICUBIC)
    sine = np.sin(np.deg2rad(2))
    across, down = np.ceil(picture.height * sine / 2) + 1, np.ceil(picture.width * sine / 2) + 1
    return turned.crop((across, down, picture.width - across, picture.height - down)) if cut else turned


def watermark(picture: Picture) -> Picture:
    """White text with a dark edge across the middle, 30 to 50% of it seen."""
    random = np.random.default_rng(picture.width * picture.height)
    layer = Image.new("RGBA", picture.size, (255, 255, 255, 0))
    size = picture.width // 7
    ImageDraw.Draw(layer).text(
        (picture.width * random.uniform(0.1, 0.25), picture.height * random.uniform(0.2, 0.7)),
        "(c) PHOTO",
        (255, 255, 255, round(255 * random.uniform(0.3, 0.5))),
        ImageFont.load_default(size),
        stroke_width=max(size // 15, 1),
        stroke_fill=(0, 0, 0, 110),
    )
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


WAYS: dict[str, tuple[Callable[[Picture], Picture], int]] = {
    "crop 5%": (lambda picture: crop(picture, 0.05), 85),
    "crop 10%": (lambda picture: crop(picture, 0.1), 85),
    "resize 50%": (lambda picture: resize(picture, 0.5), 85),
    "resize 25%, quality 60": (lambda picture: resize(picture, 0.25), 60),
    "quality 30": (lambda picture: picture, 30),
    "rotate 2, corners cut": (lambda picture: rotate(picture, True), 85),
    "rotate 2, black corners": (lambda picture: rotate(picture, False), 85),
    "mirror": (lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 85),
    "watermark": (watermark, 85),
}
"""What is done to a photo, and the JPEG quality that it is stored with."""


def photos() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of all photos of the archives."""
    for name in (*ALBUMS, "faces.zip"):
        with zipfile.ZipFile(folder() / name) as archive:
            for member in sorted(archive.namelist()):
                if member.lower().endswith((".jpg", ".jpeg")):
                    yield member, archive.read(member)


def made(where: Path, tune: bool) -> None:
    """A folder of photos and of copies of some. To tune: half of all photos, and copies of others than are reported."""
    found = dict(photos())
    names = np.random.default_rng(SEED).permutation(sorted(found)).tolist()
    half = len(names) // 2
    shown, copied = (names[:half], names[:TUNED]) if tune else (names, names[half : half + REPORTED])
    for name in shown:
        place = where / "photos" / name
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(found[name])
    for name in copied:
        picture = Image.open(io.BytesIO(found[name])).convert("RGB")
        for way, (change, quality) in WAYS.items():
            place = where / "copies" / way / name
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                change(picture).save(place, "JPEG", quality=quality)


def indexed(where: Path, library: Path) -> None:
    command = [sys.executable, "-m", "eyebright", "index", str(where), "--library", str(library)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Name(NamedTuple):
    """What a file is: whose copy, made in which way; nothing for the photo itself."""

    photo: str
    way: str


def named(path: str, where: Path) -> Name:
    first, _, rest = str(Path(path).relative_to(where.resolve())).partition("/")
    return Name(rest, "") if first == "photos" else Name(rest.partition("/")[2], rest.partition("/")[0])


class Score(NamedTuple):
    """What one way of looking found."""

    name: str
    found: dict[str, int]
    """By way, how many copies were joined with their photo."""
    right: int
    """Pairs of one photo, of any kind."""
    wrong: list[tuple[Name, Name]]


def ours(where: Path, library: Path) -> Score:
    """Pairs are those that are shown: the file to keep with each other one."""
    began = time.process_time()
    with Library(library) as opened:
        groups = duplicates.find(opened, threads=1).groups
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"eyebright duplicates: {time.process_time() - began:.0f} s of one core, peak {peak:.0f} MiB", flush=True)
    found, right, wrong = dict.fromkeys(WAYS, 0), 0, []
    for group in groups:
        keep = named(group.keep.path, where)
        others = [named(other.file.path, where) for other in group.others]
        mine = [other for other in others if other.photo == keep.photo]
        right += len(mine)
        wrong += [(keep, other) for other in others if other.photo != keep.photo]
        if "" in {keep.way, *(other.way for other in mine)}:
            for name in (keep, *mine):
                if name.way:
                    found[name.way] += 1
    return Score("Eyebright", found, right, wrong)


HASH = """
import sys
import imagehash, numpy as np, pdqhash
from PIL import Image, ImageOps
def bits(picture):
    yield imagehash.phash(picture).hash
    yield imagehash.dhash(picture).hash
    yield pdqhash.compute(np.asarray(picture))[0]
paths = sys.stdin.read().splitlines()
parts = [[] for _ in range(6)]
for path in paths:
    picture = Image.open(path).convert("RGB")
    for part, found in zip(parts, [*bits(picture), *bits(ImageOps.mirror(picture))]):
        part.append(np.packbits(np.asarray(found, np.uint8).ravel()))
names = "phash dhash pdq phash-mirror dhash-mirror pdq-mirror".split()
np.savez(sys.argv[1], **{name: np.stack(part) for name, part in zip(names, parts)})
"""


def hashed(where: Path, python: str, out: Path) -> tuple[list[Name], dict[str, NDArray[np.uint64]]]:
    """Names of all files, and by kind of hash (N, words)."""
    paths = sorted(str(path) for path in where.rglob("*.*") if path.is_file())
    if not out.exists():
        subprocess.run([python, "-c", HASH, str(out)], input="\n".join(paths), text=True, check=True)
    with np.load(out) as made:
        hashes = {name: made[name].view(np.uint64) for name in made.files}
    return [named(str(Path(path).resolve()), where) for path in paths], hashes


class Distances(NamedTuple):
    """Of all pairs of files the distance of their hashes, the nearer of upright and mirrored."""

    of_copies: dict[str, NDArray[np.int64]]
    """By way, (n,): of each copy to its photo."""
    right: NDArray[np.int64]
    """(257,): how many pairs of one photo have which distance."""
    wrong: NDArray[np.int64]


def distances(names: list[Name], upright: NDArray[np.uint64], mirrored: NDArray[np.uint64]) -> Distances:
    photos = np.unique([name.photo for name in names], return_inverse=True)[1]
    originals = {name.photo: at for at, name in enumerate(names) if not name.way}
    right, wrong = np.zeros(257, np.int64), np.zeros(257, np.int64)
    of_copies: dict[str, list[int]] = {way: [] for way in WAYS}
    for at, name in enumerate(names):
        apart = np.minimum(
            np.bitwise_count(upright ^ upright[at]).sum(1), np.bitwise_count(upright ^ mirrored[at]).sum(1)
        )
        mine = photos[at + 1 :] == photos[at]
        right += np.bincount(apart[at + 1 :][mine], minlength=257)
        wrong += np.bincount(apart[at + 1 :][~mine], minlength=257)
        if name.way:
            of_copies[name.way].append(int(apart[originals[name.photo]]))
    return Distances({way: np.array(found) for way, found in of_copies.items()}, right, wrong)


def threshold(apart: Distances) -> int:
    """The highest with a precision of BAR_PRECISION."""
    right, wrong = apart.right.cumsum(), apart.wrong.cumsum()
    return int(np.flatnonzero(right >= BAR_PRECISION * (right + wrong))[-1])


def at(name: str, apart: Distances, most: int) -> tuple[Score, int]:
    found = {way: int((values <= most).sum()) for way, values in apart.of_copies.items()}
    score = Score(f"{name} <= {most}", found, int(apart.right[: most + 1].sum()), [])
    return score, int(apart.wrong[: most + 1].sum())


def told(hits: int, of: int) -> str:
    figure = wilson(hits, of)
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hashes", metavar="PYTHON", required=True, help="one that has imagehash and pdqhash")
    parser.add_argument("--tune", action="store_true", help="only on the photos to tune on")
    given = parser.parse_args()
    print(measure.processor())
    parts = ["tune"] if given.tune else ["tune", "report"]
    for part in parts:
        made(given.folder / part, part == "tune")
    last = given.folder / parts[-1]
    library = given.folder / f"library-{parts[-1]}"
    if not library.exists():
        indexed(last, library)
    scored = ours(last, library)
    count = TUNED if given.tune else REPORTED
    rows = [(scored, len(scored.wrong))]
    apart: dict[str, dict[str, Distances]] = {}
    for part in parts:
        names, hashes = hashed(given.folder / part, given.hashes, given.folder / f"hashes-{part}.npz")
        apart[part] = {kind: distances(names, hashes[kind], hashes[f"{kind}-mirror"]) for kind in BASELINES}
    print(f"{len(names):,} files, {count} photos of them with {len(WAYS)} copies each")
    for kind, name in BASELINES.items():
        rows.append(at(name, apart[parts[-1]][kind], threshold(apart["tune"][kind])))
    print(f"{'recall':<24}" + "".join(f"{score.name:>30}" for score, _ in rows))
    for way in WAYS:
        print(f"{way:<24}" + "".join(f"{told(score.found[way], count):>30}" for score, _ in rows))
    recalls = [told(sum(score.found.values()), count * len(WAYS)) for score, _ in rows]
    print(f"{'all':<24}" + "".join(f"{recall:>30}" for recall in recalls))
    precise = [told(score.right, max(score.right + wrong, 1)) for score, wrong in rows]
    print(f"{'precision of pairs':<24}" + "".join(f"{precision:>30}" for precision in precise))
    print(
        f"{'pairs, wrong ones':<24}" + "".join(f"{f'{score.right + wrong:,}, {wrong:,}':>30}" for score, wrong in rows)
    )
    for one, other in scored.wrong:
        print(f"wrong: {one.way or 'photo'} {one.photo} | {other.way or 'photo'} {other.photo}")
    recall = sum(scored.found.values()) / (count * len(WAYS))
    precision = scored.right / max(scored.right + len(scored.wrong), 1)
    print(f"bars missed: {(recall < BAR_RECALL) + (precision < BAR_PRECISION)}")


if __name__ == "__main__":
    main()
