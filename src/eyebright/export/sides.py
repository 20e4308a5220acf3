"""Pictures of other sizes than a graph was exported for: where a network pools globally, height and width may be free.

How a convolution pads is written into the graph for one size. Sizes that leave the same remainder by the network's
stride are padded alike; each of them is tried against the network, and those that pass may stand in `input.sizes`.
"""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from eyebright.classifier import Classifier
from eyebright.encoders.encoder import SMALLEST
from eyebright.export import parity
from eyebright.runtime import session

SPAN = 4 / 7, 10 / 7
"""Of the size that it was exported for, the smallest and the largest that are tried."""
STEP = 1 / 7
"""Of the same: about so far apart."""
TOLERANCE = 1e-3
"""By how much of the largest number an output may differ; padding that is off by a pixel differs by percents."""
TRIED = ("embedding", "logits")


def with_free_sides(classifier: Classifier, model: ModelProto, size: int) -> tuple[ModelProto, tuple[int, ...]]:
    """A graph from `to_onnx` that takes other sizes too, and all that it takes, rising, its own among them.

    The same graph and no sizes where the network takes its own alone. `model` stays as it is.
    """
    others = [side for side in sides(size, classifier.encoder.stride) if side != size]
    free = ModelProto()
    free.CopyFrom(model)
    free_sides(free)
    network = deepcopy(classifier).cpu().eval()
    ready = session(free.SerializeToString())
    taken = [side for side in others if alike(network, ready, parity.pictures(side)[2:3])]
    return (free, tuple(sorted([size, *taken]))) if taken else (model, ())


def sides(size: int, stride: int) -> tuple[int, ...]:
    """Some sizes around `size` at which a network of this stride pads as it does there.

    >>> sides(224, 32), sides(299, 32)
    ((128, 160, 192, 224, 256, 288, 320), (171, 203, 235, 267, 299, 331, 363, 395, 427))
    """
    least, most = max(int(np.ceil(SPAN[0] * size)), SMALLEST), int(SPAN[1] * size)
    step = stride * max(round(STEP * size / stride), 1)
    return tuple(side for side in range(least, most + 1) if (side - size) % step == 0)


def free_sides(model: ModelProto) -> None:
    """Height and width are left open, of the picture and of `features`."""
    (features,) = (output for output in model.graph.output if output.name == "features")
    for value, first, names in ((model.graph.input[0], 1, "HW"), (features, 2, "hw")):
        for offset, name in enumerate(names):
            value.type.tensor_type.shape.dim[first + offset].dim_param = name


def alike(network: Classifier, ready: Any, images: NDArray[np.uint8]) -> bool:
    """Whether the graph gives what the network gives for pictures (N, H, W, 3) of another size."""
    try:
        with torch.inference_mode():
            said = network(torch.from_numpy(images))
        found: list[Any] = ready.run(list(TRIED), {"image": images})
    except Exception:  # torch's and ONNX Runtime's own, where a map has become too small or has another shape
        return False
    expected = [getattr(said, name).numpy() for name in TRIED]
    return all(
        one.shape == other.shape and float(np.abs(one - other).max()) <= TOLERANCE * float(np.abs(other).max())
        for one, other in zip(found, expected, strict=True)
    )
