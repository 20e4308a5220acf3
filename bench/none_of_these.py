"""Where "none of these" begins: the largest logit that 10% of photos of the model's own labels stay under.

    EYEBRIGHT_DATA=FOLDER python bench/none_of_these.py [MODEL]

Chosen on every 5th of 1000 photos of ImageNet's classes; what it costs and gains is counted on the other 800, on pages
of text made here, on noise, on plain grounds and on photos of clothes and outfits (which it knows in part).
"""

import io
import sys
import zipfile
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import data
from eyebright import images, models
from eyebright.labels import SURE
from eyebright.modelfile import read
from eyebright.preprocessing import fit
from eyebright.runtime import open_runtime

WORDS = (
    "the of a to in is that it was for on are as with his they at be this from have or by one had not but what".split()
)


def main() -> None:
    model = read(models.path(sys.argv[1] if len(sys.argv) > 1 else None))
    runtime = open_runtime(model, threads=2)

    def numbers(pictures: Iterable[Image.Image]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = [runtime.run(fit(p, model.metadata.input)[None], ["logits", "scores"]) for p in pictures]
        return np.array([logits.max() for logits, _ in rows]), np.array([scores.max() for _, scores in rows])

    logits, scores = numbers(images.decode(photo) for _, photo in data.imagenet_sample())
    chosen = np.arange(len(logits)) % 5 == 0
    threshold = round(float(np.quantile(logits[chosen], 0.1)), 2)
    print(f"threshold {threshold}, the 10% quantile of {chosen.sum()} photos")
    rows = {"photos of its labels": (logits[~chosen], scores[~chosen])}
    rows["pages of text"] = numbers(page(seed) for seed in range(100))
    rows["noise"] = numbers(noise(seed) for seed in range(100))
    rows["plain grounds"] = numbers(Image.new("RGB", (300, 300), ground(seed)) for seed in range(100))
    rows["clothes"] = numbers(photos("clothing.zip"))
    rows["outfits in the street"] = numbers(photos("street-fashion.zip"))
    for name, (top, score) in rows.items():
        said = score >= SURE
        print(
            f"{name:<22} n = {len(top):<4} none of these {(top < threshold).mean():6.1%}   "
            f"a label over {SURE} before {said.mean():6.1%}, with it {(said & (top >= threshold)).mean():6.1%}"
        )


def page(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    width, height = (1240, 1754) if seed % 2 else (900, 700)
    picture = Image.new("RGB", (width, height), ground(seed, 235))
    draw, size = ImageDraw.Draw(picture), int(random.integers(14, 34))
    font = ImageFont.load_default(size)
    for y in range(40, height - 40, int(size * 1.4)):
        line = " ".join(random.choice(WORDS, 40))[: int((width - 100) / size * 2)]
        draw.text((50, y), line, fill=(20, 20, 20), font=font)
    return picture


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (300, 300, 3), dtype=np.uint8))


def ground(seed: int, darkest: int = 0) -> tuple[int, int, int]:
    red, green, blue = np.random.default_rng(seed).integers(darkest, 256, 3).tolist()
    return red, green, blue


def photos(archive: str) -> Iterable[Image.Image]:
    with zipfile.ZipFile(data.folder() / archive) as members:
        for name in [name for name in sorted(members.namelist()) if name.endswith(".jpg")][::5]:
            yield Image.open(io.BytesIO(members.read(name))).convert("RGB")


if __name__ == "__main__":
    main()
