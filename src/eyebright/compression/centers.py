"""Shared weights that learn: their network imitates the one that it was made from, on pictures that nobody labeled.

First each weight chooses its center anew (compensate.py). Then centers move by the sum of their weights' gradients, as
in Deep Compression (Han et al. 2016), and biases too; the model itself is the teacher.
"""

import math
import time
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper
from torch import Tensor

from eyebright import modelfile, selftest
from eyebright.compression.books import Book, books_of, price_for
from eyebright.compression.compensate import compensated, squares
from eyebright.compression.int8 import divergence
from eyebright.compression.lessons import BATCH, Teaches, crops, divided
from eyebright.compression.pack import pack
from eyebright.compression.share import PASSES_ON, WEIGHT_AT
from eyebright.data import Dataset
from eyebright.export.network import Network
from eyebright.modelfile import Input, ModelFile, Task
from eyebright.preprocessing import Pixels, fit, shorter_side
from eyebright.runtime import Runtime, cores
from eyebright.training.distill import NOTHING, imitation
from eyebright.training.events import Progress, Said, Tell

WARM = 10
"""Steps in which the rate climbs."""
RATES = {"center": 5e-4, "exact": 5e-4}
"""Of a step of Adam, as a share of the root mean square of the tensor."""
LEANER = 0.993
"""Of a size that is asked for, what sharing aims at before: weights that make up for others need a little more."""
SPARE_BYTES = 1500
"""By which a packed file may grow while its biases and centers learn."""
LOOKING = 0.3
"""Share of the time that looking may take."""
TRIES = 8


def taught(
    teacher: ModelFile,
    shared: ModelFile,
    pictures: Sequence[Dataset],
    seconds: float,
    tell: Tell,
    most_bytes: int | None = None,
) -> ModelFile:
    """`shared`, made from `teacher` by share.py, after it learned for `seconds` from pictures, whatever their labels.

    Where it was packed into LEANER * `most_bytes` it then takes no more than `most_bytes`; without them, about as many
    bytes as before. What brings it no nearer to the teacher on pictures that were held out is left out. Raises
    BadRequest where there are too few, BadModelFile for an operator that cannot be learned through.
    """
    torch.set_num_threads(cores())
    teaches, judges = divided([(data, item) for data in pictures for item in data.items])
    spec, task = teacher.metadata.input, teacher.metadata.task
    runtime = selftest.open_tested(teacher, threads=cores())
    graph, before = (onnx.load_from_string(file.data) for file in (shared, teacher))
    network, books = Network(graph), books_of(graph, before)
    exact = learning(graph, books)
    began = time.monotonic()
    seen = squares(before, books, teaches, spec, LOOKING * seconds, tell)
    price = price_for(books)
    for _ in range(TRIES):
        chosen = {name: compensated(book, *seen[name], price) if name in seen else book for name, book in books.items()}
        after = sealed(shared, written(graph, chosen, exact), len(teaches), seconds)
        if most_bytes is None or len(pack(after)) <= most_bytes - SPARE_BYTES:
            break
        price *= 2
    else:
        chosen, after = books, shared
    tell(Said("Each weight chose its center anew; now centers and biases learn."))
    best = nearer(runtime, [shared, after], judges, spec, task, tell)
    if best is shared:
        chosen = books
    learn(network, chosen, exact, runtime, teaches, spec, task, began + seconds, tell)
    after = sealed(shared, written(graph, chosen, exact), len(teaches), seconds)
    if most_bytes is not None and len(pack(after)) > most_bytes:
        return best
    return nearer(runtime, [best, after], judges, spec, task, tell)


def learning(graph: ModelProto, books: Mapping[str, Book]) -> dict[str, Tensor]:
    """Biases and small weights, which are not shared but learn too."""
    tensors = {tensor.name: tensor for tensor in graph.graph.initializer}
    makers = {name: node for node in graph.graph.node for name in node.output}
    found: dict[str, Tensor] = {}
    for node in graph.graph.node:
        for name in node.input[1:] if node.op_type in WEIGHT_AT else ():
            while name in makers and makers[name].op_type in PASSES_ON:
                name = makers[name].input[0]
            tensor = tensors.get(name)
            if tensor and tensor.data_type in (TensorProto.FLOAT, TensorProto.INT32) and name not in books:
                found[name] = torch.tensor(numpy_helper.to_array(tensor).astype(np.float32), requires_grad=True)
    return found


