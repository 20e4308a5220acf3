"""Shared weights that choose their centers anew, so that those still to choose make up for the error of those before.

GPTQ (Frantar et al. 2022, arXiv:2210.17323), by how the inputs of a layer go together on some pictures.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx import ModelProto
from torch import Tensor
from torch.nn import functional

from eyebright.compression.books import Book, Choice
from eyebright.compression.lessons import Teaches, crops
from eyebright.compression.ranges import looking_at
from eyebright.compression.share import PASSES_ON, shareable
from eyebright.modelfile import Input
from eyebright.training.distill import NOTHING
from eyebright.training.events import Tell, counting

LOOKED = 256
"""Pictures that tell how the inputs of a layer go together, and PLACES of each."""
PLACES = 512
DAMPED = 0.01
"""Added to the squares of inputs, as a share of their mean, since the pictures are few."""


class Layer(NamedTuple):
    """An operator with shared weights whose error other weights can make up for."""

    input: str
    output: int
    """The axis of the weight that counts outputs."""
    kernel: tuple[int, ...] = ()
    """Height and width of a convolution; empty for a matrix product."""
    groups: int = 1
    attributes: Mapping[str, Any] = {}


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
