"""Between which values the activations of a model lie: what 8 bits have to tell apart.

Room for all that occurs makes the steps coarse for the many; so the ends may be drawn in to where the mean squared
error over a histogram of the tensor is least.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from eyebright.runtime import cores, session

Ranges = dict[str, tuple[float, float]]
"""The lowest and the highest value of each activation that 8 bits keep, by the tensor's name in the float model."""
INTEGER = ("Conv", "Clip", "Relu", "Add", "Gemm", "MaxPool", "AveragePool", "Concat")
"""What is computed in integers; the rest stays in float."""
BINS = 2048
PLACES = 20_000
"""Values of a tensor that are looked at of each picture, evenly spread; more change nothing."""


class Histogram(NamedTuple):
    """The values of one tensor."""

    low: float
    high: float
    counts: NDArray[np.int64]  # (BINS,) over low..high


def measure_ranges(model: ModelProto, batches: Sequence[NDArray[np.uint8]]) -> Ranges:
    """The ranges in which 8 bits lose least over batches of pictures (N, H, W, 3), rounded to 6 digits."""
    return of_least_error(histograms(model, batches))


def histograms(
    model: ModelProto,
    batches: Sequence[NDArray[np.uint8]],
    told: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Histogram]:
    """What occurs in each activation over batches of pictures (N, H, W, 3); `told` hears how many of how many."""
    names = activations(model)
    probe = looking_at(model, names)
    ends = np.array([(0.0, 0.0)] * len(names))
    for batch in batches:
        for at, values in enumerate(probe.run(None, {"image": batch})):
            ends[at] = min(ends[at, 0], values.min()), max(ends[at, 1], values.max())
    counts = np.zeros((len(names), BINS), np.int64)
    for done, batch in enumerate(batches, 1):
        told(done, len(batches))
        for at, values in enumerate(probe.run(None, {"image": batch})):
            low, high = ends[at]
            flat = values.reshape(len(batch), -1)
            some = flat[:, :: max(flat.shape[1] // PLACES, 1) | 1]  # odd, so that all columns of a map are met
            bins = ((some - low) * (BINS / ((high - low) or 1.0))).astype(np.int32)
            counts[at] += np.bincount(np.minimum(bins, BINS - 1).ravel(), minlength=BINS)
    return {name: Histogram(float(ends[at, 0]), float(ends[at, 1]), counts[at]) for at, name in enumerate(names)}


def looking_at(model: ModelProto, names: Sequence[str]) -> Any:
    """A session that gives these float tensors of a graph, in their order, in place of its outputs."""
    probe = ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    return session(probe.SerializeToString(), cores())


def of_least_error(found: dict[str, Histogram]) -> Ranges:
    """Drawn in to where the rounding costs least."""
    return {name: rounded(least_error(*histogram)) for name, histogram in found.items()}


def of_all_values(found: dict[str, Histogram]) -> Ranges:
    """Wide enough for all that occurred."""
    return {name: rounded((histogram.low, histogram.high)) for name, histogram in found.items()}


def rounded(ends: tuple[float, float]) -> tuple[float, float]:
    return float(f"{ends[0]:.6g}"), float(f"{ends[1]:.6g}")


def least_error(low: float, high: float, counts: NDArray[np.int64]) -> tuple[float, float]:
    """The part of low..high whose 256 steps cost the values least, by their histogram over low..high."""
    values = low + (np.arange(BINS) + 0.5) * ((high - low) / BINS)
    best, best_error = (low, high), np.inf
    for down, up in itertools.product(np.linspace(1, 0.3, 29), repeat=2):
        if (low == 0 and down < 1) or (high == 0 and up < 1):
            continue
        step = (high * up - low * down) / 255 or 1.0
        zero = round(-low * down / step)
        rounded = (np.clip(np.round(values / step) + zero, 0, 255) - zero) * step
        error = float(((rounded - values) ** 2 * counts).sum())
        if error < best_error:
            best, best_error = (low * down, high * up), error
    return best


def activations(model: ModelProto) -> list[str]:
    """The float tensors that enter or leave an integer operator, in the order of the graph."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = [*graph.value_info, *graph.output]
    floats = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    floats -= {tensor.name for tensor in graph.initializer}
    used = (name for node in graph.node if node.op_type in INTEGER for name in (*node.input, *node.output))
    return [name for name in dict.fromkeys(used) if name in floats]


def ranges_to_json(ranges: Ranges) -> str:
    """One tensor a line."""
    lines = (f"{json.dumps(name)}: {json.dumps(ends)}" for name, ends in ranges.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def ranges_from_json(text: str) -> Ranges:
    return {name: (float(lowest), float(highest)) for name, (lowest, highest) in json.loads(text).items()}
