"""Weights that share few values, so that they pack well: Deep Compression (Han, Mao and Dally 2015, arXiv:1510.00149).

The smallest weights become 0, the others one of at most 2^bits values, which k-means finds for each tensor. With a
price on bits (entropy-constrained, Chou, Lookabaugh and Gray 1989; of networks Choi, El-Khamy and Lee 2016,
arXiv:1612.01543) a value that is rare must be worth its longer code. At last some weights that lay between two values
take the other one, so that each kernel and each output keeps its sum (as SQuant does, Guo et al. 2022,
arXiv:2202.07471): activations are positive on average, and errors that add up cost most.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from eyebright import modelfile, selftest
from eyebright.compression.pack import entropy_bits, pack
from eyebright.errors import BadRequest
from eyebright.modelfile import ModelFile

Bits = int | Mapping[str, int] | None
"""Of all large weights, or by the names of their initializers; None: no value is shared."""
BITS = range(2, 9)
MIN_WEIGHTS = 1024
"""In a tensor; smaller ones stay exact."""
MIN_PRUNED = 0.2
"""Share of zeros from which on a tensor counts as pruned before: its zeros then stay zeros."""
WEIGHT_AT = {"Conv": (1,), "ConvTranspose": (1,), "Gemm": (1,), "MatMul": (0, 1)}
"""Where an operator takes its weights."""
PASSES_ON = {"DequantizeLinear", "Cast", "Mul", "Transpose", "Reshape", "Identity"}
"""What may stand between a weight as it is held and the operator that takes it."""
TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8)

MAX_ROUNDS = 500
TRIES = 5
HALVINGS = 12
LEAST_PRICE, HIGHEST_PRICE = -6.0, 1.0
"""Powers of 10, in units of the mean of the root mean squares of the tensors."""

Weights = NDArray[Any]
Floats = NDArray[np.float64]


class Weight(NamedTuple):
    """A large weight as the graph holds it."""

    values: Weights
    scale: Weights
    """What the graph multiplies them by, in a shape that broadcasts; 1 but for int8."""
    output: int | None
    """The axis of outputs; None where the graph turns it first."""


def with_shared_weights(file: ModelFile, bits: Bits, prune: float = 0.0, price: float = 0.0) -> ModelFile:
    """The model file with its weights pruned and shared as `share` does it, and a self-test of its own.

    What was measured of the old weights (metrics, promises, sets) is no longer said; temperature and thresholds stay.
    """
    graph = share(onnx.load_from_string(file.data), bits, prune, price)
    card, how = file.metadata.card, _how(bits, prune, price)
    metadata = msgspec.structs.replace(
        file.metadata,
        promises={},
        selective=(),
        sets=None,
        card=msgspec.structs.replace(
            card,
            metrics={},
            per_class={},
            lineage=(*card.lineage, how),
            calibration=f"not established for these weights; of those before: {card.calibration}",
        ),
    )
    return modelfile.from_bytes(selftest.seal(graph, metadata, file.path), file.path)


def within(file: ModelFile, most_bytes: int, bits: Bits = 8, prune: float = 0.0) -> tuple[ModelFile, bytes]:
    """The model file with shared weights and its packed form of at most so many bytes, at the least price that does.

    Raises BadRequest where no price does, with the size that was reached.
    """
    tensors = _prepared(onnx.load_from_string(file.data), bits, prune)
    made: tuple[ModelFile, bytes] | None = None
    reached, rest = 0, 0.0
    for _ in range(TRIES):
        price = _price_for(tensors, 8 * (0.997 * most_bytes - rest))
        changed = with_shared_weights(file, bits, prune, price)
        data = pack(changed)
        reached = len(data)
        if reached <= most_bytes:
            made = changed, data
            if price == 0 or reached >= 0.99 * most_bytes:
                break
        rest = reached - _bits(tensors, price) / 8
    if made is None:
        raise BadRequest(
            f"{file.path} cannot be packed into {most_bytes:,} bytes by sharing its weights: {reached:,} are left."
        )
    return made


def share(model: ModelProto, bits: Bits, prune: float = 0.0, price: float = 0.0) -> ModelProto:
    """The model with at most 2^bits different values in each large weight, the share `prune` (0..1) of them 0.

    bits   2..8 for all weights, or by name, the others staying as they are; of int8 weights the integers are shared,
           scales stay; a weight with no more than 2^bits different values keeps them
    prune  the smallest in magnitude, over all these tensors together
    price  the squared error that one bit of a weight may cost, as a multiple of the root mean square of its tensor
           (halfway between the same error everywhere and the same share of each tensor); 0: plain k-means

    Raises BadRequest for bits and shares that cannot be meant, or where no weight is large.
    """
    changed = ModelProto()
    changed.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in changed.graph.initializer}
    for name, each in _prepared(changed, bits, prune).items():
        tensors[name].CopyFrom(numpy_helper.from_array(each.settled(price), name))
    return changed


def shareable(model: ModelProto) -> dict[str, Weight]:
    """The initializers that are large weights of convolutions and matrix products, in float or int8 without offset."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    found: dict[str, Weight] = {}
    for node in model.graph.node:
        for at in WEIGHT_AT.get(node.op_type, ()):
            name, output = node.input[at], _output_axis(node, at)
            scale: Weights | None = np.ones((), np.float32)
            while (maker := makers.get(name)) is not None and maker.op_type in PASSES_ON:
                name = maker.input[0]
                if maker.op_type == "DequantizeLinear" and name in tensors:
                    scale = _scale(maker, tensors, len(tensors[name].dims))
                elif maker.op_type in ("Transpose", "Reshape"):
                    output = None
            tensor = tensors.get(name)
            if tensor is None or scale is None or tensor.data_type not in TYPES or len(tensor.dims) < 2:
                continue
            if np.prod(tensor.dims) >= MIN_WEIGHTS:
                found[name] = Weight(numpy_helper.to_array(tensor), scale, output)
    return found


