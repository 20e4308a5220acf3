"""What a device profile predicts, against what is measured here: small networks with random weights, float and int8.

    python bench/fit/device_profile.py [--device laptop.toml] [--quick]

Without --device a profile is measured first. Prints each network, and last the median and the worst relative error.
Needs the extra `train`. Times are the processor's, one thread. Others' work on this machine still takes from its
caches, now more, now less: so a yardstick (the first network) is timed with the profile and in turns with each network,
and what is measured is told as it would have been then.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np
import onnx

from eyebright import measure, modelfile, selftest
from eyebright.compression.quantize import quantize
from eyebright.compression.ranges import measure_ranges
from eyebright.export.onnx import to_onnx
from eyebright.measure import device, profiling
from eyebright.modelfile import Input, Label, Metadata, ModelFile
from eyebright.training.network import classifier_of
from eyebright.training.recipe import Recipe

LABELS = 10
NETWORKS = (
    ("mobilenet-v1", 1.0, 160),
    ("mobilenet-v1", 0.5, 128),
    ("mobilenet-v2", 1.0, 224),
    ("mobilenet-v2", 0.5, 160),
    ("mobilenet-v3-small", 1.0, 224),
    ("mobilenet-v3-large", 0.5, 160),
    ("efficientnet-lite0", 1.0, 224),
    ("resnet-18", 1.0, 160),
    ("resnet-18", 0.5, 128),
    ("squeezenet-1.1", 1.0, 224),
    ("squeezenet-1.1", 0.5, 160),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--turns", type=int, default=9)
    asked = parser.parse_args()
    yardstick = model_file(graphs(*NETWORKS[0])["float32"], NETWORKS[0][2])
    before = timed([yardstick], asked.turns)[0]
    profile = device.read(asked.device) if asked.device else profiling.profile(quick=asked.quick)
    then = statistics.mean([before, timed([yardstick], asked.turns)[0]])
    errors = []
    for name, width, size in NETWORKS:
        for precision, graph in graphs(name, width, size).items():
            predicted = device.predict(profile, graph, size)
            found, now = timed([model_file(graph, size), yardstick], asked.turns)
            measured = found * then / now
            errors.append(predicted / measured - 1)
            what = f"{name} x {width:g}, {size} px, {precision}"
            print(f"{what:<45} {measured:7.3f} ms, predicted {predicted:7.3f} ({errors[-1]:+.1%})", flush=True)
    away = [abs(error) for error in errors]
    print(f"{len(away)} models: median error {statistics.median(away):.1%}, worst {max(away):.1%}")


def timed(files: list[ModelFile], turns: int) -> list[float]:
    """Milliseconds of each, in turns."""
    return [statistics.median(found.cpu_ms or found.turns_ms) for found in measure.in_turns(files, turns=turns)]


def graphs(name: str, width: float, size: int) -> dict[str, onnx.ModelProto]:
    recipe = Recipe.of("scratch", {"encoder": name, "width": width, "size": size})
    graph = to_onnx(classifier_of(recipe, LABELS, "single"), size)
    pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.uint8)
    return {"float32": graph, "int8": quantize(graph, measure_ranges(graph, [pictures]))}


def model_file(graph: onnx.ModelProto, size: int) -> ModelFile:
    about = Metadata(
        format=1,
        name="random weights",
        task="single",
        labels=tuple(Label(id=str(at), label=str(at)) for at in range(LABELS)),
        input=Input(size=size),
        golden=selftest.placeholder(size, LABELS),
    )
    return modelfile.from_bytes(modelfile.attach(graph, about))


if __name__ == "__main__":
    main()