def learn(
    network: Network,
    books: Mapping[str, Book],
    exact: Mapping[str, Tensor],
    teacher: Runtime,
    pictures: Sequence[Teaches],
    spec: Input,
    task: Task,
    until: float,
    tell: Tell,
) -> None:
    """Move centers and what is exact, in place, until then by the clock of `time.monotonic`."""
    groups = [("center", book.centers, book.root) for book in books.values()]
    groups += [("exact", value, float(value.detach().square().mean().sqrt())) for value in exact.values()]
    optimizer = torch.optim.Adam(
        [{"params": [value], "most": RATES[kind] * size} for kind, value, size in groups], betas=(0.9, 0.99)
    )
    random = np.random.default_rng(1)
    began, step, share = time.monotonic(), 0, 0.0
    seconds = max(until - began, 1e-3)
    while share < 1:
        for group in optimizer.param_groups:
            group["lr"] = group["most"] * (0.5 + 0.5 * math.cos(math.pi * share)) * min((step + 1) / WARM, 1)
        pixels = crops(pictures, spec, random)
        weights = {name: book.held().requires_grad_() for name, book in books.items()}
        scores = network(torch.from_numpy(pixels), weights | dict(exact))["scores"].clamp(NOTHING, 1 - NOTHING)
        (told,) = teacher.run(pixels, ["scores"])
        logits = torch.logit(scores) if task == "multi" else scores.log()
        loss = imitation(logits, torch.from_numpy(told), task, 1.0).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for name, book in books.items():
            pass_on(book, weights[name].grad)
        optimizer.step()
        step += 1
        spent = time.monotonic() - began
        share = spent / seconds
        steps, left_s = max(round(step / min(share, 1)), step), max(seconds - spent, 0.0)
        seen, rate = step * BATCH, step * BATCH / spent
        tell(Progress(step, steps, seen / len(pictures), float(loss.detach()), 0.0, rate, left_s))


def pass_on(book: Book, gradient: Tensor | None) -> None:
    """The sum of its weights' gradients is that of a center."""
    if gradient is None:
        return
    sums = torch.bincount(book.which.flatten(), gradient.flatten(), len(book.centers))
    book.centers.grad = torch.where(book.centers.detach() == 0, 0.0, sums.float())


def written(graph: ModelProto, books: Mapping[str, Book], exact: Mapping[str, Tensor]) -> ModelProto:
    """A copy with what was learned, in the types that it had."""
    learned = {name: book.held() for name, book in books.items()} | {name: at.detach() for name, at in exact.items()}
    changed = ModelProto()
    changed.CopyFrom(graph)
    for tensor in changed.graph.initializer:
        if tensor.name in learned:
            kind, values = numpy_helper.to_array(tensor).dtype, learned[tensor.name].numpy()
            values = np.rint(values) if kind.kind == "i" else values
            tensor.CopyFrom(numpy_helper.from_array(values.astype(kind), tensor.name))
    return changed


def sealed(shared: ModelFile, graph: ModelProto, pictures: int, seconds: float) -> ModelFile:
    card = shared.metadata.card
    how = f"shared weights learned from {pictures:,} unlabeled pictures for {seconds:.0f} s"
    card = msgspec.structs.replace(card, lineage=(*card.lineage, how))
    metadata = msgspec.structs.replace(shared.metadata, card=card)
    return modelfile.from_bytes(selftest.seal(graph, metadata, shared.path), shared.path)


def nearer(
    teacher: Runtime, files: Sequence[ModelFile], pictures: Sequence[Teaches], spec: Input, task: Task, tell: Tell
) -> ModelFile:
    """Of a model file and what became of it, the one whose scores are nearer to the teacher's on these pictures."""
    pixels = np.stack([fit(data.picture(item, shorter_side(spec)), spec) for data, item in pictures])
    wanted = said(teacher, pixels)
    far = [divergence(wanted, said(selftest.open_tested(file, threads=cores()), pixels), task) for file in files]
    kept = "" if far[1] < far[0] else "; so it stays as it was"
    tell(Said(f"On {len(pictures):,} other pictures: {far[0]:.3g} nats from the teacher, now {far[1]:.3g}{kept}."))
    return files[1] if far[1] < far[0] else files[0]


def said(runtime: Runtime, pixels: Pixels) -> NDArray[np.float64]:
    """(N, L) scores."""
    found = [runtime.run(pixels[at : at + BATCH], ["scores"])[0] for at in range(0, len(pixels), BATCH)]
    return np.concatenate(found).astype(np.float64)