def k_means(points: Floats, often: Floats, count: int, price: float = 0.0) -> tuple[Floats, NDArray[np.intp]]:
    """Rising centers, at most `count`, of rising points that occur so often; points ends[i]..ends[i + 1] have center i.

    Lloyd's, from centers at equal distances: such a start keeps some for the few large weights, which matter most
    (section 3.2 of the paper). `price`: the squared error that a bit of a point's code may cost.
    """
    below = np.concatenate([[0.0], np.cumsum(often)])
    sums = np.concatenate([[0.0], np.cumsum(often * points)])
    centers, bits = np.linspace(points[0], points[-1], count), np.zeros(count)
    ends = np.array([0])
    for _ in range(MAX_ROUNDS):
        centers, bits, limits = cheaper(centers, bits, price)
        now = np.concatenate([[0], np.searchsorted(points, limits), [len(points)]])
        if np.array_equal(now, ends):
            break
        ends = now
        mass = np.diff(below[ends])
        some = mass > 0
        centers[some] = np.diff(sums[ends])[some] / mass[some]
        if price:
            centers, bits = centers[some], np.log2(below[-1] / mass[some])
    ends = np.unique(ends)
    return np.diff(sums[ends]) / np.diff(below[ends]), ends


def cheaper(centers: Floats, bits: Floats, price: float) -> tuple[Floats, Floats, Floats]:
    """Centers, and from where on the next one is cheaper; one that is nowhere the cheapest goes."""
    while True:
        limits = (centers[1:] + centers[:-1]) / 2
        if not price:
            return centers, bits, limits
        limits += price * np.diff(bits) / (2 * np.diff(centers))
        (turned,) = np.nonzero(np.diff(limits) <= 0)
        if not len(turned):
            return centers, bits, limits
        centers, bits = np.delete(centers, turned[0] + 1), np.delete(bits, turned[0] + 1)


