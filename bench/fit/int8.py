"""What 8 bits cost, with this quantizer and with the one that comes with the runtime.

    EYEBRIGHT_DATA=FOLDER python bench/fit/int8.py MODEL...        (about 2 minutes a model on one core)

A MODEL is a float model file. One of clothing's labels: `to_int8` calibrates with training photos and chooses by a
fifth of them that is held out; validation and test photos together, which had no say in it, judge. One of ImageNet's
labels: every 10th photo of the sample calibrates and tells which ranges are nearer to the float model; the others
judge. Of a model named lite0 every 5th calibrates, as it did for the file that ships, which stands beside it.

EYEBRIGHT_DATA holds clothing.zip and imagenet-sample.zip. Weights: all that belongs to layers, with scales and biases.
"""

import io
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

from eyebright import modelfile, models
from eyebright.compression import int8
from eyebright.compression.quantize import with_even_pixels, with_float_biases
from eyebright.compression.ranges import of_all_values, of_least_error
from eyebright.data import Dataset
from eyebright.data.dataset import Item
from eyebright.data.split import place
from eyebright.errors import Refused
from eyebright.evaluation import drop
from eyebright.evaluation.answers import in_terms_of
from eyebright.evaluation.drop import Allowed
from eyebright.evaluation.intervals import wilson
from eyebright.modelfile import Input, ModelFile
from eyebright.preprocessing import Pixels, fit, shorter_side

DATA = Path(os.environ["EYEBRIGHT_DATA"])
IMAGENET = 1000
ALLOWED = Allowed()
Floats = NDArray[np.float32]


def main() -> None:
    print("model | how | top-1 float | int8 | points, 95% | verdict | same answer | weights | file")
    for path in map(Path, sys.argv[1:]):
        file = modelfile.read(path)
        name = path.parent.name if path.stem == "model" else path.stem
        (of_imagenet if len(file.metadata.labels) == IMAGENET else of_clothing)(name, file)


def of_clothing(name: str, file: ModelFile) -> None:
    data = clothing(file)
    judges, train = data.part("test"), int8.drawn(data.part("train"), int8.PICTURES)
    pixels, calibrating = (seen(some, file.metadata.input) for some in (judges, train))
    graph = onnx.load_from_string(file.data)
    row = Row(name, graph, int8.run(graph, pixels), judges.targets(), file)
    began = time.monotonic()
    try:
        made = int8.to_int8(file, data, ALLOWED, lambda event: None, turns=0)
    except Refused as error:
        print(f"{name} | ours | {error}", flush=True)
    else:
        row.tell("ours", onnx.load_from_string(made.file.data), made.judged.after.scores, len(made.file.data))
        print(f"    {time.monotonic() - began:.0f} s; {'; '.join(made.steps)}", flush=True)
    row.tell_runtimes_own(calibrating, pixels)


def clothing(file: ModelFile) -> Dataset:
    """A fifth of train chooses; validation and test judge."""

    def placed(item: Item) -> Item:
        if item.split != "train":
            return replace(item, split="test")
        return replace(item, split="validation") if place(f"choose {item.name}") < 0.2 else item

    data = in_terms_of(file.metadata, Dataset.read(DATA / "clothing.zip")).data
    return data.only([placed(item) for item in data.items])


def seen(data: Dataset, spec: Input) -> Pixels:
    return np.stack([fit(data.picture(item, shorter_side(spec)), spec) for item in data.items])


