"""Shared weights that learn: their network imitates the one that it was made from, on pictures that nobody labeled.

First each weight chooses its center anew, one input of a layer after the other, and the weights behind it make up for
the error (GPTQ, Frantar et al. 2022, arXiv:2210.17323), as inputs of these pictures go together. Then centers move by
the sum of their weights' gradients, as in Deep Compression, and biases too; the model itself is the teacher.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper
from torch import Tensor
from torch.nn import functional

from eyebright import modelfile, selftest
from eyebright.compression.int8 import divergence
from eyebright.compression.pack import entropy_bits, pack
from eyebright.compression.ranges import looking_at
from eyebright.compression.share import PASSES_ON, WEIGHT_AT, cheaper, shareable
from eyebright.data import Dataset
from eyebright.data.dataset import Item
from eyebright.errors import BadRequest
from eyebright.export.network import Network
from eyebright.modelfile import Input, ModelFile, Task
from eyebright.preprocessing import INTERPOLATIONS, Pixels, fit, shorter_side
from eyebright.runtime import Runtime, cores
from eyebright.training.distill import NOTHING, imitation
from eyebright.training.events import Progress, Said, Tell, counting

BATCH = 16
FEWEST = 16
JUDGING = 128
"""Pictures that do not teach but tell whether it helped; a tenth, where there are few."""
SMALLEST = 0.6
"""Side of a crop, as a share of the shorter side; they are of all sizes from this to 1."""
WARM = 10
"""Steps in which the rate climbs."""
RATES = {"center": 5e-4, "exact": 5e-4}
"""Of a step of Adam, as a share of the root mean square of the tensor."""
LEANER = 0.993
"""Of a size that is asked for, what sharing aims at before: weights that make up for others need a little more."""
SPARE_BYTES = 1500
"""By which a packed file may grow while its biases and centers learn."""
LOOKED = 256
"""Pictures that tell how the inputs of a layer go together, and PLACES of each."""
PLACES = 512
LOOKING = 0.3
"""Share of the time that looking may take."""
DAMPED = 0.01
"""Added to the squares of inputs, as a share of their mean, since the pictures are few."""
HALVINGS = 10
TRIES = 8

Index = NDArray[np.int64]
Floats = NDArray[Any]
Teaches = tuple[Dataset, Item]


class Layer(NamedTuple):
    """An operator with shared weights whose error other weights can make up for."""

    input: str
    output: int
    """The axis of the weight that counts outputs."""
    kernel: tuple[int, ...] = ()
    """Height and width of a convolution; empty for a matrix product."""
    groups: int = 1
    attributes: Mapping[str, Any] = {}


class Book(NamedTuple):
    """A tensor of shared weights while it learns."""

    centers: Tensor
    """(K,) rising; one that is 0 stays 0."""
    which: Tensor
    """int64, which center each weight takes."""
    before: Tensor
    """The weights before they were shared."""
    root: float
    """The root mean square of the weights as the graph holds them."""
    price: float
    """What a bit costs in squared error as the graph holds them, at a price of 1 (share.py)."""
    whole: bool
    """int8: centers are whole numbers."""

    def values(self) -> Tensor:
        """(K,) centers as they are held."""
        centers = self.centers.detach()
        return centers.round().clamp(-127, 127) if self.whole else centers

    def held(self) -> Tensor:
        """The weights as they are."""
        return self.values()[self.which]


class Choice:
    """What is the cheapest center at a price of a bit, where each costs as many bits as it is rare."""

    def __init__(self, book: Book, price: float) -> None:
        self.values = book.values().numpy().astype(np.float64)
        counts = np.bincount(book.which.numpy().ravel(), minlength=len(self.values))
        (some,) = np.nonzero(counts)
        self.some = some[np.unique(self.values[some], return_index=True)[1]]
        self.bits = np.log2(counts.sum() / counts[self.some])
        self.price = price * book.price

    def __call__(self, weights: Floats, factor: float = 1.0) -> Index:
        """Places of centers for weights of which each errs `factor` times as cheaply."""
        some = self.values[self.some]
        left, _, limits = cheaper(some, self.bits, self.price * factor)
        return self.some[np.searchsorted(some, left)[np.searchsorted(limits, weights)]]


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


def divided(pictures: Sequence[Teaches]) -> tuple[list[Teaches], list[Teaches]]:
    """Those that teach, and those that judge."""
    if len(pictures) < FEWEST:
        raise BadRequest(f"{len(pictures)} pictures are too few to learn from; give {FEWEST} at least, or thousands.")
    judging = min(JUDGING, max(len(pictures) // 10, 1))
    order = np.random.default_rng(0).permutation(len(pictures)).tolist()
    return [pictures[at] for at in order[judging:]], [pictures[at] for at in order[:judging]]


def books_of(graph: ModelProto, before: ModelProto) -> dict[str, Book]:
    """The shared tensors by name, with the weights that they had in the model `before`."""
    unshared = {name: weight.values for name, weight in shareable(before).items()}
    books: dict[str, Book] = {}
    for name, weight in shareable(graph).items():
        values, which = np.unique(weight.values, return_inverse=True)
        if len(values) > 256 or name not in unshared:
            continue
        square = float(np.mean(np.square(weight.scale, dtype=np.float64)))
        root = float(np.sqrt(np.mean(np.square(weight.values, dtype=np.float64)))) or 1.0
        books[name] = Book(
            torch.tensor(values.astype(np.float32), requires_grad=True),
            torch.from_numpy(which.reshape(weight.values.shape)),
            torch.from_numpy(unshared[name].astype(np.float32)),
            root,
            root * math.sqrt(square) / square,
            weight.values.dtype == np.int8,
        )
    if not books:
        raise BadRequest("no weight in this model is shared, so there is nothing that could learn.")
    return books


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


def crops(pictures: Sequence[Teaches], spec: Input, random: np.random.Generator, count: int = BATCH) -> Pixels:
    """(count, size, size, 3): random parts of random pictures, half of them mirrored."""
    found = []
    for at in random.integers(len(pictures), size=count).tolist():
        data, item = pictures[at]
        picture = data.picture(item, round(spec.size / SMALLEST))
        share = random.uniform(SMALLEST, 1)
        sides = picture.size if spec.crop == 0 else (min(picture.size),) * 2
        width, height = (share * side for side in sides)
        left, top = random.uniform(0, picture.width - width), random.uniform(0, picture.height - height)
        box = left, top, left + width, top + height
        pixels = np.asarray(picture.resize((spec.size, spec.size), INTERPOLATIONS[spec.interpolation], box=box))
        found.append(pixels[:, ::-1] if random.integers(2) else pixels)
    return np.stack(found)


def price_for(books: Mapping[str, Book]) -> float:
    """The least price of a bit at which weights that choose their center alone take no more than they do."""
    most_bits = sum(entropy_bits(np.bincount(book.which.numpy().ravel())) for book in books.values())

    def bits(price: float) -> float:
        chosen = (Choice(book, price)(book.before.numpy()) for book in books.values())
        return sum(entropy_bits(np.bincount(which.ravel())) for which in chosen)

    low, high = -7.0, 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if bits(10**middle) <= most_bits else (middle, high)
    return float(10**high)


def layers(graph: ModelProto, books: Mapping[str, Book]) -> dict[str, Layer]:
    """Convolutions and matrix products by the name of their shared weight."""
    makers = {name: node for node in graph.graph.node for name in node.output}
    outputs = {name: weight.output for name, weight in shareable(graph).items()}
    found: dict[str, Layer] = {}
    for node in graph.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        name = node.input[1]
        while name in makers and makers[name].op_type in PASSES_ON:
            name = makers[name].input[0]
        given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        output = outputs.get(name)
        if name in books and output is not None and not given.get("transA"):
            kernel = tuple(books[name].which.shape[2:])
            found[name] = Layer(node.input[0], output, kernel, given.get("group", 1), given)
    return found


def squares(
    graph: ModelProto,
    books: Mapping[str, Book],
    pictures: Sequence[Teaches],
    spec: Input,
    seconds: float,
    tell: Tell,
) -> dict[str, tuple[Layer, Tensor]]:
    """By the name of a weight its layer, and (groups, n, n): the mean product of each two of an output's n inputs."""
    found = layers(graph, books)
    names = list(dict.fromkeys(layer.input for layer in found.values()))
    probe = looking_at(graph, names)
    random, count = np.random.default_rng(0), counting(tell, "pictures looked at")
    sums: dict[str, Tensor] = {}
    began, done = time.monotonic(), 0
    while done < LOOKED and (not done or time.monotonic() - began < seconds):
        values = dict(zip(names, probe.run(names, {"image": crops(pictures, spec, random, 1)}), strict=True))
        for name, layer in found.items():
            some = inputs(torch.from_numpy(values[layer.input]), layer, random)
            sums[name] = sums.get(name, torch.zeros(())) + some.mT @ some / some.shape[1]
        done += 1
        count(done, LOOKED)
    return {name: (layer, sums[name] / done) for name, layer in found.items()}


