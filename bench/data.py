"""Data for the benches: found through EYEBRIGHT_DATA (a folder), or made from what is there."""

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def folder() -> Path:
    """The folder with the data sets; ends the program with a sentence where there is none."""
    if not os.environ.get("EYEBRIGHT_DATA"):
        sys.exit("Set EYEBRIGHT_DATA to the folder that holds imagenet-sample.zip and the other sets.")
    return Path(os.environ["EYEBRIGHT_DATA"])


def imagenet_sample() -> list[tuple[str, bytes]]:
    """(wnid, bytes) of 1000 photos, one of each class, in the order of the classes."""
    with zipfile.ZipFile(folder() / "imagenet-sample.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpeg", ".jpg")))
        return [(name.split("/")[-1].split("_")[0], archive.read(name)) for name in names]


def large_photos(where: Path, count: int) -> list[Path]:
    """`count` 12-megapixel JPEGs (4032 x 3024, quality 92, 4:2:0) made from real photos and sensor noise."""
    where.mkdir(parents=True, exist_ok=True)
    paths = [where / f"photo-{at:04}.jpg" for at in range(count)]
    photos = imagenet_sample()
    step = len(photos) // count
    random = np.random.default_rng(0)
    noise = random.normal(0, 3, (3024, 4032, 1)).astype(np.float32)
    for at, path in enumerate(paths):
        if path.exists():
            continue
        picture = Image.open(io.BytesIO(photos[at * step][1])).convert("RGB")
        scale = max(4032 / picture.width, 3024 / picture.height)
        left, top = max(picture.width - 4032 / scale, 0) / 2, max(picture.height - 3024 / scale, 0) / 2
        box = (left, top, picture.width - left, picture.height - top)
        large = np.asarray(picture.resize((4032, 3024), Image.Resampling.BICUBIC, box=box), np.float32)
        noisy = large + np.roll(noise, tuple(random.integers(0, 3000, 2)), (0, 1))
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path, quality=92, subsampling="4:2:0")
    return paths


def small_photos(where: Path, count: int) -> Path:
    """A folder of `count` small photos: the sample's, again and again under new names."""
    where.mkdir(parents=True, exist_ok=True)
    photos = imagenet_sample()
    for at in range(count):
        path = where / f"photo-{at:06}.jpg"
        if not path.exists():
            path.write_bytes(photos[at % len(photos)][1])
    return where


ALBUMS = ("imagenet-sample.zip", "clothing.zip", "street-fashion.zip", "fire.zip")


def different_photos(where: Path, count: int) -> Path:
    """A folder of `count` photos, no two the same: all of the archives of photos, a folder each, then CIFAR-10's."""
    taken = 0
    for name in ALBUMS:
        with zipfile.ZipFile(folder() / name) as archive:
            for member in sorted(archive.namelist()):
                if member.lower().endswith((".jpg", ".jpeg")) and taken < count:
                    taken += _placed(where / member, lambda member=member, archive=archive: archive.read(member))
    if taken < count:
        with tarfile.open(folder() / "cifar10.tar.xz") as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(".jpg") and taken < count:
                    taken += _placed(where / member.name, archive.extractfile(member).read)
    return where


def _placed(path: Path, read: Callable[[], bytes]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(read())
    return 1


def patterns(root: Path, seed: int, train: int, rest: int) -> None:
    """Three kinds of patterns in random colors: so many of each to learn from, and to validate and to test by."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :48]
    for kind in ("stripes", "checks", "blob"):
        for split, count in (("train", train), ("validation", rest), ("test", rest)):
            place = root / split / kind
            place.mkdir(parents=True)
            for number in range(count):
                pattern = {
                    "stripes": (x // 4) % 2,
                    "checks": ((x // 6) + (y // 6)) % 2,
                    "blob": ((x - 24) ** 2 + (y - 20) ** 2 < random.integers(80, 200)) * 1,
                }[kind]
                colors = random.integers(0, 256, (2, 3))
                pixels = np.where(pattern[..., None] > 0, *colors) + random.normal(0, 12, (40, 48, 3))
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(place / f"{number}.png")


def in_a_process(function: str, where: Path, count: int) -> Path:
    """One of the functions below in a process of its own, which takes the memory that it needs with it."""
    command = [sys.executable, __file__, function, str(where), str(count)]
    subprocess.run(command, check=True)
    return where


if __name__ == "__main__":
    makers = {"large_photos": large_photos, "small_photos": small_photos, "different_photos": different_photos}
    makers[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
