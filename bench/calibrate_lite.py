"""Measure the activation ranges of the shipped models, and what their int8 form costs and gains.

    EYEBRIGHT_DATA=FOLDER python bench/calibrate_lite.py     (2 minutes on 2 cores)

FOLDER holds imagenet-sample.zip: a photo of each ImageNet class, named by class id, of which every 5th calibrates and
the others judge. They are probably training photos of these networks, so the accuracies compare; they do not rank.
Writes src/eyebright/models/*-ranges.json.
"""

import io
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto
from PIL import Image

from eyebright.compression import shipped
from eyebright.compression.quantize import quantize
from eyebright.compression.ranges import measure_ranges, ranges_to_json
from eyebright.encoders.published import SOURCES

MODELS = Path(__file__).parent.parent / "src" / "eyebright" / "models"
BATCH = 8


def main() -> None:
    for name in ("lite0", "lite1", "lite2"):
        photos = read_photos(SOURCES[shipped.ENCODER[name]].size)
        calibrates = np.arange(len(photos)) % 5 == 0
        model = shipped.build(name, "float")
        ranges = measure_ranges(model, list(batches(photos[calibrates])))
        (MODELS / f"{name}-ranges.json").write_text(ranges_to_json(ranges), "utf-8")
        print(name, report(model, quantize(model, ranges), photos, ~calibrates), flush=True)


def read_photos(size: int) -> NDArray[np.uint8]:
    """(1000, size, size, 3), in the order of ImageNet's class ids."""
    with zipfile.ZipFile(Path(os.environ["EYEBRIGHT_DATA"]) / "imagenet-sample.zip") as photos:
        names = sorted(name for name in photos.namelist() if name.endswith(".JPEG"))
        return np.stack([crop(Image.open(io.BytesIO(photos.read(name))), size) for name in names])


def crop(photo: Image.Image, size: int) -> NDArray[np.uint8]:
    """The square in the middle, size / (size + 32) of the shorter side, as (size, size, 3)."""
    side = min(photo.size) * size / (size + 32)
    left, top = ((length - side) / 2 for length in photo.size)
    box = (left, top, left + side, top + side)
    return np.asarray(photo.convert("RGB").resize((size, size), Image.Resampling.BICUBIC, box=box))


def report(
    full: ModelProto, small: ModelProto, photos: NDArray[np.uint8], judges: NDArray[np.bool_]
) -> dict[str, float]:
    full_logits, small_logits = (logits(model, photos) for model in (full, small))
    classes = np.arange(len(photos))
    right, small_right = (scores.argmax(1) == classes for scores in (full_logits, small_logits))
    top5 = (np.argsort(-full_logits)[:, :5] == classes[:, None]).any(1)
    agree = full_logits.argmax(1) == small_logits.argmax(1)
    figures = {
        "float_top1": right.mean(),
        "float_top5": top5.mean(),
        "int8_top1": small_right.mean(),
        "judges_float_top1": right[judges].mean(),
        "judges_int8_top1": small_right[judges].mean(),
        "judges_agree": agree[judges].mean(),
        "float_bytes": full.ByteSize(),
        "int8_bytes": small.ByteSize(),
        "times_faster": speed_ratio(full, small, photos[:200]),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def logits(model: ModelProto, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = start(model, threads=2)
    return np.concatenate([session.run(["logits"], {"image": batch})[0] for batch in batches(photos)])


def speed_ratio(full: ModelProto, small: ModelProto, photos: NDArray[np.uint8]) -> float:
    """Processor time a photo, one thread, batch 1: the median over photos of float / int8, taken in turns."""
    sessions = [start(model, threads=1) for model in (full, small)]
    spent = np.empty((len(photos), 2))
    for turn, photo in enumerate(photos):
        for which in (0, 1) if turn % 2 else (1, 0):
            began = time.process_time()
            sessions[which].run(["scores"], {"image": photo[None]})
            spent[turn, which] = time.process_time() - began
    return float(np.median(spent[10:, 0] / spent[10:, 1]))


def start(model: ModelProto, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def batches(photos: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for first in range(0, len(photos), BATCH):
        yield photos[first : first + BATCH]


if __name__ == "__main__":
    main()
