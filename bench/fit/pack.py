"""SqueezeNet's claim in the open: AlexNet's accuracy in less than 0.5 MB, step by step, on photos that taught nothing.

    EYEBRIGHT_DATA=FOLDER python bench/fit/pack.py squeezenet-1.1.onnx [MINUTES]      (10 minutes a learned row)

The model file is that of real_weights.py. EYEBRIGHT_DATA holds imagenet-sample.zip (a photo of each class),
clothing.zip, street-fashion.zip, fire.zip and exif-photos.zip. A hash of their names parts the photos of the sample:
one half teaches and calibrates, without labels, as do the other archives; the other half judges. No figure of this
table chose anything in this run, but sharing was developed while looking at both halves, learning at the judging one.

Every row is packed, and unpacked to the same bytes; "points" is the difference of top-1 from float on the same photos.
"""

import hashlib
import os
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import onnx

from eyebright import modelfile, packed, selftest
from eyebright.compression.centers import LEANER, said, taught
from eyebright.compression.int8 import AT_ONCE, PICTURES
from eyebright.compression.pack import account, pack
from eyebright.compression.quantize import quantize, with_even_pixels
from eyebright.compression.ranges import histograms, of_least_error
from eyebright.compression.share import with_shared_weights, within
from eyebright.data import Dataset
from eyebright.data.dataset import Item
from eyebright.evaluation.intervals import wilson
from eyebright.evaluation.paired import share_gain
from eyebright.modelfile import Card, ModelFile
from eyebright.preprocessing import Pixels, fit, shorter_side
from eyebright.runtime import cores
from eyebright.training.distill import unlabeled
from eyebright.training.events import Event, Said

DATA = Path(os.environ["EYEBRIGHT_DATA"])
OTHERS = ("clothing.zip", "street-fashion.zip", "fire.zip", "exif-photos.zip")
ALEXNET_BYTES = 240_000_000
"""As the paper counts it (Iandola et al. 2016, arXiv:1602.07360)."""
SIZES = (700_000, 479_000)


def main() -> None:
    file = modelfile.read(sys.argv[1])
    seconds = 60 * float(sys.argv[2] if len(sys.argv) > 2 else 10)
    sample, *others = (unlabeled(str(DATA / name), None, say) for name in ("imagenet-sample.zip", *OTHERS))
    teaches, judges = (
        sample.only([item for item in sample.items if is_taught(item) == side]) for side in (True, False)
    )
    more = sum(len(data.items) for data in others)
    print(f"{len(teaches.items)} photos of the sample and {more:,} others teach; {len(judges.items)} judge", flush=True)
    print("| step | bytes | AlexNet is | bits a weight | top-1, 95% | points from float, 95% | p | same answer |")
    print("|---|---|---|---|---|---|---|---|")
    table = Table(file, judges)
    table.row("float, as it is", file, len(file.data))
    table.row("float, packed", file)
    small = int8(file, seen(teaches.only(teaches.items[:PICTURES]), file))
    table.row("int8, as it is", small, len(small.data))
    for bits in (6, 4):
        table.row(f"int8, `--bits {bits}`", with_shared_weights(small, bits))
    for size in SIZES:
        table.row(f"int8, `--max-size {size // 1000}kB`", within(small, size)[0])
    for size in SIZES:
        shared = within(file, size)[0]
        table.row(f"float, `--max-size {size // 1000}kB`", shared)
        leaner = within(file, round(LEANER * size))[0]
        after = taught(file, leaner, [teaches, *others], seconds, say, size)
        table.row(f"float, `--max-size {size // 1000}kB`, learned {seconds / 60:g} min", after)


def is_taught(item: Item) -> bool:
    return hashlib.sha256(Path(item.name).name.encode()).digest()[0] % 2 == 0


def seen(data: Dataset, file: ModelFile) -> Pixels:
    spec = file.metadata.input
    return np.stack([fit(data.picture(item, shorter_side(spec)), spec) for item in data.items])


def int8(file: ModelFile, calibrating: Pixels) -> ModelFile:
    """By the ranges of least error, as `eyebright quantize` finds them."""
    graph = with_even_pixels(onnx.load_from_string(file.data))
    batches = [calibrating[at : at + AT_ONCE] for at in range(0, len(calibrating), AT_ONCE)]
    made = quantize(graph, of_least_error(histograms(graph, batches, lambda done, total: None)))
    metadata = msgspec.structs.replace(file.metadata, card=Card(data=file.metadata.card.data, precision="int8"))
    return modelfile.from_bytes(selftest.seal(made, metadata), "int8")


class Table:
    """A line for each step."""

    def __init__(self, file: ModelFile, judges: Dataset) -> None:
        ids = [label.id for label in file.metadata.labels]
        self.pixels = seen(judges, file)
        self.truth = np.array([ids.index(Path(item.name).name.partition("_")[0]) for item in judges.items])
        self.first = self.answers(file)

    def answers(self, file: ModelFile) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
        return said(selftest.open_tested(file, threads=cores()), self.pixels).argmax(1)

    def row(self, step: str, file: ModelFile, size_bytes: int | None = None) -> None:
        """`size_bytes`: of a file that is not packed."""
        data = pack(file)
        if packed.unpack(data) != file.data:
            raise SystemExit(f"{step}: it does not come back bit for bit")
        size = size_bytes or len(data)
        bits = "" if size_bytes else f"{account(file, data).bits_per_weight:.2f}"
        answers = self.answers(file)
        right, first = answers == self.truth, self.first == self.truth
        top = wilson(int(right.sum()), len(right))
        change, p = share_gain(first, right)
        low, high = (100 * bound for bound in (change.low, change.high))
        print(
            f"| {step} | {size:,} | {ALEXNET_BYTES / size:.0f} times that | {bits} | "
            f"{top.value:.3f} ({top.low:.3f} to {top.high:.3f}) | "
            f"{100 * change.value:+.1f} ({low:+.1f} to {high:+.1f}) | {p:.2g} | {(answers == self.first).mean():.3f} |",
            flush=True,
        )


BEGAN = time.monotonic()


def say(event: Event) -> None:
    if isinstance(event, Said):
        print(f"    {time.monotonic() - BEGAN:.0f} s: {event.text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
