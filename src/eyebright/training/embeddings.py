"""Embeddings of a data set: an encoder as an ONNX graph runs over every picture once, ever.

They are remembered by what determines them: the picture's bytes, the encoder, how pictures are cropped. The exported
encoder is remembered too, so that a second head on the same pictures needs neither torch nor a look at them.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import eyebright
from eyebright import modelfile, selftest
from eyebright.data import Dataset
from eyebright.errors import BadModelFile, extra
from eyebright.modelfile import Input, Label, Metadata, ModelFile
from eyebright.preprocessing import fit, shorter_side
from eyebright.runtime import open_runtime
from eyebright.training.cache import Cache, folder
from eyebright.training.recipe import Recipe

Floats = NDArray[np.float32]
Told = Callable[[int, int], None]
MAKE_AN_ENCODER = ("encoder", "weights", "width", "depth", "colors", "size")  # keys of a recipe
TOGETHER = 16  # pictures that a worker takes at a time


def encoder_file(recipe: Recipe) -> ModelFile:
    """The pretrained encoder of a recipe as a model file whose head means nothing; exported when first asked for."""
    path = folder() / f"encoder-{encoder_key(recipe)[:24]}.onnx"
    if path.is_file():
        try:
            return modelfile.read(path)
        except BadModelFile:
            pass  # half a file of a machine that lost its power
    with extra("train", "exporting an encoder"):
        from eyebright.training.network import bare_encoder

    graph, size, sizes = bare_encoder(recipe)
    metadata = Metadata(
        format=1,
        name=Path(recipe.encoder).name,
        task="binary",
        labels=(Label("0", "no"), Label("1", "yes")),
        input=Input(size=size, sizes=sizes),
        golden=selftest.placeholder(size, 2),
    )
    data = modelfile.attach(graph, metadata)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with contextlib.suppress(OSError):  # a full disk: it is exported again next time
        partial.write_bytes(data)
        os.replace(partial, path)
    partial.unlink(missing_ok=True)
    return modelfile.from_bytes(data, str(path))


def encoder_key(recipe: Recipe) -> str:
    """A hash of what makes an encoder: its name and shape, its weights, the code that builds and exports it."""
    digest = hashlib.sha256(repr([getattr(recipe, key) for key in MAKE_AN_ENCODER]).encode())
    for file in (Path(recipe.weights) if recipe.weights else None, recipe.genotype):
        if file and file.is_file():
            digest.update(file.read_bytes())
    package = Path(eyebright.__file__).parent
    exports = "export/onnx.py", "export/sides.py"
    for pattern in ("encoders/*.py", "classifier/classifier.py", "classifier/pixel_features.py", *exports):
        for file in sorted(package.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def embed(
    data: Dataset,
    identities: Sequence[str],
    encoder: ModelFile,
    spec: Input,
    threads: int,
    mirrored: bool,
    told: Told,
) -> Floats:
    """(N, D), or (N, 2, D) with the mirrored picture's beside the picture's own; `identities` hashes each picture."""
    cache = Cache()
    how = f"{encoder.sha256} {spec.size} {spec.crop} {spec.interpolation} {mirrored}"
    keys = [hashlib.sha256(f"{identity} {how}".encode()).digest() for identity in identities]
    found = cache.find(keys)
    missing = [at for at, key in enumerate(keys) if key not in found]
    if missing:
        runtime = open_runtime(encoder)
        shorter = shorter_side(spec)

        def some(places: Sequence[int]) -> Floats:
            pixels = np.stack([fit(data.picture(data.items[at], shorter), spec) for at in places])
            views = np.stack([pixels, pixels[:, :, ::-1]], 1) if mirrored else pixels[:, None]
            (rows,) = runtime.run(np.ascontiguousarray(views.reshape(-1, *pixels.shape[1:])), ["embedding"])
            return rows.reshape(len(places), -1)

        parts = [missing[start : start + TOGETHER] for start in range(0, len(missing), TOGETHER)]
        pool = ThreadPoolExecutor(threads)
        try:
            done = len(data.items) - len(missing)
            for places, rows in zip(parts, pool.map(some, parts), strict=True):
                new = {keys[at]: row for at, row in zip(places, rows, strict=True)}
                cache.keep(new)
                found |= new
                done += len(places)
                told(done, len(data.items))
        finally:
            pool.shutdown(cancel_futures=True)
    rows = np.stack([found[key] for key in keys])
    return rows.reshape(len(data.items), 2, -1) if mirrored else rows
