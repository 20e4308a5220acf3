"""What decoding a JPEG at a reduced scale costs: how often the best label changes, by images.SPARE.

    EYEBRIGHT_DATA=FOLDER python bench/reduced_decoding.py PHOTOS FLOAT.onnx [COUNT]     (10 minutes for 1000)

PHOTOS is a folder to make 12-megapixel photos in (2.5 MB each). The last row decodes in full and then changes one pixel
in a hundred by one level: what 8 bits make of a difference that nobody could see.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import data
from eyebright import images, models
from eyebright.modelfile import ModelFile, read
from eyebright.preprocessing import Pixels, fit, shorter_side
from eyebright.runtime import open_runtime


def main() -> None:
    given = {"int8": read(models.path()), "float": read(sys.argv[2])}
    spec = given["int8"].metadata.input
    paths = data.large_photos(Path(sys.argv[1]), int(sys.argv[3]) if len(sys.argv) > 3 else 1000)
    full = np.stack([fit(Image.open(path), spec) for path in paths])
    expected = {name: logits(model, full) for name, model in given.items()}
    random = np.random.default_rng(0)
    touched = full.astype(np.int16) + (random.random(full.shape) < 0.01) * random.choice([-1, 1], full.shape)
    classes = np.arange(len(paths)) * (1000 // len(paths))
    rows = {"in full": full, "one level in 1% of pixels": np.clip(touched, 0, 255).astype(np.uint8)}
    for spare in (1.0, 1.4, 2.0, 3.0):
        images.SPARE = spare
        rows[f"SPARE {spare}"] = np.stack([fit(images.decode(p.read_bytes(), shorter_side(spec)), spec) for p in paths])
    for what, pixels in rows.items():
        off = np.abs(pixels.astype(int) - full).mean()
        print(f"{what:<26} pixels differ by {off:.3f} levels", end="")
        for name, model in given.items():
            best = logits(model, pixels).argmax(1)
            same, right = (best == expected[name].argmax(1)).mean(), (best == classes).mean()
            print(f"   {name}: same best label {same:.3f}, right {right:.3f}", end="")
        print(f"   (n = {len(paths)})", flush=True)


def logits(model: ModelFile, pixels: Pixels) -> NDArray[np.float32]:
    runtime = open_runtime(model, threads=2)
    return np.concatenate([runtime.run(pixels[at : at + 8], ["logits"])[0] for at in range(0, len(pixels), 8)])


if __name__ == "__main__":
    main()
