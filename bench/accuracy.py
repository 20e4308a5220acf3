"""What the shipped model names right, in float and in 8 bits, and what the 8 bits cost and gain.

    EYEBRIGHT_DATA=FOLDER python bench/accuracy.py FLOAT.onnx          (3 minutes on a quiet machine)

FLOAT.onnx comes from `eyebright models build lite0 --precision float -o FLOAT.onnx`. 1000 photos, one of each ImageNet
class, at a shorter side of 288 pixels at most; they are easier than ImageNet's validation set (probably training
photos): a regression check, never a claim. Intervals are Wilson's, 95%.
"""

import io
import math
import sys
import time
import zipfile

import numpy as np
from numpy.typing import NDArray

import data
import measure
from eyebright import images, models
from eyebright.modelfile import ModelFile, read
from eyebright.preprocessing import Pixels, fit
from eyebright.runtime import OnnxRuntime, cores


def main() -> None:
    print(measure.processor())
    models_ = {"float": read(sys.argv[1]), "int8": read(models.path())}
    photos = prepared(models_["int8"], [photo for _, photo in data.imagenet_sample()])
    scores = {name: run(model, photos) for name, model in models_.items()}
    classes = np.arange(len(photos))
    judges = classes % 5 != 0  # the others measured the ranges of the activations
    for name, model in models_.items():
        top1 = scores[name].argmax(1) == classes
        top5 = (np.argsort(-scores[name])[:, :5] == classes[:, None]).any(1)
        print(f"{name:<6} {len(model.data) / 1e6:6.2f} MB   top-1 {share(top1)}   top-5 {share(top5)}   ", end="")
        print(f"on the {judges.sum()} that did not calibrate: top-1 {share(top1[judges])}")
    agree = scores["float"].argmax(1) == scores["int8"].argmax(1)
    print(f"same top-1, int8 and float: {share(agree[judges])} on the {judges.sum()}")
    clothes = prepared(models_["int8"], clothing())
    both = [run(model, clothes).argmax(1) for model in models_.values()]
    print(f"same top-1 on photos of clothes, which are mostly outside its labels: {share(both[0] == both[1])}")
    print(f"float / int8, processor time, one thread, batch 1: {speed(models_, photos[:300])}")


def prepared(model: ModelFile, photos: list[bytes]) -> Pixels:
    return np.stack([fit(images.decode(photo), model.metadata.input) for photo in photos])


def run(model: ModelFile, photos: Pixels) -> NDArray[np.float32]:
    runtime = OnnxRuntime(model, threads=cores())
    return np.concatenate([runtime.run(photos[at : at + 8], ["scores"])[0] for at in range(0, len(photos), 8)])


def clothing() -> list[bytes]:
    with zipfile.ZipFile(data.folder() / "clothing.zip") as archive:
        names = sorted(name for name in archive.namelist() if "/test/" in name and name.endswith(".jpg"))
        return [io.BytesIO(archive.read(name)).getvalue() for name in names]


def speed(models_: dict[str, ModelFile], photos: Pixels) -> str:
    """Median of paired ratios, the two models in turns."""
    runtimes = {name: OnnxRuntime(model, threads=1) for name, model in models_.items()}
    spent: dict[str, list[float]] = {name: [] for name in runtimes}
    for turn, photo in enumerate(photos):
        for name in sorted(runtimes, reverse=bool(turn % 2)):
            began = time.process_time()
            runtimes[name].run(photo[None], ["scores"])
            spent[name].append(time.process_time() - began)
    middle = {name: 1000 * float(np.median(some)) for name, some in spent.items()}
    return f"{measure.ratio(spent['float'], spent['int8'])}; {middle['float']:.2f} ms and {middle['int8']:.2f} ms"


def share(right: NDArray[np.bool_]) -> str:
    """A share with its 95% Wilson interval."""
    n, p, z = len(right), float(right.mean()), 1.96
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return f"{p:.4f} ({(middle - half) / (1 + z * z / n):.3f} to {(middle + half) / (1 + z * z / n):.3f})"


if __name__ == "__main__":
    main()
