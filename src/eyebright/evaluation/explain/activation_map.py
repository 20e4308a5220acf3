"""Class activation maps (Zhou et al. 2016, arXiv:1512.04150): what each place of a picture adds to a logit.

Where the embedding is the mean of the features (C, h, w) over all places and the head is linear, each logit is the mean
over places of weight times features there, plus the bias. No gradients: all of it stands in the model file.
"""

import contextlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.modelfile import ModelFile

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

EXACT = 1e-4
"""By how much of the largest logit the file's own logits may differ from such a mean, all in float."""
ROUNDED = 0.02
"""By how much of the range of all logits they may where the head is in 8 bits."""


class LinearHead(NamedTuple):
    """features (C,) -> logits (L,)."""

    weight: Doubles
    """(L, C)"""
    bias: Doubles
    """(L,)"""
    exact: bool
    """Whether it gives the file's logits, but for float rounding; else but for that of 8 bits."""


def linear_head(model: ModelFile, features: Floats, logits: Floats) -> LinearHead | None:
    """The head of a model file whose logits (L,) are a linear function of the mean of its features (C, h, w).

    None where what stands in the file does not give these very logits: where the head is no matrix, or looks at
    something else than the mean.
    """
    found = model.metadata.head
    if found is None or features.ndim != 3 or features[0].size < 2 or not np.isfinite(logits).all():
        return None
    constants = floats(model, [name for name in (found.weight, found.bias) if name])
    weight = constants.get(found.weight)
    bias = constants.get(found.bias) if found.bias else np.zeros(len(logits))
    if weight is None or bias is None or bias.size != len(logits) or weight.size != len(logits) * len(features):
        return None
    mean = features.mean((1, 2), dtype=np.float64)
    for turned in (weight.reshape(weight.shape[0], -1), weight.reshape(weight.shape[0], -1).T):  # (L, C), or (C, L)
        if turned.shape != (len(logits), len(features)):
            continue
        off = float(np.abs(turned @ mean + bias.ravel() - logits).max())
        exact = off <= EXACT * max(float(np.abs(logits).max()), 1.0)
        if exact or off <= ROUNDED * float(np.ptp(logits)):
            return LinearHead(turned, bias.ravel(), exact)
    return None


def floats(model: ModelFile, names: list[str]) -> dict[str, Doubles]:
    """Constants of a model file by their names; what is held in 8 bits as the numbers that it stands for."""
    from onnx import load_model_from_string, numpy_helper  # slow to import

    graph = load_model_from_string(model.data).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    users = {
        name: node for node in graph.node for name in node.input if node.op_type in ("DequantizeLinear", "Cast", "Mul")
    }

    def value(name: str) -> Doubles:
        return numpy_helper.to_array(tensors[name]).astype(np.float64)

    found = {}
    for name in names:
        with contextlib.suppress(KeyError, ValueError, TypeError):  # not there, no numbers, or rounded in blocks
            found[name] = value(name)
            node = users.get(name)
            if node and node.op_type == "DequantizeLinear":
                scale, *zero = map(value, filter(None, node.input[1:]))
                axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
                shape = np.roll([-1, *[1] * (found[name].ndim - 1)], axis)
                found[name] = (found[name] - (zero[0].reshape(shape) if zero else 0)) * scale.reshape(shape)
            elif node and node.op_type == "Cast" and (times := users.get(node.output[0])) and times.op_type == "Mul":
                found[name] = found[name] * value(times.input[1])
    return found