def of_imagenet(name: str, file: ModelFile) -> None:
    lite0 = name == "lite0"
    spec = file.metadata.input
    photos = np.stack([fit(photo.convert("RGB"), spec) for photo in sample()])
    calibrates = np.arange(len(photos)) % (5 if lite0 else 10) == 0
    targets = np.eye(IMAGENET, dtype=np.float32)
    graph = onnx.load_from_string(file.data)
    logits = int8.run(graph, photos)
    row = Row(name, graph, logits[~calibrates], targets[~calibrates], file)
    first = photos[calibrates]
    case = int8.Case(with_even_pixels(graph), first, first, logits[calibrates], targets[calibrates], "single", ALLOWED)
    found = int8.histograms_of(case, lambda event: None)
    ways = {"of least error": of_least_error(found), "of all values": of_all_values(found)}
    tried = {how: int8.way(case, limits) for how, limits in ways.items()}
    best = min(tried, key=lambda how: tried[how].far)
    for how, way in tried.items():
        mark = ", the nearer" if how == best else ""
        small = with_float_biases(way.graph)
        row.tell(f"ours, ranges {how}{mark}", small, int8.run(small, photos[~calibrates]))
    if lite0:
        ships = modelfile.read(models.path("lite0"))
        shipped = onnx.load_from_string(ships.data)
        row.tell("the one that ships", shipped, int8.run(shipped, photos[~calibrates]))
        clothes = seen(Dataset.read(DATA / "clothing.zip").part("test"), spec)
        theirs = int8.run(graph, clothes).argmax(1)
        for how, one in (("ours", tried[best].graph), ("the one that ships", shipped)):
            print(
                f"    on clothing's test photos, {how}: same answer {share(int8.run(one, clothes).argmax(1) == theirs)}"
            )
    row.tell_runtimes_own(first, photos[~calibrates])


def sample() -> Iterator[Image.Image]:
    """A photo of each ImageNet class, in the order of their ids."""
    with zipfile.ZipFile(DATA / "imagenet-sample.zip") as photos:
        for name in sorted(name for name in photos.namelist() if name.endswith(".JPEG")):
            yield Image.open(io.BytesIO(photos.read(name)))


class Row:
    """What all int8 forms of one model are compared with."""

    def __init__(self, name: str, graph: ModelProto, logits: Floats, targets: Floats, file: ModelFile) -> None:
        self.name, self.graph, self.logits, self.targets, self.file = name, graph, logits, targets, file

    def tell(self, how: str, small: ModelProto, scores: Floats, size_bytes: int | None = None) -> None:
        """A line of figures: `scores` (N, L), or logits, of the int8 form."""
        found = drop.verdict(self.logits, scores, self.targets, "single", ALLOWED).whole
        low, high = (drop.points(bound) for bound in (found.change.low, found.change.high))
        weights = weights_bytes(small) / weights_bytes(self.graph)
        size = (size_bytes or small.ByteSize()) / len(self.file.data)
        print(
            f"{self.name} | {how} | {found.before:.3f} | {found.before + found.change.value:.3f} | "
            f"{drop.points(found.change.value)} ({low} to {high}) | {found.word} | "
            f"{share(self.logits.argmax(1) == scores.argmax(1))} | {weights:.3f} | {size:.3f}",
            flush=True,
        )

    def tell_runtimes_own(self, calibrating: Pixels, judges: Pixels) -> None:
        for how, per_channel in (("the runtime's default", False), ("the runtime's, per channel", True)):
            small = runtimes_own(self.graph, calibrating, per_channel)
            self.tell(f"{how}", small, int8.run(small, judges))


def share(same: NDArray[np.bool_]) -> str:
    found = wilson(int(same.sum()), len(same))
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def weights_bytes(model: ModelProto) -> int:
    """Of all that belongs to layers: weights, biases, their scales."""
    parts = (".weight", ".bias")
    return sum(
        len(tensor.raw_data)
        for tensor in model.graph.initializer
        if any(part in tensor.name for part in parts) and not tensor.name.startswith("novelty")
    )


class Pictures(CalibrationDataReader):
    def __init__(self, pixels: Pixels) -> None:
        self.rest = iter(pixels)

    def get_next(self) -> dict[str, Pixels] | None:
        picture = next(self.rest, None)
        return None if picture is None else {"image": picture[None]}


def runtimes_own(graph: ModelProto, calibrating: Pixels, per_channel: bool) -> ModelProto:
    """As its documentation has it: preprocessed, then QDQ with the ranges of all values."""
    with tempfile.TemporaryDirectory() as folder:
        before, ready, after = (Path(folder) / f"{name}.onnx" for name in ("before", "ready", "after"))
        onnx.save(graph, before)
        quant_pre_process(before, ready)
        how = {"activation_type": QuantType.QUInt8} if per_channel else {}
        quantize_static(ready, after, Pictures(calibrating), QuantFormat.QDQ, per_channel=per_channel, **how)
        return onnx.load(after)


if __name__ == "__main__":
    main()
