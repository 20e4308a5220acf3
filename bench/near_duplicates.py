"""Copies that the audit finds among photos of garments, by how the copy was made; and pairs that it takes for copies.

    EYEBRIGHT_DATA=FOLDER python bench/near_duplicates.py [PHOTOS]

PHOTOS (400) of clothing.zip are copied in each way and audited together with all 2,553; a pair that is not a photo and
its copy is a false one (the set is known to hold no copies). "hash" is what the hash alone proposes.
"""

import io
import sys
import time
import zipfile
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import data
from eyebright import phash
from eyebright.data import Dataset, Item, copies
from eyebright.data.look import Look, looks
from eyebright.modelfile import Label


def half(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)


def crop(picture: Image.Image, share: float) -> Image.Image:
    left, top = round(picture.width * share), round(picture.height * share)
    return picture.crop((left, top, picture.width - left, picture.height - top))


WAYS: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "resized to 50%": (half, 85),
    "JPEG quality 30": (lambda picture: picture, 30),
    "turned by 90 degrees": (lambda picture: picture.transpose(Image.Transpose.ROTATE_90), 85),
    "mirrored": (lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 85),
    "mirrored, 50%, quality 50": (lambda picture: half(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), 50),
    "brighter by 15%": (lambda picture: picture.point(lambda value: min(255, round(value * 1.15))), 85),
    "turned by 2 degrees": (lambda picture: picture.rotate(2, Image.Resampling.BICUBIC), 85),
    "1% cut off each side": (lambda picture: crop(picture, 0.01), 85),
    "2.5% cut off each side": (lambda picture: crop(picture, 0.025), 85),
    "5% cut off each side": (lambda picture: crop(picture, 0.05), 85),
}
"""What is done to a photo, and the JPEG quality that it is stored with."""


class Memory(dict[str, bytes]):
    """A store of files by name."""

    def read(self, name: str) -> bytes:
        return self[name]


def main() -> None:
    with zipfile.ZipFile(data.folder() / "clothing.zip") as archive:
        photos = {name: archive.read(name) for name in sorted(archive.namelist()) if name.endswith(".jpg")}
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    chosen = np.random.default_rng(0).choice(sorted(photos), count, replace=False)
    began = time.process_time()
    seen = looks(dataset(photos))
    looked = time.process_time() - began
    began = time.process_time()
    found = copies.find(seen)
    print(f"{len(photos):,} photos: {looked:.1f} s of CPU to look, {time.process_time() - began:.2f} s to compare")
    print(f"without made copies: {len(found.pairs)} pairs called copies, {len(found.alike)} alike")
    own = {look.item.name: look for look in seen}
    print(f"{'copy made by':<26} {'hash':>6} {'found':>6} {'false':>6}")
    for way, (change, quality) in WAYS.items():
        made = looks(dataset({f"copy/{name}": encoded(change(opened(photos[name])), quality) for name in chosen}))
        both = [*seen, *made]
        pairs = {(both[pair.first].item.name, both[pair.second].item.name) for pair in copies.find(both).pairs}
        right = {(name, f"copy/{name}") for name in chosen}
        originals, others = hashes([own[name] for name in chosen]), hashes(made)
        near = np.bitwise_count(originals[:, :1] ^ others).min(1) <= phash.NEAR
        print(f"{way:<26} {near.mean():6.3f} {len(pairs & right) / count:6.3f} {len(pairs - right):6}")


def dataset(files: dict[str, bytes]) -> Dataset:
    items = tuple(Item(name, (0,), "train") for name in files)
    return Dataset("photos", items, (Label("photo", "photo"),), "single", Memory(files))


def hashes(some: list[Look]) -> NDArray[np.uint64]:
    return phash.hashes(np.stack([look.gray32 for look in some if look.gray32 is not None]).astype(np.float32))


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def encoded(picture: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


if __name__ == "__main__":
    main()