def balanced(values: Weights, shared: Weights, fixed: NDArray[np.bool_]) -> Weights:
    """(R, N) shared values of which some take the next value, so that the sum of each row comes nearest to that before.

    Those move that lay nearest to the middle between two values, which costs least; `fixed` ones (R, N) never do.
    """
    book = np.unique(shared).astype(np.float64)
    error = values.astype(np.float64) - shared
    missing = error.sum(axis=1, keepdims=True)
    way = np.where(missing > 0, 1, -1)
    other = np.searchsorted(book, shared) + way
    may = (other >= 0) & (other < len(book)) & ~fixed
    other_value = book[np.clip(other, 0, len(book) - 1)]
    gain = np.where(may, (other_value - shared) * way, 0.0)
    order = np.argsort(np.where(may, gain - 2 * error * way, np.inf), axis=1, kind="stable")
    gains = np.take_along_axis(gain, order, axis=1)
    first = (np.cumsum(gains, axis=1) - gains / 2 < np.abs(missing)) & (gains > 0)
    moves = np.zeros_like(first)
    np.put_along_axis(moves, order, first, axis=1)
    return np.where(moves, other_value, shared).astype(shared.dtype)


class _Prepared:
    """A weight, pruned, and its different values sorted once."""

    def __init__(self, weight: Weight, pruned: Weights, depth: int | None) -> None:
        self.weight, self.depth = weight, depth
        self.values = pruned
        self.is_pruned = pruned == 0
        if self.is_pruned.mean() < MIN_PRUNED and np.array_equal(pruned, weight.values):
            self.is_pruned[:] = False
        self.different, self.which, often = np.unique(pruned.ravel(), return_inverse=True, return_counts=True)
        self.often = often.astype(np.float64)
        self.square = float(np.mean(np.square(weight.scale, dtype=np.float64)))
        power = float(np.square(self.different.astype(np.float64)) @ self.often) * self.square
        self.root = float(np.sqrt(power / pruned.size))

    def shared(self, price: float) -> tuple[Weights, float]:
        """The weight with shared values, and the bits that its codebook and the entropy of its indices take."""
        count = None if self.depth is None else 2**self.depth
        if count is None or (len(self.different) <= count and not price):
            return self.values, self.bits(self.often)
        is_zero = (self.different == 0) & self.is_pruned.any()
        points, often = self.different[~is_zero].astype(np.float64), self.often[~is_zero]
        replaced, counts = np.zeros(len(is_zero), self.values.dtype), self.often[is_zero]
        if len(points):
            centers, ends = k_means(
                points, often, min(count - int(is_zero.any()), len(points)), price * self.root / self.square
            )
            centers = np.rint(centers) if self.values.dtype == np.int8 else centers
            replaced[~is_zero] = np.repeat(centers, np.diff(ends)).astype(self.values.dtype)
            counts = np.append(counts, np.add.reduceat(often, ends[:-1]))
        return replaced[self.which].reshape(self.values.shape), self.bits(counts)

    def bits(self, counts: Floats) -> float:
        """With a value and about 12 bits of frequency for each that occurs."""
        return entropy_bits(counts) + len(counts) * (8 * self.values.itemsize + 12)

    def settled(self, price: float) -> Weights:
        """As `shared`, and the sums of each kernel and of each output what they were."""
        shared, output = self.shared(price)[0], self.weight.output
        if output is None or shared is self.values:
            return shared
        first = [np.moveaxis(each, output, 0) for each in (self.weight.values, shared, self.is_pruned)]
        values, turned, fixed = first
        sizes = [turned.shape[0]] if turned.ndim < 3 else [turned.shape[0] * turned.shape[1], turned.shape[0]]
        for rows in sizes:
            if rows < turned.size:
                flat = (each.reshape(rows, -1) for each in (values, turned, fixed))
                turned = balanced(*flat).reshape(turned.shape)
        return np.ascontiguousarray(np.moveaxis(turned, 0, output))


