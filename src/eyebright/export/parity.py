"""The check that every export passes before its file is written: does it give what the network gives?"""

from copy import deepcopy
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from eyebright.classifier import Classifier
from eyebright.errors import BadModelFile

TOLERANCE = 1e-4  # of a score


def check(classifier: Classifier, model: ModelProto, images: NDArray[np.uint8]) -> float:
    """The largest difference of a score between torch and onnxruntime on images (N, H, W, 3).

    Raises BadModelFile where it is over 1e-4 or no number.
    """
    with torch.inference_mode():
        expected = deepcopy(classifier).cpu().eval()(torch.from_numpy(images)).scores.numpy()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: Any = session.run(["scores"], {"image": images})[0]
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise BadModelFile(
            f"The exported model's scores are off by {difference:.2g} from the network's ({TOLERANCE} is allowed), "
            "so it is not written. Please report this."
        )
    return difference


def pictures(size: int) -> NDArray[np.uint8]:
    """(4, size, size, 3) to check with, always the same: even gray, soft shapes, hard squares, noise."""
    random = np.random.default_rng(0)
    gray = np.full((size, size, 3), 127)
    ramp = np.linspace(0, 2 * np.pi, size).reshape(-1, 1, 1)
    soft = 127 + 60 * np.sin(3 * ramp + np.arange(3)) + 60 * np.cos(2 * ramp.reshape(1, -1, 1) - np.arange(3))
    squares = np.repeat(np.repeat(random.integers(0, 256, (8, 8, 3)), -(-size // 8), 0), -(-size // 8), 1)
    noise = random.integers(0, 256, (size, size, 3))
    return np.stack([gray, soft, squares[:size, :size], noise]).astype(np.uint8)
