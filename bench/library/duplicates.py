"""Copies of real photos that `eyebright duplicates` finds, beside imagehash and PDQ.

    EYEBRIGHT_DATA=FOLDER python bench/library/duplicates.py FOLDER [--tune]
"""

import argparse
import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.append(__file__.rsplit("/", 2)[0])
from data import ALBUMS, folder

Picture = Image.Image
TUNED, REPORTED = 250, 500
SEED = 5


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
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(found[name])
    for name in copied:
        picture = Image.open(io.BytesIO(found[name])).convert("RGB")
        for way, (change, quality) in WAYS.items():
            place = where / "copies" / way / name
            place.parent.mkdir(parents=True, exist_ok=True)
            change(picture).save(place, "JPEG", quality=quality)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tune", action="store_true")
    given = parser.parse_args()
    made(given.folder, given.tune)


if __name__ == "__main__":
    main()