def _prepared(model: ModelProto, bits: Bits, prune: float) -> dict[str, _Prepared]:
    """The weights that are shared, by name, pruned."""
    found = shareable(model)
    wanted = dict(bits) if isinstance(bits, Mapping) else dict.fromkeys(found, bits)
    _check(wanted, prune, found)
    weights = {name: found[name].values.copy() for name in wanted}
    if prune:
        magnitudes = [np.abs(values.astype(np.float32) * found[name].scale) for name, values in weights.items()]
        together = np.concatenate([each.ravel() for each in magnitudes])
        last = min(round(prune * len(together)), len(together) - 1)
        limit = np.partition(together, last)[last]
        for values, magnitude in zip(weights.values(), magnitudes, strict=True):
            values[magnitude < limit] = 0
    return {name: _Prepared(found[name], values, wanted[name]) for name, values in weights.items()}


def _price_for(tensors: Mapping[str, _Prepared], most_bits: float) -> float:
    """The least price at which all weights together take at most so many bits; the highest where none does."""
    if _bits(tensors, 0.0) <= most_bits:
        return 0.0
    unit = float(np.mean([each.root for each in tensors.values()]))
    low, high = LEAST_PRICE, HIGHEST_PRICE
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _bits(tensors, unit * 10**middle) <= most_bits:
            high = middle
        else:
            low = middle
    return unit * float(10**high)


def _output_axis(node: NodeProto, at: int) -> int | None:
    """Which axis of an operator's weight counts its outputs."""
    if node.op_type == "MatMul":
        return -1 if at == 1 else -2
    if node.op_type == "Gemm":
        return 0 if any(attribute.name == "transB" and attribute.i for attribute in node.attribute) else 1
    return 0 if node.op_type == "Conv" else None


def _bits(tensors: Mapping[str, _Prepared], price: float) -> float:
    return sum(each.shared(price)[1] for each in tensors.values())


def _scale(node: NodeProto, tensors: Mapping[str, TensorProto], dimensions: int) -> Weights | None:
    """The scales of a DequantizeLinear; None where it has an offset, or scales in blocks or computed ones."""
    if any(name not in tensors for name in node.input[1:]):
        return None
    scale, *offset = (numpy_helper.to_array(tensors[name]) for name in node.input[1:])
    if scale.ndim > 1 or any(each.any() for each in offset):
        return None
    shape = [1] * dimensions
    shape[next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)] = -1
    return scale.astype(np.float32).reshape(shape)


def _check(wanted: Mapping[str, int | None], prune: float, found: Collection[str]) -> None:
    if not wanted:
        raise BadRequest(f"no weight in this model has {MIN_WEIGHTS:,} values or more, so there is nothing to share.")
    for name, depth in wanted.items():
        if name not in found:
            raise BadRequest(f"{name!r} is not the name of a large weight of this model.")
        if depth is not None and depth not in BITS:
            raise BadRequest(f"shared weights have {BITS[0]} to {BITS[-1]} bits; {depth} is not among them.")
    if not 0 <= prune < 1:
        raise BadRequest(f"what is pruned is a share of the weights, 0 to 1; {prune:g} is not (30% is 0.3).")


def _how(bits: Bits, prune: float, price: float) -> str:
    """A line for the card."""
    depths = sorted(bits.values()) if isinstance(bits, Mapping) else [bits] * (bits is not None)
    ends = dict.fromkeys((depths[0], depths[-1])) if depths else ()
    parts = (
        f"{' to '.join(map(str, ends))} bits" if ends else "",
        f"{prune:.0%} pruned" if prune else "",
        f"a bit for {price:.3g} of squared error, relative" if price else "",
    )
    return f"weights {'shared' if depths else 'pruned'}: {', '.join(filter(None, parts))}"