def inputs(x: Tensor, layer: Layer, random: np.random.Generator) -> Tensor:
    """(groups, P, n): what outputs at up to PLACES places are made of."""
    if layer.kernel:
        top, left, bottom, right = layer.attributes.get("pads", [0, 0, 0, 0])
        x = functional.pad(x, (left, right, top, bottom))
        strides, dilations = (layer.attributes.get(key, [1, 1]) for key in ("strides", "dilations"))
        rows = functional.unfold(x, layer.kernel, dilations, stride=strides).transpose(1, 2).flatten(0, 1)
    else:
        rows = x.reshape(-1, x.shape[-1])
    some = rows[torch.from_numpy(random.permutation(len(rows))[:PLACES])]
    return some.reshape(len(some), layer.groups, -1).movedim(1, 0)


def compensated(book: Book, layer: Layer, products: Tensor, price: float) -> Book:
    """Centers chosen one input after the other; what is still to choose makes up for the error so far."""
    turned = book.before.movedim(layer.output, 0)
    rows = turned.flatten(1)
    weights, count = rows.reshape(layer.groups, -1, rows.shape[1]).clone(), rows.shape[1]
    squares = products.double()
    damped = DAMPED * squares.diagonal(dim1=1, dim2=2).mean(1) + NOTHING
    squares = squares + damped[:, None, None] * torch.eye(count, dtype=torch.double)
    ahead = torch.linalg.cholesky(torch.linalg.inv(squares), upper=True)
    own = ahead.diagonal(dim1=1, dim2=2)
    cheap = (own**2 / (own**2).mean(1, keepdim=True)).mean(0).tolist()
    ahead = (ahead / own[:, :, None]).float()
    choose, values = Choice(book, price), book.values()
    which = torch.empty(weights.shape, dtype=torch.int64)
    for at in range(count):
        which[:, :, at] = torch.from_numpy(choose(weights[:, :, at].numpy(), cheap[at]))
        error = weights[:, :, at] - values[which[:, :, at]]
        weights[:, :, at + 1 :] -= error[:, :, None] * ahead[:, None, at, at + 1 :]
    return book._replace(which=which.reshape(turned.shape).movedim(0, layer.output).contiguous())


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
